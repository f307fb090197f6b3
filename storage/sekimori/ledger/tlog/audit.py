"""A whole tree, checked again from its files: every leaf hashed, every tile held against those below. Pure.

Finds which file and which leaf differ, where a proof would only say that something does. It trusts the
checkpoint it is given: whether that is the newest one is for the outside memories to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.merkle import edge_nodes, fold, leaf_hash, root_of
from sekimori.ledger.tlog.tiles import (
    WIDTH,
    Tile,
    TileNodes,
    bundles_of,
    tiles_of,
    unpack_bundle,
    unpack_hashes,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: a file, and the leaf where one can be named."""

    path: str
    what: str
    leaf: int | None = None


class TreeAudit:
    """Walks the tree of a checkpoint; ``faults`` grows while ``leaves`` is consumed."""

    def __init__(self, size: int, root: bytes, read: Callable[[Tile], bytes]) -> None:
        self.faults: list[Fault] = []
        self._size = size
        self._root = root
        self._read = read
        self._bundles: list[bytes] = []
        self._differ: list[tuple[Tile, int]] = []

    def leaves(self) -> Iterator[tuple[int, bytes]]:
        """Yield every leaf that can be read, with its index; afterwards ``faults`` is complete."""
        for bundle in bundles_of(self._size):
            entries = self._bundle(bundle)
            hashes = [leaf_hash(entry) for entry in entries]
            self._compare(bundle, hashes)
            self._bundles.append(root_of(hashes))
            yield from enumerate(entries, bundle.index * WIDTH)
        self._blame()
        self._check_levels()
        self._check_root()

    def _bundle(self, bundle: Tile) -> tuple[bytes, ...]:
        try:
            return unpack_bundle(self._read(bundle), bundle.width)
        except IntegrityError as error:
            self.faults.append(Fault(bundle.path, error.message))
            return ()

    def _compare(self, bundle: Tile, hashes: list[bytes]) -> None:
        """Hold the leaves of a bundle against their tile."""
        said = self._hashes(Tile(0, bundle.index, bundle.width))
        pairs = enumerate(zip(hashes, said, strict=False))
        self._differ += [(bundle, n) for n, (hashed, expected) in pairs if hashed != expected]

    def _blame(self) -> None:
        """Say of each pair that differs which is wrong: the leaf, or the hash that stands for it."""
        sound = root_of(self._bundles) == self._root
        for bundle, n in self._differ:
            leaf = bundle.index * WIDTH + n
            if sound or self._is_confirmed(bundle):
                tile = Tile(0, bundle.index, bundle.width)
                self.faults.append(Fault(tile.path, f"Hash {n} doesn't fit leaf {leaf}, which is sound."))
            else:
                self.faults.append(Fault(bundle.path, f"Leaf {leaf} doesn't fit its hash.", leaf))

    def _is_confirmed(self, bundle: Tile) -> bool:
        """Tell whether the hash above a full bundle is that of its leaves as they are."""
        if not bundle.is_full:
            return False
        width = min(WIDTH, self._size // WIDTH - bundle.index // WIDTH * WIDTH)
        above = self._hashes(Tile(1, bundle.index // WIDTH, width))
        return bool(above) and above[bundle.index % WIDTH] == self._bundles[bundle.index]

    def _check_levels(self) -> None:
        """Hold each tile above level 0 against the full ones below it."""
        for tile in tiles_of(self._size):
            if tile.level == 0:
                continue
            for n, said in enumerate(self._hashes(tile), tile.index * WIDTH):
                below = self._hashes(Tile(tile.level - 1, n))
                if below and root_of(below) != said:
                    self.faults.append(Fault(tile.path, f"Hash {n} doesn't fit the tile below it."))

    def _check_root(self) -> None:
        nodes = TileNodes(self._size, self._read)
        try:
            root = fold([nodes(level, index) for level, index in edge_nodes(self._size)])
        except IntegrityError as error:
            self.faults.append(Fault("checkpoint", error.message))
            return
        if root != self._root:
            self.faults.append(Fault("checkpoint", "The tiles lead to another root than the checkpoint's."))

    def _hashes(self, tile: Tile) -> tuple[bytes, ...]:
        try:
            return unpack_hashes(self._read(tile), tile.width)
        except IntegrityError as error:
            fault = Fault(tile.path, error.message)
            if fault not in self.faults:
                self.faults.append(fault)
            return ()
