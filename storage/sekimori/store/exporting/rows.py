"""The leaves and envelopes that the database holds, by tree or by record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from sekimori.store.exporting.logs import Leaf
from sekimori.store.tables import ENTRY, RECORD, STATEMENT

_AT_ONCE = 4096


def leaves_of(connection: Connection, tree: str, size: int) -> Iterator[Leaf]:
    """Yield the first ``size`` leaves of a tree in order, as far as the database has them."""
    for start in range(0, size, _AT_ONCE):
        found: list[Leaf] = []
        for table in (ENTRY, STATEMENT):
            query = select(table.c.idx, table.c.leaf, table.c.envelope).where(
                table.c.tree == tree, table.c.idx >= start, table.c.idx < min(start + _AT_ONCE, size)
            )
            found += [Leaf(*row) for row in connection.execute(query)]
        yield from sorted(found, key=lambda leaf: leaf.index)


def has_leaves(connection: Connection, tree: str) -> bool:
    """Tell whether the database has any leaf at a place of this tree."""
    found = (connection.execute(select(t.c.idx).where(t.c.tree == tree).limit(1)) for t in (ENTRY, STATEMENT))
    return any(result.first() is not None for result in found)


def entries_of(connection: Connection, rid: str) -> Sequence[Any]:
    """Return the entries of one record: its intent, its parts, its outcome."""
    row = connection.execute(select(RECORD).where(RECORD.c.rid == rid)).first()
    if row is None:
        return []
    at = [and_(ENTRY.c.lane == row.lane, ENTRY.c.n == row.n)]
    if row.outcome_n is not None:
        at.append(and_(ENTRY.c.lane == row.outcome_lane, ENTRY.c.n == row.outcome_n))
    if row.mode == "turn":
        parts = and_(ENTRY.c.lane == row.lane, ENTRY.c.n > row.n, ENTRY.c.kind == "part")
        at.append(and_(parts, ENTRY.c.n < row.outcome_n) if row.outcome_lane == row.lane else parts)
    query = select(ENTRY).where(ENTRY.c.rid == rid, or_(*at)).order_by(ENTRY.c.time_us, ENTRY.c.n)
    return connection.execute(query).all()


def record_leaves(connection: Connection, rid: str) -> list[tuple[str, Leaf]]:
    """Return the leaves of one record with their trees.

    One that has no place yet, or that is from before the ledger, has none here.
    """
    rows = entries_of(connection, rid)
    return [(row.tree, Leaf(row.idx, row.leaf, row.envelope)) for row in rows if row.idx is not None]


def is_record(connection: Connection, rid: str) -> bool:
    """Tell whether there is such a record."""
    return connection.execute(select(RECORD.c.rid).where(RECORD.c.rid == rid)).first() is not None
