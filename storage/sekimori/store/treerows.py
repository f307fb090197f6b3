"""What the database knows of one node's trees: places, the leaves at them, and rows without a place.

The caller owns the transaction. A row gets its place once, under the lock of its tree's row; only ``fork``
takes places away again, of leaves that an abandoned tree does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, text, update

from sekimori.errors import IntegrityError
from sekimori.store.placing import Place, place, series_of
from sekimori.store.tables import ENTRY, LANE, STATEMENT, TREE

# In the words of the index, or SQLite does not use it.
_UNPLACED = text("idx IS NULL")
_SIGNED = text("length(leaf) > 0")


@dataclass(frozen=True, slots=True)
class TreeState:
    """One tree as the database has it."""

    name: str
    next_idx: int
    opened_us: int
    closed_us: int | None


@dataclass(frozen=True, slots=True)
class Given:
    """Leaves that got their places: to be offered once the transaction has committed."""

    place: Place
    leaves: tuple[bytes, ...]


class TreeRepo:
    """Reads and places the leaves of one node."""

    def __init__(self, connection: Connection, node: str) -> None:
        self._connection = connection
        self._node = node

    def trees(self) -> list[TreeState]:
        """Return every tree of the node, the oldest first."""
        query = select(TREE.c.name, TREE.c.next_idx, TREE.c.opened_us, TREE.c.closed_us)
        rows = self._connection.execute(
            query.where(TREE.c.node == self._node).order_by(TREE.c.opened_us, TREE.c.name)
        )
        return [TreeState(*row) for row in rows]

    def state(self, name: str) -> TreeState | None:
        """Return one tree of the node."""
        return next((tree for tree in self.trees() if tree.name == name), None)

    def close(self, name: str, now_us: int) -> None:
        """Give no more places in this tree."""
        change = update(TREE).where(TREE.c.name == name, TREE.c.closed_us.is_(None))
        self._connection.execute(change.values(closed_us=now_us))

    def leaves(self, tree: str, start: int, stop: int) -> list[bytes]:
        """Return the leaves at these places; raises IntegrityError where one is missing or stands twice."""
        found: list[tuple[int, bytes]] = []
        for table in (ENTRY, STATEMENT):
            within = (table.c.tree == tree, table.c.idx >= start, table.c.idx < stop)
            found += [(row.idx, row.leaf) for row in self._connection.execute(_leaves_of(table, *within))]
        found.sort()
        for expected, (idx, _) in enumerate(found, start):
            if idx != expected:
                what = "is missing" if idx > expected else "is there twice"
                raise IntegrityError(f"Leaf {min(idx, expected)} of the tree {tree} {what} in the database.")
        if len(found) != stop - start:
            raise IntegrityError(f"Leaf {start + len(found)} of the tree {tree} is missing in the database.")
        return [leaf for _, leaf in found]

    def last_n(self, lane: str) -> int:
        """Return the highest number of a lane that is stored."""
        return self._connection.execute(select(func.max(ENTRY.c.n)).where(ENTRY.c.lane == lane)).scalar() or 0

    def is_anything_unplaced(self) -> bool:
        """Tell whether a row of this node waits for its place."""
        for query in (self._entries(1), self._statements(1)):
            if self._connection.execute(query).first() is not None:
                return True
        return False

    def place_waiting(self, now_us: int, limit: int) -> list[Given]:
        """Give places to rows that have none, the oldest first."""
        given: list[Given] = []
        entries = self._connection.execute(self._entries(limit).with_for_update(skip_locked=True)).all()
        statements = self._connection.execute(self._statements(limit).with_for_update(skip_locked=True)).all()
        # A tree at a time, in one order: whoever locks several waits for nobody in a ring.
        for series, group in groupby(sorted(entries, key=self._series), key=self._series):
            given.append(self._place(_PLACE_ENTRY, list(group), series, now_us))
        if statements:
            given.append(self._place(_PLACE_STATEMENT, statements, series_of("", self._node), now_us))
        return given

    def take_back(self, tree: str, kept: int, held: Iterator[Sequence[bytes]]) -> int:
        """Free the places of rows that a tree does not hold; ``held`` gives its ``kept`` leaves in order.

        Returns how many rows wait for a new place now.
        """
        freed, start = 0, 0
        for leaves in held:
            freed += self._free_others(tree, start, leaves)
            start += len(leaves)
        if start != kept:
            raise IntegrityError(f"The tree {tree} has {start} leaves, not {kept}.")
        for table in (ENTRY, STATEMENT):
            beyond = (table.c.tree == tree, table.c.idx >= kept)
            freed += self._connection.execute(update(table).where(*beyond).values(tree="", idx=None)).rowcount
        return freed

    def _free_others(self, tree: str, start: int, leaves: Sequence[bytes]) -> int:
        freed = 0
        for table in (ENTRY, STATEMENT):
            within = (table.c.tree == tree, table.c.idx >= start, table.c.idx < start + len(leaves))
            for row in self._connection.execute(_leaves_of(table, *within)).all():
                if row.leaf != leaves[row.idx - start]:
                    there = (table.c.tree == tree, table.c.idx == row.idx, table.c.leaf == row.leaf)
                    change = update(table).where(*there).values(tree="", idx=None)
                    freed += self._connection.execute(change).rowcount
        return freed

    def _series(self, row: Any) -> str:
        return series_of(row.lane, self._node)

    def _entries(self, limit: int) -> Any:
        mine = select(LANE.c.name).where(or_(LANE.c.node == "", LANE.c.node == self._node))
        columns = (ENTRY.c.lane, ENTRY.c.n, ENTRY.c.time_us, ENTRY.c.leaf)
        # As a bare column, the lane would lead SQLite through every entry there is, five times a second.
        query = select(*columns).where(_UNPLACED, _SIGNED, (ENTRY.c.lane + "").in_(mine))
        return query.order_by(ENTRY.c.time_us).limit(limit)

    def _statements(self, limit: int) -> Any:
        query = select(STATEMENT.c.id, STATEMENT.c.leaf).where(_UNPLACED, _SIGNED)
        return query.order_by(STATEMENT.c.time_us).limit(limit)

    def _place(self, change: Any, rows: Sequence[Any], series: str, now_us: int) -> Given:
        at = place(self._connection, series, len(rows), node=self._node, now_us=now_us)
        keys = [name for name in rows[0]._fields if name != "leaf"]
        self._connection.execute(
            change,
            [
                {f"b_{key}": getattr(row, key) for key in keys} | {"b_tree": at.tree, "b_idx": idx}
                for idx, row in enumerate(rows, at.first)
            ],
        )
        return Given(at, tuple(row.leaf for row in rows))


def _leaves_of(table: Any, *where: Any) -> Any:
    return select(table.c.idx, table.c.leaf).where(*where).order_by(table.c.idx)


_PLACED: dict[str, Any] = {"tree": bindparam("b_tree"), "idx": bindparam("b_idx")}
_PLACE_ENTRY = (
    update(ENTRY)
    .where(
        ENTRY.c.lane == bindparam("b_lane"),
        ENTRY.c.n == bindparam("b_n"),
        # The time leads PostgreSQL to the one part that holds the row.
        ENTRY.c.time_us == bindparam("b_time_us"),
    )
    .values(**_PLACED)
)
_PLACE_STATEMENT = update(STATEMENT).where(STATEMENT.c.id == bindparam("b_id")).values(**_PLACED)
