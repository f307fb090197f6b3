"""Tiles and entry bundles: how a tree lies in files (c2sp.org/tlog-tiles). Pure.

A tile holds 256 neighbouring hashes of every eighth level of the tree, a bundle the 256 entries below a
tile of level 0; the last ones of a tree are partial. ``Edge`` is what a growing tree must remember to
write the next ones; ``TileNodes`` reads a tree back out of its tiles.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.merkle import HASH_BYTES, MAX_SIZE, Frontier, leaf_hash, root_of

WIDTH = 256
HEIGHT = 8
ENTRIES = -1
"""The level of an entry bundle: below the leaves' hashes."""

MAX_ENTRY_BYTES = 0xFFFF
_MAX_LEVEL = 63
_LENGTH = struct.Struct(">H")
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One file of a tree."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The file's path below the log's folder."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{_index_path(self.index)}" + ("" if self.is_full else f".p/{self.width}")

    @property
    def is_full(self) -> bool:
        """Tell whether it will never grow."""
        return self.width == WIDTH


def parse_tile_path(path: str) -> Tile:
    """Read a path that ``Tile.path`` gave; raises IntegrityError on any other."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise IntegrityError("A path names no tile.")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    tile = Tile(level, int(re.sub("[x/]", "", match["index"])), int(match["width"] or WIDTH))
    # Leading x000 elements and widths from 256 up are other spellings of a tile that has one already.
    if tile.path != path or level > _MAX_LEVEL or tile.index > MAX_SIZE:
        raise IntegrityError("A path names no tile.")
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every hash tile of a tree, level by level."""
    level, width = 0, size
    while width:
        yield from _row(level, width)
        level, width = level + 1, width // WIDTH


def bundles_of(size: int) -> Iterator[Tile]:
    """Yield every entry bundle of a tree."""
    return _row(ENTRIES, size)


def edge_tiles(size: int) -> list[Tile]:
    """Return the partial tiles of a tree, its partial bundle last."""
    partial = []
    level, width = 0, size
    while width:
        if width % WIDTH:
            partial.append(Tile(level, width // WIDTH, width % WIDTH))
        level, width = level + 1, width // WIDTH
    if size % WIDTH:
        partial.append(Tile(ENTRIES, size // WIDTH, size % WIDTH))
    return partial


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """Join entries, each behind its length."""
    lengths = {*map(len, entries)}
    if len(lengths) == 1:  # leaves: all of one length
        length = _LENGTH.pack(*lengths)
        return length + length.join(entries)
    return b"".join([piece for entry in entries for piece in (_LENGTH.pack(len(entry)), entry)])


def unpack_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Split a bundle again; raises IntegrityError unless it holds exactly ``width`` entries."""
    entries = []
    at, end = 0, len(data)
    while at + 2 <= end:
        stop = at + 2 + (data[at] << 8 | data[at + 1])
        entries.append(data[at + 2 : stop])
        at = stop
    if at != end or len(entries) != width:
        raise IntegrityError(f"An entry bundle doesn't hold {width} whole entries.")
    return tuple(entries)


def unpack_hashes(data: bytes, width: int) -> tuple[bytes, ...]:
    """Split a tile into its hashes; raises IntegrityError unless it holds exactly ``width``."""
    if len(data) != width * HASH_BYTES:
        raise IntegrityError(f"A tile has {len(data)} bytes, not those of {width} hashes.")
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


class TileNodes:
    """A tree of ``size`` leaves read from its tiles, each at most once; fits ``merkle.NodeReader``."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree; raises IntegrityError if its tile is not sound."""
        row, height = divmod(level, HEIGHT)
        start = index << height
        hashes = self.tile(row, start // WIDTH)
        at = start % WIDTH
        part = hashes[at : at + (1 << height)]
        if len(part) != 1 << height:
            raise IntegrityError(f"A tree of {self._size} leaves has no node {index} at level {level}.")
        return root_of(part)

    def tile(self, level: int, index: int) -> tuple[bytes, ...]:
        """Return the hashes of one tile, as wide as the tree needs it."""
        hashes = self._tiles.get((level, index))
        if hashes is None:
            width = min(WIDTH, (self._size >> HEIGHT * level) - index * WIDTH)
            if width <= 0:
                raise IntegrityError(f"A tree of {self._size} leaves has no tile {index} at level {level}.")
            hashes = unpack_hashes(self._read(Tile(level, index, width)), width)
            self._tiles[level, index] = hashes
        return hashes


@dataclass(frozen=True, slots=True)
class Edge:
    """What a growing tree must remember of its tiles: the partial ones along its right edge."""

    size: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ()
    entries: tuple[bytes, ...] = ()

    def frontier(self) -> Frontier:
        """Return the complete subtrees that the partial tiles stand for."""
        nodes: list[bytes] = []
        for hashes in reversed(self.levels):
            at = 0
            while at < len(hashes):
                step = 1 << (len(hashes) - at).bit_length() - 1
                nodes.append(root_of(hashes[at : at + step]))
                at += step
        return Frontier(self.size, nodes)


def grow(edge: Edge, entries: Sequence[bytes]) -> tuple[Edge, dict[Tile, bytes]]:
    """Add entries; return the new edge and the content of every tile and bundle that changes."""
    files: dict[Tile, bytes] = {}
    rest = _fill(ENTRIES, edge.size, edge.entries, entries, pack_bundle, files)
    levels: list[tuple[bytes, ...]] = []
    carry: Sequence[bytes] = [leaf_hash(entry) for entry in entries]
    level = 0
    while carry or level < len(edge.levels):
        before = edge.levels[level] if level < len(edge.levels) else ()
        first = (edge.size >> HEIGHT * level) // WIDTH
        levels.append(_fill(level, edge.size >> HEIGHT * level, before, carry, b"".join, files))
        whole = (*before, *carry)
        last = (len(whole) // WIDTH) + first
        carry = [root_of(whole[n * WIDTH : (n + 1) * WIDTH]) for n in range(last - first)]
        level += 1
    return Edge(edge.size + len(entries), tuple(levels), rest), files


def _fill(
    level: int,
    size: int,
    before: tuple[bytes, ...],
    added: Sequence[bytes],
    pack: Callable[[Sequence[bytes]], bytes],
    files: dict[Tile, bytes],
) -> tuple[bytes, ...]:
    """Pack one level's new tiles into ``files`` and return what its partial tile holds now."""
    if not added:
        return before
    whole = (*before, *added)
    first = size // WIDTH
    for n in range(0, len(whole), WIDTH):
        part = whole[n : n + WIDTH]
        files[Tile(level, first + n // WIDTH, len(part))] = pack(part)
    return whole[len(whole) - len(whole) % WIDTH :]


def _row(level: int, width: int) -> Iterator[Tile]:
    full, rest = divmod(width, WIDTH)
    for index in range(full):
        yield Tile(level, index)
    if rest:
        yield Tile(level, full, rest)


def _index_path(index: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "".join(f"x{part}/" for part in parts[:-1]) + parts[-1]
