"""Paths, tiles and bundles: what is written is read, anything else is an IntegrityError."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.merkle import leaf_hash
from sekimori.ledger.tlog.tiles import (
    ENTRIES,
    Edge,
    Tile,
    TileNodes,
    bundles_of,
    edge_tiles,
    grow,
    pack_bundle,
    parse_tile_path,
    tiles_of,
    unpack_bundle,
    unpack_hashes,
)

TILES = st.builds(Tile, st.integers(ENTRIES, 63), st.integers(0, (1 << 63) - 1), st.integers(1, 256))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        pytest.param(Tile(0, 0), "tile/0/000", id="the first"),
        pytest.param(Tile(2, 1234067), "tile/2/x001/x234/067", id="the specification's example"),
        pytest.param(Tile(1, 0, 17), "tile/1/000.p/17", id="a partial one"),
        pytest.param(Tile(ENTRIES, 273, 112), "tile/entries/273.p/112", id="a partial bundle"),
        pytest.param(Tile(0, 1000), "tile/0/x001/000", id="one more digit"),
    ],
)
def test_a_tile_lies_where_the_specification_says(tile, path):
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(TILES)
def test_every_tile_is_found_by_its_path(tile):
    assert parse_tile_path(tile.path) == tile


@given(
    st.one_of(
        st.text(max_size=40),
        TILES.flatmap(
            lambda tile: st.builds(
                lambda at, char: tile.path[:at] + char + tile.path[at + 1 :],
                st.integers(0, len(tile.path)),
                st.characters(),
            )
        ),
    )
)
@example("tile/0/x000/001")
@example("tile/0/000.p/256")
@example("tile/0/000.p/0")
@example("tile/0/000.p/01")
@example("tile/64/000")
@example("tile/00/000")
@example("tile/0/000\n")
@example("tile/0/٠٠٠")
@example("tile/0/../../checkpoint")
def test_any_text_is_the_one_path_of_a_tile_or_an_integrity_error(text):
    try:
        tile = parse_tile_path(text)
    except IntegrityError:
        return
    assert tile.path == text


def test_a_tree_of_seventy_thousand_has_the_tiles_of_the_specification():
    tiles = list(tiles_of(70_000))
    assert sum(tile.level == 0 and tile.is_full for tile in tiles) == 273
    assert [tile for tile in tiles if not (tile.level == 0 and tile.is_full)] == [
        Tile(0, 273, 112),
        Tile(1, 0),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == list(bundles_of(0)) == edge_tiles(0) == []


@given(st.integers(0, 70_000))
def test_the_edge_is_what_is_partial(size):
    assert sorted(edge_tiles(size)) == sorted(
        tile for tile in (*tiles_of(size), *bundles_of(size)) if not tile.is_full
    )


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_holds_its_entries_in_order(entries):
    assert list(unpack_bundle(pack_bundle(entries), len(entries))) == entries


@given(data=st.binary(max_size=100), width=st.integers(0, 256))
def test_any_bytes_are_a_bundle_or_an_integrity_error(data, width):
    try:
        entries = unpack_bundle(data, width)
    except IntegrityError:
        return
    assert pack_bundle(entries) == data
    assert len(entries) == width


@given(data=st.binary(max_size=200), width=st.integers(0, 256))
def test_any_bytes_are_hashes_or_an_integrity_error(data, width):
    try:
        hashes = unpack_hashes(data, width)
    except IntegrityError:
        return
    assert b"".join(hashes) == data


@given(st.lists(st.integers(0, 600), max_size=6))
def test_however_a_tree_grows_its_last_tiles_are_the_same(steps):
    edge, files = Edge(), dict[Tile, bytes]()
    for step in steps:
        edge, changed = grow(edge, [str(n).encode() for n in range(edge.size, edge.size + step)])
        assert all(not files.get(tile, b"") or files[tile] == changed[tile] for tile in changed)
        files |= changed
    at_once, expected = grow(Edge(), [str(n).encode() for n in range(sum(steps))])
    assert {tile: files[tile] for tile in expected} == expected
    assert {*expected} == {*tiles_of(sum(steps)), *bundles_of(sum(steps))}
    assert (edge.size, edge.entries) == (at_once.size, at_once.entries)
    assert edge.frontier().root() == at_once.frontier().root()


@given(level=st.integers(0, 70), index=st.integers(0, 1 << 66))
def test_a_node_that_a_tree_lacks_is_an_integrity_error(level, index):
    entries = [str(n).encode() for n in range(300)]
    _, files = grow(Edge(), entries)
    nodes = TileNodes(300, lambda tile: files[tile])
    try:
        found = nodes(level, index)
    except IntegrityError:
        assert (index + 1) << level > 300
        return
    assert (index + 1) << level <= 300
    assert level or found == leaf_hash(entries[index])
