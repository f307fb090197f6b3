"""Walk one lane from its first entry to its sealed last one, and name what does not fit.

Reads forward in pieces, so that memory stays flat however long the lane; bodies come one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Intent, Outcome, Part
from sekimori.store.lanes import LaneState
from sekimori.store.rows import (
    READING as READING_MODE,
)
from sekimori.store.rows import (
    Answer,
    Cipher,
    Kept,
    Row,
    index_intent,
    index_outcome,
    index_unanswered,
    kind_of,
    open_content,
    open_entry,
    part_of,
    reading_row,
    search_rows,
)
from sekimori.store.tables import CONTENT, ENTRY, READING, RECORD, SEARCH
from sekimori.store.tokens import Tokens

What = Literal["altered", "missing", "extra"]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that is not as it was written: its table, its key, and what happened to it."""

    table: str
    key: str
    what: What
    detail: str = ""


class LaneWalk:
    """Checks the entries of one lane with their contents, records, tokens and readings.

    Without ``tokens`` nobody looks at the tokens: they are not all made yet.
    """

    def __init__(
        self,
        connection: Connection,
        cipher: Cipher,
        lane: str,
        state: LaneState | None,
        tokens: Tokens | None,
    ) -> None:
        self._connection = connection
        self._cipher = cipher
        self._tokens = tokens
        self._lane = lane
        # Without believable figures every entry is looked at, and none is called missing or extra
        # for its number alone: the lane itself is named already.
        self._last_n = state.last_n if state else None
        self._next = 1

    def run(self) -> Iterator[tuple[list[Fault], int]]:
        """Yield, piece by piece, the faults found and how many entries were looked at."""
        rows = self._piece(None)
        while rows:
            yield list(self._check(rows)), len(rows)
            rows = self._piece(rows[-1].n)
        if self._last_n is not None:
            yield list(self._missing_up_to(self._last_n)), 0

    def _piece(self, after: int | None) -> Sequence[Any]:
        query = select(ENTRY).where(ENTRY.c.lane == self._lane)
        if after is not None:
            query = query.where(ENTRY.c.n > after)
        return self._connection.execute(query.order_by(ENTRY.c.n).limit(_AT_ONCE)).all()

    def _check(self, rows: Sequence[Any]) -> Iterator[Fault]:
        opened: dict[int, Kept] = {}
        for row in rows:
            if row.n < 1 or (self._last_n is not None and row.n > self._last_n):
                yield Fault("entry", self._key(row.n), "extra")
                continue
            if row.n < self._next:
                # Only where the months of a lane lie apart can one number stand twice.
                yield Fault("entry", self._key(row.n), "extra", "the lane has this number twice")
                continue
            yield from self._missing_up_to(row.n - 1)
            self._next = row.n + 1
            try:
                opened[row.n] = open_entry(self._cipher, self._lane, row.n, row.rid, row.sealed)
            except IntegrityError as fault:
                yield Fault("entry", self._key(row.n), "altered", fault.message)
                continue
            yield from self._columns(row, opened[row.n])
        yield from self._contents(rows, opened)
        yield from self._records(opened)
        yield from self._readings(opened)

    def _missing_up_to(self, n: int) -> Iterator[Fault]:
        first, self._next = self._next, max(self._next, n + 1)
        if first == n:
            yield Fault("entry", self._key(n), "missing")
        elif first < n:
            yield Fault("entry", f"{self._key(first)}-{n}", "missing", f"{n - first + 1} entries")

    def _columns(self, row: Any, kept: Kept) -> Iterator[Fault]:
        said = {"rid": row.rid, "kind": row.kind, "time_us": row.time_us}
        meant = {"rid": kept.entry.rid, "kind": kind_of(kept.entry), "time_us": kept.entry.time_us}
        yield from _differences("entry", self._key(row.n), said, meant)

    def _contents(self, rows: Sequence[Any], opened: dict[int, Kept]) -> Iterator[Fault]:
        wanted = {n for n, kept in opened.items() if kept.content}
        query = select(CONTENT).where(
            CONTENT.c.lane == self._lane, CONTENT.c.n.between(rows[0].n, rows[-1].n)
        )
        for row in self._connection.execute(query).yield_per(8):
            if row.n in wanted:
                wanted.discard(row.n)
                yield from self._content(row, opened[row.n])
            elif row.n in opened:
                yield Fault("content", self._key(row.n), "extra", "its entry had no content")
        for n in sorted(wanted):
            yield Fault("content", self._key(n), "missing")

    def _content(self, row: Any, kept: Kept) -> Iterator[Fault]:
        key = self._key(row.n)
        sealed_sha256 = hashlib.sha256(row.sealed).hexdigest()
        said = {
            "rid": row.rid,
            "time_us": row.time_us,
            "part": row.part,
            "sealed_sha256": row.sealed_sha256,
            "sealed": sealed_sha256,
        }
        meant = {
            "rid": kept.entry.rid,
            "time_us": kept.entry.time_us,
            "part": part_of(kept.entry),
            "sealed_sha256": kept.content,
            "sealed": kept.content,
        }
        yield from _differences("content", key, said, meant)
        try:
            plain = open_content(self._cipher, self._lane, row.n, kept.entry.rid, row.sealed)
        except IntegrityError as fault:
            yield Fault("content", key, "altered", fault.message)
            return
        if hashlib.sha256(plain).hexdigest() != kept.entry.body.stored_sha256:
            yield Fault("content", key, "altered", "its bytes hash to something else")

    def _records(self, opened: dict[int, Kept]) -> Iterator[Fault]:
        query = select(RECORD).where(RECORD.c.rid.in_({kept.entry.rid for kept in opened.values()}))
        records: dict[str, Row] = {}
        for row in self._connection.execute(query).mappings():
            if row["rid"] in records:
                yield Fault("record", row["rid"], "extra", "it is there twice")
            records[row["rid"]] = dict(row)
        yield from self._search(opened, records)
        for n, kept in opened.items():
            record = records.get(kept.entry.rid)
            if record is None:
                yield Fault("record", kept.entry.rid, "missing", f"entry {self._key(n)} has none")
            else:
                yield from _differences("record", kept.entry.rid, record, self._meant(n, kept, record))

    def _search(self, opened: dict[int, Kept], records: dict[str, Row]) -> Iterator[Fault]:
        """Compare the tokens of those intents that the index shows: a second one has none."""
        if self._tokens is None:
            return
        meant: dict[str, dict[str, Row]] = {}
        for n, kept in opened.items():
            record = records.get(kept.entry.rid)
            if isinstance(kept.entry, Intent) and (
                record is None or (record["lane"], record["n"]) == (self._lane, n)
            ):
                rows = search_rows(self._tokens, kept.entry)
                meant[kept.entry.rid] = {row["field"]: row for row in rows}
        query = select(SEARCH).where(SEARCH.c.rid.in_(meant))
        for said in self._connection.execute(query).mappings():
            row = meant[said["rid"]].pop(said["field"], None)
            key = f"{said['rid']}/{said['field']}"
            if row is None:
                yield Fault("search", key, "extra")
            else:
                yield from _differences("search", key, dict(said), row)
        for rid, left in meant.items():
            for field in left:
                yield Fault("search", f"{rid}/{field}", "missing")

    def _meant(self, n: int, kept: Kept, record: Row) -> Row:
        if isinstance(kept.entry, Part):
            return {}  # it only adds to the prompt; that its record is there was all to check
        if isinstance(kept.entry, Outcome):
            return index_outcome(self._lane, n, kept.entry, kept.answer or Answer())
        unanswered = index_unanswered(kept.entry) if record["outcome_n"] is None else {}
        return index_intent(self._lane, n, kept.entry) | unanswered

    def _readings(self, opened: dict[int, Kept]) -> Iterator[Fault]:
        meant = {
            kept.entry.rid: reading_row(kept.entry)
            for kept in opened.values()
            if isinstance(kept.entry, Intent) and kept.entry.mode == READING_MODE
        }
        if not meant:
            return
        query = select(READING).where(READING.c.rid.in_(meant))
        said = {row["rid"]: dict(row) for row in self._connection.execute(query).mappings()}
        for rid, row in meant.items():
            if rid not in said:
                yield Fault("reading", rid, "missing")
            else:
                yield from _differences("reading", rid, said[rid], row)

    def _key(self, n: int) -> str:
        return f"{self._lane}/{n}"


def _differences(table: str, key: str, said: Row, meant: Row) -> Iterator[Fault]:
    columns = [name for name, value in meant.items() if said.get(name) != value]
    if columns:
        yield Fault(table, key, "altered", ", ".join(columns))
