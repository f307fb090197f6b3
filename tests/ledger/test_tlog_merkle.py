"""Trees and proofs: the published vectors, and a second implementation that follows the RFC word for word."""

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    consistency_path,
    edge_nodes,
    fold,
    inclusion_path,
    leaf_hash,
    root_of,
)
from sekimori.ledger.tlog.tiles import Edge, Tile, TileNodes, grow
from support.tlog import Naive

# The inputs and results of Certificate Transparency's own tests (RFC 6962's reference implementation).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LARGEST = 65_537
SIZES = [0, 1, 2, 255, 256, 257, 65_535, 65_536, 65_537]
ENTRIES = [str(n).encode() for n in range(LARGEST)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]
NAIVE = Naive(HASHES)
DICE = random.Random(6962)


def nodes_of(hashes):
    """Return the reader of a tree that is all in memory."""
    return lambda level, index: root_of(hashes[index << level : (index + 1) << level])


@pytest.fixture(scope="module")
def grown():
    """One tree, grown to each of the sizes in turn and written to tiles: size to (edge, tiles by then)."""
    edge, files, found = Edge(), dict[Tile, bytes](), {}
    for size in sorted({*SIZES, *DICE.sample(range(LARGEST), 12)}):
        edge, changed = grow(edge, ENTRIES[edge.size : size])
        files |= changed
        found[size] = (edge, dict(files))
    return found


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size):
    hashes = [leaf_hash(entry) for entry in INPUTS[:size]]
    assert root_of(hashes).hex() == ROOTS[size]
    frontier = Frontier()
    for hashed in hashes:
        frontier.push(hashed)
    assert frontier.root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_certificate_transparency(index, size):
    hashes = [leaf_hash(entry) for entry in INPUTS[:size]]
    path = inclusion_path(index, size, nodes_of(hashes))
    assert [node.hex() for node in path] == INCLUSION[index, size]
    check_inclusion(hashes[index], index, size, path, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_those_of_certificate_transparency(old, new):
    path = consistency_path(old, new, nodes_of([leaf_hash(entry) for entry in INPUTS[:new]]))
    assert [node.hex() for node in path] == CONSISTENCY[old, new]
    check_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), path)


def test_every_size_gives_the_root_of_the_second_implementation(grown):
    for size, (edge, files) in grown.items():
        expected = NAIVE.mth(0, size)
        assert edge.size == size
        assert edge.frontier().root() == expected, size
        nodes = TileNodes(size, files.__getitem__)
        assert fold([nodes(level, index) for level, index in edge_nodes(size)]) == expected
    assert root_of(HASHES) == NAIVE.mth(0, LARGEST)


def test_proofs_read_from_tiles_are_those_of_the_second_implementation(grown):
    for size, (_, files) in grown.items():
        nodes = TileNodes(size, files.__getitem__)
        root = NAIVE.mth(0, size)
        for index in {0, size // 2, size - 1, *(DICE.randrange(size or 1) for _ in range(5))} if size else ():
            path = inclusion_path(index, size, nodes)
            assert list(path) == NAIVE.path(index, 0, size), (index, size)
            check_inclusion(HASHES[index], index, size, path, root)
        for old in {0, 1, size // 2, size, *(old for old in grown if old <= size)}:
            path = consistency_path(min(old, size), size, nodes)
            assert list(path) == NAIVE.proof(min(old, size), size), (old, size)
            check_consistency(min(old, size), NAIVE.mth(0, min(old, size)), size, root, path)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 1100), data=st.data())
def test_trees_of_any_size_agree_with_the_second_implementation(size, data):
    hashes = HASHES[:size]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    nodes = nodes_of(hashes)
    assert root_of(hashes) == NAIVE.mth(0, size)
    assert list(inclusion_path(index, size, nodes)) == NAIVE.path(index, 0, size)
    assert list(consistency_path(old, size, nodes)) == NAIVE.proof(old, size)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 300), data=st.data())
def test_an_inclusion_proof_that_was_changed_anywhere_is_refused(size, data):
    index = data.draw(st.integers(0, size - 1))
    path, root = NAIVE.path(index, 0, size), NAIVE.mth(0, size)
    other = data.draw(st.integers(0, size).filter(lambda n: n != index))
    flipped = bytes([HASHES[index][0] ^ 1]) + HASHES[index][1:]
    wrong: list[tuple[bytes, int, int, list[bytes], bytes]] = [
        (flipped, index, size, path, root),
        (HASHES[index], other, size, path, root),
        (HASHES[index], index, size, [*path, root], root),
        (HASHES[index], index, size, path, EMPTY_ROOT),
        *((HASHES[index], index, size, [*path[:n], flipped, *path[n + 1 :]], root) for n in range(len(path))),
        *((HASHES[index], index, size, path[:n], root) for n in range(len(path))),
    ]
    for hashed, at, leaves, proof, under in wrong:
        with pytest.raises(IntegrityError):
            check_inclusion(hashed, at, leaves, proof, under)


@settings(max_examples=100, deadline=None)
@given(new=st.integers(1, 300), data=st.data())
def test_a_consistency_proof_that_was_changed_anywhere_is_refused(new, data):
    old = data.draw(st.integers(0, new))
    path, roots = NAIVE.proof(old, new), (NAIVE.mth(0, old), NAIVE.mth(0, new))
    flipped = bytes([roots[0][0] ^ 1]) + roots[0][1:]
    wrong = [
        (old, flipped, new, roots[1], path),
        *([(old, roots[0], new, flipped, path)] if old else []),
        (old, roots[0], new, roots[1], [*path, flipped]),
        (new + 1, roots[0], new, roots[1], path),
        *((old, roots[0], new, roots[1], [*path[:n], flipped, *path[n + 1 :]]) for n in range(len(path))),
        *((old, roots[0], new, roots[1], path[:n]) for n in range(len(path))),
    ]
    for case in wrong:
        with pytest.raises(IntegrityError):
            check_consistency(*case)


@given(
    numbers=st.tuples(st.integers(-1, 1 << 65), st.integers(-1, 1 << 65)),
    path=st.lists(st.binary(max_size=33), max_size=70),
    root=st.binary(max_size=33),
)
def test_any_numbers_and_hashes_are_a_proof_or_an_integrity_error(numbers, path, root):
    hashed = hashlib.sha256(root).digest()
    for check in (
        lambda: check_inclusion(hashed, numbers[0], numbers[1], path, root),
        lambda: check_consistency(numbers[0], hashed, numbers[1], root, path),
        lambda: Frontier(max(numbers[0], 0), path),
    ):
        try:
            check()
        except IntegrityError:
            continue


def test_a_proof_of_what_is_not_there_is_not_made():
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(IntegrityError):
            inclusion_path(index, size, nodes_of(HASHES))
    for old, new in ((6, 5), (-1, 5)):
        with pytest.raises(IntegrityError):
            consistency_path(old, new, nodes_of(HASHES))
