"""One log's folder: tiles, bundles, envelopes and the checkpoint, written so that no crash halves them.

::

    checkpoint  log.vkey  log.pub  lock
    tile/<L>/<N>[.p/<W>]      hashes
    tile/entries/<N>[.p/<W>]  leaves
    envelope/<N>[.p/<W>]      envelopes, in lanes that keep their own; packed like entries

A file gets its name when its content is durable, and counts once every folder above it was synced too:
one that an earlier crash left may have a name that only this process's memory knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.merkle import edge_nodes, fold, leaf_hash, root_of
from sekimori.ledger.tlog.seams import TreeFiles
from sekimori.ledger.tlog.tiles import (
    ENTRIES,
    WIDTH,
    Edge,
    Tile,
    TileNodes,
    edge_tiles,
    pack_bundle,
    unpack_bundle,
)

CHECKPOINT, VKEY, PUBLIC, LOCK = "checkpoint", "log.vkey", "log.pub", "lock"
_ENTRIES, _ENVELOPES = "tile/entries/", "envelope/"


class Shelf:
    """Reads and writes the files of one log."""

    def __init__(self, folder: Path, files: TreeFiles) -> None:
        self.folder = folder
        self.files = files
        self._anchored: set[Path] = set()

    def put(self, content: Mapping[str, bytes]) -> None:
        """Make files durable under their paths; raises OSError, after which any of them may be there."""
        changed: set[Path] = set()
        for path, data in content.items():
            target = self.folder / path
            self.files.make_folder(target.parent)
            draft = target.with_name(f".{target.name}.draft")
            self.files.write(draft, data)
            self.files.rename(draft, target)
            changed |= self._loose_folders(target.parent)
        for folder in sorted(changed, key=lambda one: len(one.parts), reverse=True):
            self.files.sync_folder(folder)
        self._anchored |= changed

    def get(self, path: str) -> bytes:
        """Return a file's content; raises IntegrityError if it isn't there."""
        try:
            return self.files.read(self.folder / path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise IntegrityError(f"The file {path} of the log in {self.folder} is missing.") from error

    def tile(self, tile: Tile) -> bytes:
        """Return a tile or bundle; a partial one is cut from the full one that took its place."""
        return self._read(tile, tile.path)

    def leaves(self, size: int, start: int, stop: int) -> tuple[bytes, ...]:
        """Return the leaves of a range in a tree of that size."""
        return self._range(size, start, stop, _ENTRIES)

    def envelopes(self, size: int, start: int, stop: int) -> tuple[bytes, ...]:
        """Return the envelopes of a range, in a lane that keeps its own."""
        return self._range(size, start, stop, _ENVELOPES)

    def nodes(self, size: int) -> TileNodes:
        """Return the reader of a tree of that size."""
        return TileNodes(size, self.tile)

    def drop(self, tile: Tile, *, envelopes: bool) -> None:
        """Remove the partial files of a tile that is full now."""
        full = Tile(tile.level, tile.index)
        paths = [full.path, *([envelope_path(full)] if envelopes and tile.level == ENTRIES else ())]
        for folder in (self.folder / f"{path}.p" for path in paths):
            self._anchored.discard(folder)
            self.files.remove(folder)

    def _loose_folders(self, folder: Path) -> set[Path]:
        """Return the folder and those above it whose own names this process hasn't synced yet."""
        loose = {folder}
        while folder != self.folder and folder not in self._anchored:
            folder = folder.parent
            loose.add(folder)
        return loose

    def _range(self, size: int, start: int, stop: int, prefix: str) -> tuple[bytes, ...]:
        if not 0 <= start <= stop <= size:
            raise IntegrityError(f"A tree of {size} leaves has none from {start} to {stop}.")
        found: list[bytes] = []
        for index in range(start // WIDTH, -(-stop // WIDTH)):
            tile = Tile(ENTRIES, index, min(WIDTH, size - index * WIDTH))
            found += unpack_bundle(self._read(tile, tile.path.replace(_ENTRIES, prefix, 1)), tile.width)
        first = start // WIDTH * WIDTH
        return tuple(found[start - first : stop - first])

    def _read(self, tile: Tile, path: str) -> bytes:
        try:
            return self.files.read(self.folder / path)
        except (FileNotFoundError, NotADirectoryError):
            if tile.is_full:
                raise IntegrityError(f"The file {path} of the log in {self.folder} is missing.") from None
        whole = self.get(path.rpartition(".p/")[0])
        if tile.level == ENTRIES:
            return pack_bundle(unpack_bundle(whole, WIDTH)[: tile.width])
        return whole[: tile.width * 32]


def envelope_path(tile: Tile) -> str:
    """Return where the envelopes of a bundle lie."""
    return tile.path.replace(_ENTRIES, _ENVELOPES, 1)


def read_edge(shelf: Shelf, size: int) -> Edge:
    """Read what a tree of that size needs to grow; raises IntegrityError if its bundle doesn't fit."""
    nodes = shelf.nodes(size)
    levels: list[tuple[bytes, ...]] = []
    entries: tuple[bytes, ...] = ()
    for tile in edge_tiles(size):
        if tile.level == ENTRIES:
            entries = unpack_bundle(shelf.tile(tile), tile.width)
            continue
        levels += [()] * (tile.level - len(levels)) + [nodes.tile(tile.level, tile.index)]
    if levels and tuple(leaf_hash(entry) for entry in entries) != levels[0]:
        raise IntegrityError(f"The last leaves of the log in {shelf.folder} don't fit their hashes.")
    return Edge(size, tuple(levels), entries)


def recompute(size: int, changed: Iterable[Tile], nodes: TileNodes, shelf: Shelf) -> bytes:
    """Hash again what the disk holds of the changed tiles and return the root that it leads to.

    One flipped bit between hashing and writing would otherwise be signed, and kill the log for ever.
    """
    tiles = set(changed)
    for tile in tiles:
        if tile.level == ENTRIES:
            entries = unpack_bundle(shelf.tile(tile), tile.width)
            sound = nodes.tile(0, tile.index) == tuple(leaf_hash(entry) for entry in entries)
        else:
            sound = tile.level == 0 or _fits_below(tile, tiles, nodes)
        if not sound:
            raise IntegrityError(f"The file {tile.path} on the disk doesn't fit what lies below it.")
    return fold([nodes(level, index) for level, index in edge_nodes(size)])


def _fits_below(tile: Tile, changed: set[Tile], nodes: TileNodes) -> bool:
    below = tile.level - 1
    return all(
        Tile(below, index) not in changed or root_of(nodes.tile(below, index)) == hashed
        for index, hashed in enumerate(nodes.tile(tile.level, tile.index), tile.index * WIDTH)
    )
