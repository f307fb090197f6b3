"""One batch of one lane into the tables, inside the caller's transaction: exactly once, or refused.

The caller holds the lane's row, and saves how far the lane has come in the same transaction: that alone
makes it once, on many nodes and across months. Numbers follow one another without a gap. What is stored
already must be the same as what comes again (a crash between the commit and the spool's marker repeats
it); anything else is an alarm for the auditor, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import batched

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, select, update
from sqlalchemy import exc as sql

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Entry, Intent, Outcome, Part
from sekimori.store.bulk import insert_rows
from sekimori.store.lanes import LaneState
from sekimori.store.postgres import is_part_missing
from sekimori.store.rows import (
    Answer,
    Cipher,
    Row,
    index_intent,
    index_outcome,
    index_unanswered,
    open_entry,
    seal_entry,
    search_rows,
    without_stored,
)
from sekimori.store.tables import CONTENT, ENTRY, RECORD, SEARCH
from sekimori.store.tokens import Tokens

Numbered = tuple[int, Entry]
AnswerReader = Callable[[Intent, Outcome], Answer]
Alarm = Callable[[str], None]

_AT_ONCE = 500
"""How many keys one query names: below the bound of every database."""

_FINISH = (
    update(RECORD)
    # The time leads PostgreSQL to the one part that holds the row.
    .where(RECORD.c.rid == bindparam("b_rid"), RECORD.c.time_us == bindparam("b_time_us"))
    .values(
        {
            name: bindparam(name)
            for name in index_outcome("", 0, Outcome(rid="", time_us=0, state=""), Answer())
        }
    )
)


class Ingest:
    """Writes one batch of a lane; the caller's transaction makes it whole."""

    def __init__(
        self,
        connection: Connection,
        cipher: Cipher,
        *,
        tokens: Tokens,
        read_answer: AnswerReader,
        alarm: Alarm,
    ) -> None:
        self._connection = connection
        self._cipher = cipher
        self._tokens = tokens
        self._read_answer = read_answer
        self._alarm = alarm

    def batch(self, lane: str, state: LaneState, numbered: Sequence[Numbered]) -> LaneState:
        """Store what is new, compare what is not; return how far the lane has come."""
        try:
            return self._batch(lane, state, numbered)
        except (sql.DataError, OverflowError) as fault:
            reason = fault.orig if isinstance(fault, sql.DataError) else fault
            raise IntegrityError(f"Lane {lane} says something that no database keeps: {reason}.") from fault

    def _batch(self, lane: str, state: LaneState, numbered: Sequence[Numbered]) -> LaneState:
        self._compare(lane, [item for item in numbered if item[0] <= state.last_n])
        fresh = [item for item in numbered if item[0] > state.last_n]
        _expect_no_gap(lane, state.last_n, fresh)
        if not fresh:
            return state
        self._store(lane, fresh)
        return msgspec.structs.replace(state, last_n=fresh[-1][0])

    def _store(self, lane: str, fresh: Sequence[Numbered]) -> None:
        known = self._records({entry.rid for _, entry in fresh})
        intents = self._intents_of(fresh, known)
        entries: list[Row] = []
        contents: list[Row] = []
        index = _Index(lane, known, self._tokens, self._alarm)
        for n, entry in fresh:
            answer = None
            if isinstance(entry, Intent):
                intents.setdefault(entry.rid, entry)
                index.intent(n, entry)
            elif isinstance(entry, Outcome):
                intent = intents.get(entry.rid)
                answer = self._read_answer(intent, entry) if intent else Answer()
                index.outcome(n, entry, answer)
            else:
                index.part(n, entry)
            row, content = seal_entry(self._cipher, lane, n, entry, answer)
            entries.append(row)
            if content:
                contents.append(content)
        self._insert(lane, ENTRY, entries)
        self._insert(lane, CONTENT, contents)
        self._insert(lane, RECORD, list(index.new.values()))
        self._insert(lane, SEARCH, index.search)
        if index.finished:
            self._connection.execute(_FINISH, index.finished)

    def _insert(self, lane: str, table: Table, rows: list[Row]) -> None:
        try:
            insert_rows(self._connection, table, rows)
        except sql.IntegrityError as fault:
            if is_part_missing(fault):
                raise
            raise IntegrityError(
                f"Table {table.name} already holds rows that lane {lane} never wrote."
            ) from fault

    def _records(self, rids: Iterable[str]) -> dict[str, Row]:
        """Return what the index knows already of these exchanges."""
        columns = (RECORD.c.rid, RECORD.c.time_us, RECORD.c.outcome_n)
        found: dict[str, Row] = {}
        for some in batched(rids, _AT_ONCE):
            query = select(*columns).where(RECORD.c.rid.in_(some))
            found.update((row["rid"], dict(row)) for row in self._connection.execute(query).mappings())
        return found

    def _intents_of(self, fresh: Sequence[Numbered], known: dict[str, Row]) -> dict[str, Intent]:
        """Open the stored intents of those outcomes whose intent came in an earlier batch."""
        wanted = [entry.rid for _, entry in fresh if isinstance(entry, Outcome) and entry.rid in known]
        intents: dict[str, Intent] = {}
        matches = and_(
            ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us
        )
        for some in batched(wanted, _AT_ONCE):
            query = select(ENTRY).join(RECORD, matches).where(RECORD.c.rid.in_(some))
            for row in self._connection.execute(query):
                entry = open_entry(self._cipher, row.lane, row.n, row.rid, row.sealed).entry
                if isinstance(entry, Intent):
                    intents[row.rid] = entry
        return intents

    def _compare(self, lane: str, repeated: Sequence[Numbered]) -> None:
        """Hold what comes again against what is stored."""
        for some in batched(repeated, _AT_ONCE):
            query = select(ENTRY).where(ENTRY.c.lane == lane, ENTRY.c.n.in_([n for n, _ in some]))
            stored = {row.n: row for row in self._connection.execute(query)}
            for n, entry in some:
                row = stored.get(n)
                if row is None or open_entry(
                    self._cipher, lane, n, row.rid, row.sealed
                ).entry != without_stored(entry):
                    raise IntegrityError(f"Entry {n} of lane {lane} is not what the spool says.")


class _Index:
    """The ``record`` rows that a batch adds or finishes."""

    def __init__(self, lane: str, known: dict[str, Row], tokens: Tokens, alarm: Alarm) -> None:
        self.new: dict[str, Row] = {}
        self.search: list[Row] = []
        self.finished: list[Row] = []
        self._lane = lane
        self._known = known
        self._tokens = tokens
        self._alarm = alarm

    def intent(self, n: int, intent: Intent) -> None:
        """Add a row; a second intent under one id stays evidence and is not indexed."""
        if intent.rid in self._known or intent.rid in self.new:
            self._alarm(f"Lane {self._lane} has a second intent {intent.rid} at {n}.")
            return
        self.new[intent.rid] = index_intent(self._lane, n, intent) | index_unanswered(intent)
        self.search += search_rows(self._tokens, intent)

    def part(self, n: int, part: Part) -> None:
        """Look only whether there is a row: a part adds nothing to the index."""
        if part.rid not in self.new and part.rid not in self._known:
            self._alarm(f"Lane {self._lane} has a part of {part.rid} at {n}, which has no intent.")

    def outcome(self, n: int, outcome: Outcome, answer: Answer) -> None:
        """Finish a row; a second outcome stays evidence, the first one counts."""
        row = self.new.get(outcome.rid) or self._known.get(outcome.rid)
        if row is None or row["outcome_n"] is not None:
            which = "no intent" if row is None else "an outcome already"
            self._alarm(f"Lane {self._lane} has an outcome {outcome.rid} at {n}, which has {which}.")
            return
        columns = index_outcome(self._lane, n, outcome, answer)
        row.update(columns)
        if outcome.rid not in self.new:
            self.finished.append({"b_rid": outcome.rid, "b_time_us": row["time_us"]} | columns)


def _expect_no_gap(lane: str, last_n: int, fresh: Sequence[Numbered]) -> None:
    for expected, (n, _) in enumerate(fresh, start=last_n + 1):
        if n != expected:
            raise IntegrityError(f"Lane {lane} goes on with entry {n}, expected {expected}.")
