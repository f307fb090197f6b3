"""Opened exchanges: an index row joined with its one or two entries, and their bodies on request.

Reads in batches (two queries for any number of records), opens seals, and names nothing to people.
The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Intent, Outcome
from sekimori.store.rows import Answer, Cipher, Kept, open_content, open_entry
from sekimori.store.tables import CONTENT, ENTRY, RECORD

_AT_ONCE = 500

# The time says nothing new; it leads PostgreSQL to the one part that holds the entry.
_INTENT = and_(ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us)
_OUTCOME = and_(
    ENTRY.c.lane == RECORD.c.outcome_lane,
    ENTRY.c.n == RECORD.c.outcome_n,
    ENTRY.c.time_us == RECORD.c.ended_us,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One record's entries, opened."""

    intent: Intent
    outcome: Outcome | None = None
    answer: Answer | None = None


class ExchangeRepo:
    """Reads and opens the entries and bodies that belong to records."""

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def find(self, query: Select[Any]) -> Iterator[tuple[Any, Exchange | None]]:
        """Yield each found index row with its exchange, None where that no longer opens."""
        for rows in batched(self._connection.execute(query).all(), _AT_ONCE):
            intents = self._kept(rows, _INTENT, [row.time_us for row in rows])
            ended = [row for row in rows if row.ended_us is not None]
            outcomes = self._kept(ended, _OUTCOME, [row.ended_us for row in ended])
            for row in rows:
                yield row, _joined(row, intents.get(row.rid), outcomes.get(row.rid))

    def asked(self, row: Any) -> bytes:
        """Return the stored bytes of the prompt: those of the intent, then those of its parts."""
        numbers = [row.n]
        if row.mode == "turn":
            numbers += self._connection.execute(_parts(row)).scalars()
        return b"".join(self._body(row.lane, n, row.rid) for n in numbers)

    def answered(self, row: Any) -> bytes:
        """Return the stored bytes of the answer, empty where there is none."""
        return b"" if row.outcome_n is None else self._body(row.outcome_lane, row.outcome_n, row.rid)

    def _body(self, lane: str, n: int, rid: str) -> bytes:
        query = select(CONTENT.c.sealed).where(CONTENT.c.lane == lane, CONTENT.c.n == n)
        sealed = self._connection.execute(query).scalar()
        return b"" if sealed is None else open_content(self._cipher, lane, n, rid, sealed)

    def _kept(self, rows: Sequence[Any], matches: Any, times_us: Sequence[int]) -> dict[str, Kept]:
        if not rows:
            return {}
        begun = [row.time_us for row in rows]
        query = select(RECORD.c.rid, ENTRY.c.lane, ENTRY.c.n, ENTRY.c.sealed)
        query = query.join(ENTRY, matches).where(
            RECORD.c.rid.in_([row.rid for row in rows]),
            # Nothing new either: PostgreSQL plans for the parts between these, and not for all years.
            RECORD.c.time_us.between(min(begun), max(begun)),
            ENTRY.c.time_us.between(min(times_us), max(times_us)),
        )
        kept = {}
        for row in self._connection.execute(query):
            try:
                kept[row.rid] = open_entry(self._cipher, row.lane, row.n, row.rid, row.sealed)
            except IntegrityError:
                # The list goes on: one altered row must not hide all others. ``find`` yields None for it.
                continue
        return kept


def _parts(row: Any) -> Select[Any]:
    query = select(ENTRY.c.n).where(
        ENTRY.c.lane == row.lane, ENTRY.c.n > row.n, ENTRY.c.rid == row.rid, ENTRY.c.kind == "part"
    )
    if row.outcome_lane == row.lane:
        query = query.where(ENTRY.c.n < row.outcome_n)
    return query.order_by(ENTRY.c.n)


def _joined(row: Any, asked: Kept | None, answered: Kept | None) -> Exchange | None:
    if asked is None or not isinstance(asked.entry, Intent):
        return None
    if row.outcome_n is None:
        return Exchange(asked.entry)
    if answered is None or not isinstance(answered.entry, Outcome):
        return None
    return Exchange(asked.entry, answered.entry, answered.answer)
