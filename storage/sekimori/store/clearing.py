"""Take records out of everything that can be searched: what an erasure does beside destroying keys.

The tokens, the stored bodies and what was kept beside them go; of the index row stays what the ledger needs
to name the record (its place, its time, the decision and the policy behind it). The sealed entry stays where
it is: its key is what is destroyed. Who may erase, and that it is recorded, is the caller's; so is the
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched

from sqlalchemy import Connection, bindparam, delete, select, update

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
_DROP = delete(CONTENT).where(
    CONTENT.c.lane == bindparam("b_lane"),
    CONTENT.c.n == bindparam("b_n"),
    # The time leads PostgreSQL to the one part that holds the row.
    CONTENT.c.time_us == bindparam("b_time_us"),
)


def clear(connection: Connection, rids: Sequence[str]) -> int:
    """Clear these records and return how many of them there were."""
    cleared = 0
    for some in batched(rids, _AT_ONCE):
        for table in _OF_RECORD:
            connection.execute(delete(table).where(table.c.rid.in_(some)))
        connection.execute(delete(LINK).where(LINK.c.refers.in_(some)))
        drop_bodies(connection, some)
        change = update(RECORD).where(RECORD.c.rid.in_(some), RECORD.c.state != ERASED)
        cleared += connection.execute(change.values(NOTHING)).rowcount
    return cleared


def drop_bodies(connection: Connection, rids: Sequence[str]) -> None:
    """Delete the bodies of these records by their places: no index leads from a record to them."""
    rows = connection.execute(select(*_PLACES).where(RECORD.c.rid.in_(rids))).all()
    places = [(row.lane, row.n, row.time_us) for row in rows]
    places += [(row.outcome_lane, row.outcome_n, row.ended_us) for row in rows if row.outcome_n is not None]
    if places:
        bound = [{"b_lane": lane, "b_n": n, "b_time_us": time_us} for lane, n, time_us in places]
        connection.execute(_DROP, bound)
    for row in rows:
        if row.mode == "turn":
            of_turn = [CONTENT.c.lane == row.lane, CONTENT.c.n > row.n, CONTENT.c.rid == row.rid]
            if row.outcome_lane == row.lane:
                of_turn.append(CONTENT.c.n < row.outcome_n)
            connection.execute(delete(CONTENT).where(*of_turn))
