"""Opened exchanges: an index row joined with its one or two entries, and their bodies on request.

Reads in batches (a few queries for any number of records), opens seals, and names nothing to people. Where
the key of a record is gone it was erased; where a seal doesn't open it was altered. The caller owns the
transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import batched
from typing import Any

from sqlalchemy import Connection, Select, and_, literal, select

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Intent, Outcome
from sekimori.store.holding import Holding
from sekimori.store.opening import RecordOpener
from sekimori.store.rows import Answer, Kept
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
    """One record's entries, opened; ``manifest`` says that the prompt's body has to be rebuilt."""

    intent: Intent
    outcome: Outcome | None = None
    answer: Answer | None = None
    manifest: bool = False


class Missing(Enum):
    """Why a record has no exchange to show."""

    ERASED = "erased"
    ALTERED = "altered"


Found = tuple[Any, Exchange | Missing]


class ExchangeRepo:
    """Reads and opens the entries and bodies that belong to records."""

    def __init__(self, connection: Connection, holding: Holding) -> None:
        self._connection = connection
        self._holding = holding
        self._opener = RecordOpener(holding)

    def find(self, query: Select[Any]) -> Iterator[Found]:
        """Yield each found index row with its exchange, or why there is none."""
        for rows in batched(self._connection.execute(query).all(), _AT_ONCE):
            self._opener.expect([row.rid for row in rows])
            intents = self._kept(rows, _INTENT, [row.time_us for row in rows])
            ended = [row for row in rows if row.ended_us is not None]
            outcomes = self._kept(ended, _OUTCOME, [row.ended_us for row in ended])
            for row in rows:
                yield row, _joined(row, intents.get(row.rid), outcomes.get(row.rid))

    def asked(self, row: Any, exchange: Exchange) -> bytes:
        """Return the stored bytes of the prompt: those of the intent, then those of its parts."""
        if self._opener.has_expired(row.rid):
            return b""
        rebuilt = self._holding.deduper.load(row.rid) if exchange.manifest else None
        first = self._body(row.lane, row.n, row.rid) if rebuilt is None else rebuilt
        numbers = self._connection.execute(_parts(row)).scalars() if row.mode == "turn" else ()
        return first + b"".join(self._body(row.lane, n, row.rid) for n in numbers)

    def answered(self, row: Any) -> bytes:
        """Return the stored bytes of the answer, empty where there is none."""
        return b"" if row.outcome_n is None else self._body(row.outcome_lane, row.outcome_n, row.rid)

    def _body(self, lane: str, n: int, rid: str) -> bytes:
        # Bound to the record that asks: a row that was moved here from another does not open.
        columns = (CONTENT.c.lane, CONTENT.c.n, literal(rid).label("rid"), CONTENT.c.sealed)
        query = select(*columns).where(CONTENT.c.lane == lane, CONTENT.c.n == n)
        row = self._connection.execute(query).first()
        return b"" if row is None else self._opener.content(row) or b""

    def _kept(self, rows: Sequence[Any], matches: Any, times_us: Sequence[int]) -> dict[str, Kept | Missing]:
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
        kept: dict[str, Kept | Missing] = {}
        for row in self._connection.execute(query):
            try:
                kept[row.rid] = self._opener.entry(row) or Missing.ERASED
            except IntegrityError:
                # The list goes on: one altered row must not hide all others.
                kept[row.rid] = Missing.ALTERED
        return kept


def _parts(row: Any) -> Select[Any]:
    query = select(ENTRY.c.n).where(
        ENTRY.c.lane == row.lane, ENTRY.c.n > row.n, ENTRY.c.rid == row.rid, ENTRY.c.kind == "part"
    )
    if row.outcome_lane == row.lane:
        query = query.where(ENTRY.c.n < row.outcome_n)
    return query.order_by(ENTRY.c.n)


def _joined(row: Any, asked: Kept | Missing | None, answered: Kept | Missing | None) -> Exchange | Missing:
    if Missing.ERASED in (asked, answered):
        return Missing.ERASED
    if not isinstance(asked, Kept) or not isinstance(asked.entry, Intent):
        return Missing.ALTERED
    if row.outcome_n is None:
        return Exchange(asked.entry, manifest=asked.manifest)
    if not isinstance(answered, Kept) or not isinstance(answered.entry, Outcome):
        return Missing.ALTERED
    return Exchange(asked.entry, answered.entry, answered.answer, asked.manifest)
