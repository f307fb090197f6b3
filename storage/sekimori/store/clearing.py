"""Take records out of everything that can be searched: what an erasure does beside destroying keys.

The tokens, the stored bodies and what was kept beside them go; of the index row stays what the ledger needs
to name the record (its place, its time, the decision and the policy behind it). The sealed entry stays where
it is: its key is what is destroyed. All of it is looked for again: whoever writes in the database may have it
pass over a change. Who may erase, and that it is recorded, is the caller's; so is the
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, func, or_, select, update

from sekimori.errors import IntegrityError
from sekimori.store.tables import ANCHOR, CHUNK, CONTENT, LINK, OUTPUT_TAG, RECORD, SEARCH

ERASED = "erased"
"""The state of a record whose key was destroyed."""

_AT_ONCE = 500
_OF_RECORD = (SEARCH, OUTPUT_TAG, CHUNK, ANCHOR, LINK)
NOTHING = {
    "state": ERASED,
    "operation": "",
    "reasons": "",
    "parse": "",
    "prompt_bytes": 0,
    "status": None,
    "answer_parse": None,
    "input_tokens": None,
    "output_tokens": None,
    "output_bytes": None,
}
"""What the index says of such a record."""

_PLACES = (
    RECORD.c.rid,
    RECORD.c.mode,
    *(RECORD.c.lane, RECORD.c.n, RECORD.c.time_us),
    *(RECORD.c.outcome_lane, RECORD.c.outcome_n, RECORD.c.ended_us),
)
_BODY = (
    CONTENT.c.lane == bindparam("b_lane"),
    CONTENT.c.n == bindparam("b_n"),
    # The time leads PostgreSQL to the one part that holds the row.
    CONTENT.c.time_us == bindparam("b_time_us"),
)
_DROP = delete(CONTENT).where(*_BODY)
_LEFT = select(CONTENT.c.lane).where(*_BODY).limit(1)
_SAYS_MORE = or_(*(RECORD.c[name].is_distinct_from(value) for name, value in NOTHING.items()))


def clear(connection: Connection, rids: Sequence[str]) -> int:
    """Clear these records and return how many of them there were."""
    cleared = 0
    for some in batched(rids, _AT_ONCE):
        for table in _OF_RECORD:
            drop(connection, table, table.c.rid.in_(some))
        drop(connection, LINK, LINK.c.refers.in_(some))
        drop_bodies(connection, some)
        more = RECORD.c.rid.in_(some) & _SAYS_MORE
        cleared += connection.execute(update(RECORD).where(more).values(NOTHING)).rowcount
        expect_gone(connection, RECORD, more)
    return cleared


def drop(connection: Connection, table: Table, which: ColumnElement[bool]) -> None:
    """Delete rows, and make sure that they are gone."""
    connection.execute(delete(table).where(which))
    expect_gone(connection, table, which)


def expect_gone(connection: Connection, table: Table, which: ColumnElement[bool]) -> None:
    """Refuse to go on where rows are left; raises IntegrityError."""
    left = connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
    if left:
        raise _kept(table.name, left)


def _kept(table: str, left: int) -> IntegrityError:
    return IntegrityError(
        f"The database keeps {left} rows of {table} that were to be erased; nothing was erased.",
        hint=f"Look for triggers and rules that somebody put on {table}.",
    )


def drop_bodies(connection: Connection, rids: Sequence[str]) -> None:
    """Delete the bodies of these records by their places: no index leads from a record to them."""
    rows = connection.execute(select(*_PLACES).where(RECORD.c.rid.in_(rids))).all()
    places = [(row.lane, row.n, row.time_us) for row in rows]
    places += [(row.outcome_lane, row.outcome_n, row.ended_us) for row in rows if row.outcome_n is not None]
    if places:
        bound = [{"b_lane": lane, "b_n": n, "b_time_us": time_us} for lane, n, time_us in places]
        connection.execute(_DROP, bound)
        left = sum(connection.execute(_LEFT, place).first() is not None for place in bound)
        if left:
            raise _kept(CONTENT.name, left)
    for row in rows:
        if row.mode == "turn":
            of_turn = [CONTENT.c.lane == row.lane, CONTENT.c.n > row.n, CONTENT.c.rid == row.rid]
            if row.outcome_lane == row.lane:
                of_turn.append(CONTENT.c.n < row.outcome_n)
            drop(connection, CONTENT, and_(*of_turn))
