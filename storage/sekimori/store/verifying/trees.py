"""One tree: the leaves that the database holds, hashed up to its root, against files and memories.

Leaves come in blocks as wide as a tile. A block that equals its files byte for byte costs its hashes and no more;
only one that differs is looked at leaf by leaf, to name what was altered, removed, added or moved. Where
the database has a hole the disk's leaf stands in, so that one missing row doesn't hide what comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import Connection, Table, func, select

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.leaf import LEAF_BYTES
from sekimori.ledger.tlog.merkle import Frontier, leaf_hashes, node_hash, root_of
from sekimori.ledger.tlog.shelf import Shelf
from sekimori.ledger.tlog.tiles import ENTRIES, HEIGHT, WIDTH, Tile, pack_bundle, unpack_bundle
from sekimori.store.tables import ENTRY, STATEMENT, TREE
from sekimori.store.verifying.bulk import rows_of
from sekimori.store.verifying.faults import Fault

_AT_ONCE = 16 * WIDTH
_NO_LEAF = bytes(LEAF_BYTES)
_TILE = 32 * WIDTH


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word on the tree: that its first ``size`` leaves have this root."""

    size: int
    root: bytes
    by: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where an earlier check of the tree ended: always at a full tile."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeTask:
    """A tree to check, and what is claimed of it.

    ``published`` is None for a tree whose files lie on another machine. One that was ``given_up`` in a fork
    gave away places that are others' now.
    """

    name: str
    published: int | None
    claims: tuple[Claim, ...] = ()
    begin: Resumed = Resumed()
    given_up: bool = False


@dataclass(slots=True)
class TreeFound:
    """What the check of a tree found; ``root`` is that of all leaves that the database holds."""

    name: str
    leaves: int = 0
    root: bytes = b""
    faults: list[Fault] = field(default_factory=list)
    ended: Resumed = Resumed()


class TreeCheck:
    """Checks one tree; to be used once."""

    def __init__(self, connection: Connection, task: TreeTask, shelf: Shelf | None) -> None:
        self._connection = connection
        self._task = task
        self._shelf = shelf if task.published is not None else None
        self._published = task.published or 0
        self._frontier = BlockFrontier(task.begin.size, task.begin.nodes)
        self._claims: dict[int, list[Claim]] = {}
        for claim in task.claims:
            self._claims.setdefault(claim.size, []).append(claim)
        self._blocks: list[bytes] = []
        self._ours: dict[bytes, int] = {}
        self._theirs: dict[bytes, int] = {}
        self._found = TreeFound(task.name, ended=task.begin)

    def run(self) -> TreeFound:
        """Check everything and return it."""
        first = self._task.begin.size
        stop = self._stop(first)
        for size in [size for size in self._claims if size < first or size == 0]:
            self._claims.pop(size)
        self._beyond_reach(stop)
        for start in range(first, stop, _AT_ONCE):
            leaves = self._rows(start, min(start + _AT_ONCE, stop))
            for at in range(0, len(leaves), WIDTH):
                self._block(start + at, leaves[at : at + WIDTH])
        self._found.root = self._frontier.root()
        self._name_differences()
        self._levels()
        self._beyond(stop)
        return self._found

    def _stop(self, first: int) -> int:
        """Say how far to look: nobody who edits a counter or a place may send us through endless holes."""
        if self._task.given_up and self._task.published is not None:
            return self._published  # what it does not hold, the fork took away from it
        # Asked in this view: places are given away all the time.
        given = select(TREE.c.next_idx).where(TREE.c.name == self._task.name)
        placed: int = self._connection.execute(given).scalar() or 0
        held, rows = first, 0
        for table in (ENTRY, STATEMENT):
            here = (table.c.tree == self._task.name, table.c.idx >= first)
            last, count = self._connection.execute(
                select(func.max(table.c.idx), func.count()).where(*here)
            ).one()
            held, rows = max(held, first if last is None else last + 1), rows + count
        if held - first > 2 * rows + _AT_ONCE:
            held = first + rows
        stop = max(self._published, min(placed, held))
        if placed > stop and not self._task.given_up:
            self._fault(stop, "missing", f"{placed} places were given away, no row has those from here on")
        return stop

    def _beyond_reach(self, stop: int) -> None:
        """Name who speaks of more leaves than there are anywhere."""
        sizes = [size for size in self._claims if size > stop]
        if sizes:
            by = self._claims[max(sizes)][0].by
            self._fault(stop, "missing", f"{by} speaks of {max(sizes)} leaves, here are {stop}")
        for size in sizes:
            del self._claims[size]

    def _rows(self, start: int, stop: int) -> list[bytes]:
        """Return the leaves of a range as the database has them; holes are filled with zeros."""
        rows = [row for table in (ENTRY, STATEMENT) for row in self._placed(table, start, stop)]
        self._found.leaves += len(rows)
        leaves = dict(rows)
        if len(rows) > len(leaves):
            self._fault(start, "extra", "two rows share one place of this tree")
        return [leaves.get(idx, _NO_LEAF) for idx in range(start, stop)]

    def _placed(self, table: Table, start: int, stop: int) -> list[tuple[int, bytes]]:
        here = (table.c.tree == self._task.name, table.c.idx >= start, table.c.idx < stop)
        query = select(table.c.idx, table.c.leaf).where(*here)
        return cast("list[tuple[int, bytes]]", rows_of(self._connection, query))

    def _block(self, start: int, leaves: list[bytes]) -> None:
        width = min(WIDTH, max(0, self._published - start))
        whole = _NO_LEAF not in leaves
        hashes: list[bytes] | None = None
        if self._shelf is not None and width:
            tile = Tile(ENTRIES, start // WIDTH, width)
            if not whole or self._file(self._shelf, tile) != pack_bundle(leaves[:width]):
                self._compare(self._shelf, tile, leaves)
            hashes = leaf_hashes(leaves)
            hashed = Tile(0, tile.index, width)
            if self._file(self._shelf, hashed) != b"".join(hashes[:width]):
                self._tile_fault(hashed)
        self._grow(start, hashes or leaf_hashes(leaves), leaves)

    def _compare(self, shelf: Shelf, tile: Tile, leaves: list[bytes]) -> None:
        """Hold a block against its bundle leaf by leaf, remember what differs, fill holes from the disk."""
        try:
            disk: Sequence[bytes] = unpack_bundle(self._file(shelf, tile), tile.width)
        except IntegrityError as error:
            self._fault(tile.path, "altered", error.message)
            return
        start = tile.index * WIDTH
        for n, (ours, theirs) in enumerate(zip(leaves, disk, strict=False)):
            if ours != theirs:
                self._theirs[theirs] = start + n
                if ours is not _NO_LEAF:
                    self._ours[ours] = start + n
                leaves[n] = theirs

    def _grow(self, start: int, hashes: list[bytes], leaves: Sequence[bytes]) -> None:
        """Add a block to the root and check what is claimed of the sizes that it passes."""
        sizes = sorted(size for size in self._claims if start < size <= start + len(hashes))
        for size in sizes:
            part = self._frontier.copy()
            for hashed in hashes[: size - start]:
                part.push(hashed)
            self._check(self._claims.pop(size), part.root())
        if _NO_LEAF in leaves:
            self._holes(start, leaves)
        if len(hashes) == WIDTH:
            self._frontier.push_block(root_of(hashes))
            self._blocks.append(self._frontier.last)
            self._found.ended = Resumed(self._frontier.size, self._frontier.nodes)
        else:
            for hashed in hashes:
                self._frontier.push(hashed)

    def _holes(self, start: int, leaves: Sequence[bytes]) -> None:
        for n, leaf in enumerate(leaves, start):
            if leaf is _NO_LEAF:
                self._fault(n, "missing", "no row has this place")

    def _check(self, claims: Iterable[Claim], root: bytes) -> None:
        for claim in claims:
            if claim.root != root:
                detail = f"{claim.by} has another root for its first {claim.size} leaves"
                self._fault(claim.size, "altered", detail)

    def _name_differences(self) -> None:
        """Say of each leaf that differs whether it was moved, altered, removed or added."""
        taken = set(self._ours.values())
        for leaf, idx in self._theirs.items():
            if (elsewhere := self._ours.get(leaf)) is not None:
                self._fault(idx, "reordered", f"the database has this leaf at {elsewhere}")
            elif idx in taken:
                self._fault(idx, "altered", "the database has another leaf than the tree")
            else:
                self._fault(idx, "missing", "the tree has a leaf of which the database has no row")

    def _levels(self) -> None:
        """Hold the tiles above the leaves' hashes against what was computed from the database."""
        if self._shelf is None:
            return
        level, nodes = 1, self._blocks
        first = self._task.begin.size // WIDTH
        count = self._published >> HEIGHT
        while count:
            for index in range(first // WIDTH, -(-count // WIDTH)):
                tile = Tile(level, index, min(WIDTH, count - index * WIDTH))
                skip = max(0, first - index * WIDTH)
                ours = nodes[index * WIDTH + skip - first : index * WIDTH + tile.width - first]
                if self._file(self._shelf, tile)[skip * 32 :] != b"".join(ours):
                    self._tile_fault(tile)
            if first % WIDTH:
                return  # the tile above began in an earlier check; the root covers it
            nodes = [root_of(nodes[at : at + WIDTH]) for at in range(0, len(nodes) - WIDTH + 1, WIDTH)]
            level, first, count = level + 1, first // WIDTH, count >> HEIGHT

    def _beyond(self, stop: int) -> None:
        """Name rows that stand behind the last place that was ever given away."""
        for table in (ENTRY, STATEMENT):
            query = select(func.count()).where(table.c.tree == self._task.name, table.c.idx >= stop)
            if count := self._connection.execute(query).scalar_one():
                self._fault(stop, "extra", f"{count} rows stand behind the last place that was given")

    def _file(self, shelf: Shelf, tile: Tile) -> bytes:
        try:
            return shelf.tile(tile)
        except (IntegrityError, OSError) as error:
            self._fault(tile.path, "missing", getattr(error, "message", str(error)))
            return b""

    def _tile_fault(self, tile: Tile) -> None:
        self._fault(tile.path, "altered", "its hashes are not those of the leaves below it")

    def _fault(self, where: int | str, what: str, detail: str) -> None:
        fault = Fault("tree", f"{self._task.name}/{where}", what, detail)  # type: ignore[arg-type]
        if fault not in self._found.faults[-4:]:
            self._found.faults.append(fault)


class BlockFrontier(Frontier):
    """A frontier that also grows by a tile's worth of leaves at once."""

    __slots__ = ("last",)

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        super().__init__(size, nodes)
        self.last = b""

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The complete subtrees, the largest first."""
        return tuple(self._nodes)

    def push_block(self, node: bytes) -> None:
        """Add the root of as many leaves as a tile is wide; the size must be a multiple of that."""
        self.last = node
        count = self.size >> HEIGHT
        while count & 1:
            node = node_hash(self._nodes.pop(), node)
            count >>= 1
        self._nodes.append(node)
        self.size += WIDTH


def claims_of(sizes: Mapping[int, bytes], by: str) -> Iterator[Claim]:
    """Turn sizes with their roots into claims."""
    for size, root in sizes.items():
        yield Claim(size, root, by)
