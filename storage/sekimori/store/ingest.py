"""One batch of one lane into the tables, inside the caller's transaction: exactly once, or refused.

The caller holds the lane's row, and saves how far the lane has come in the same transaction: that alone
makes it once, on many nodes and across months. Numbers follow one another without a gap. What is stored
already must be the same as what comes again (a crash between the commit and the spool's marker repeats
it); anything else is an alarm for the auditor, never overwritten.

Each entry is sealed under its record's key and keeps the envelope and leaf that its writer signed; what came
without them (from an older gate, or said by the store itself) gets them here. Its place in a tree and the
``stored`` statement about the batch belong to the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import batched
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, select, update
from sqlalchemy import exc as sql

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Entry, Intent, Outcome, Part
from sekimori.store.bodies import take_apart
from sekimori.store.bulk import insert_rows
from sekimori.store.clearing import ERASED
from sekimori.store.holding import Holding
from sekimori.store.indexing import Index
from sekimori.store.lanes import LaneState
from sekimori.store.leaves import Arrived, Leaves, Placed, Placing
from sekimori.store.opening import RecordOpener
from sekimori.store.postgres import is_part_missing
from sekimori.store.readings import Answered
from sekimori.store.recordkeys import HeldKey, RecordKeys
from sekimori.store.retention import slot_of, unknown_slot
from sekimori.store.rows import (
    Answer,
    Row,
    index_outcome,
    seal_content,
    seal_entry,
    without_stored,
)
from sekimori.store.statements import required
from sekimori.store.tables import CONTENT, ENTRY, RECORD, SEARCH, STATEMENT
from sekimori.store.tokens import Tokens
from sekimori.vault.outputs import OutputTagRow, sealed_output
from sekimori.vault.slots import Slot

__all__ = ["Arrived", "Ingest", "Placed", "Placing"]

AnswerReader = Callable[[Intent, Outcome], Answered]
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
    """Writes one batch of a lane; the caller's transaction makes it whole.

    Afterwards ``placed`` holds the leaves that the trees get once the transaction has committed. Without
    ``placing`` entries keep their leaves and get their places later, from an archivist.
    """

    def __init__(
        self,
        connection: Connection,
        holding: Holding,
        *,
        tokens: Tokens,
        read_answer: AnswerReader,
        alarm: Alarm,
        now_us: int,
        placing: Placing | None = None,
    ) -> None:
        self._connection = connection
        self._holding = holding
        self._leaves = Leaves(connection, required(holding.keys.signing), placing, now_us)
        self._tokens = tokens
        self._opener = RecordOpener(holding)
        self._read_answer = read_answer
        self._alarm = alarm
        self._now_us = now_us

    @property
    def placed(self) -> list[Placed]:
        """The leaves that got their places."""
        return self._leaves.placed

    def batch(self, lane: str, state: LaneState, arrived: Sequence[Arrived]) -> LaneState:
        """Store what is new, compare what is not; return how far the lane has come."""
        try:
            return self._batch(lane, state, arrived)
        except (sql.DataError, OverflowError) as fault:
            reason = fault.orig if isinstance(fault, sql.DataError) else fault
            raise IntegrityError(f"Lane {lane} says something that no database keeps: {reason}.") from fault

    def _batch(self, lane: str, state: LaneState, arrived: Sequence[Arrived]) -> LaneState:
        self._compare(lane, [item for item in arrived if item.n <= state.last_n])
        fresh = [item for item in arrived if item.n > state.last_n]
        _expect_no_gap(lane, state.last_n, fresh)
        if not fresh:
            return state
        self._store(lane, fresh)
        return msgspec.structs.replace(state, last_n=fresh[-1].n)

    # --- storing ---------------------------------------------------------------------------------

    def _store(self, lane: str, fresh: Sequence[Arrived]) -> None:
        self._holding.hierarchy.current()  # holds off whoever erases, before anything is looked up
        rids = {item.entry.rid for item in fresh}
        known = self._records(rids)
        admit = self._holding.keys.allowance.of(lane, self._now_us)
        keys = RecordKeys(self._connection, self._holding.hierarchy, rids, admit)
        intents = self._intents_of(fresh, known, keys)
        self._take_keys(fresh, known, keys, intents)
        first = self._first_intents(fresh, known)
        manifests = take_apart(
            self._holding, [(one.rid, one.body.stored, keys[one.rid]) for one in first.values()]
        )
        index = Index(lane, known, self._tokens, self._alarm)
        entries, contents, tags = [], [], []
        for item in fresh:
            answered = self._index(index, intents, item)
            held = keys[item.entry.rid]
            content, tag = None, list[OutputTagRow]()
            if not held.is_lost:
                manifest = manifests.get(item.entry.rid, b"") if item.n in first else b""
                content = seal_content(held.cipher, lane, item.n, item.entry, manifest)
                tag = _tag(held, item.entry, answered)
                tags += tag
            answer = answered.answer if answered else None
            row = seal_entry(held.cipher, lane, item.n, item.entry, answer, content, tagged=bool(tag))
            row["envelope"], row["leaf"] = self._leaves.evidence(lane, item, held.key)
            entries.append(row)
            contents.append(content)
        self._insert(lane, STATEMENT, self._leaves.place(lane, entries, contents))
        self._insert(lane, ENTRY, entries)
        self._insert(lane, CONTENT, [content for content in contents if content])
        self._insert(lane, RECORD, list(index.new.values()))
        self._insert(lane, SEARCH, index.search)
        self._holding.tags.put(tags)
        self._holding.texts.flush()
        if index.finished:
            self._connection.execute(_FINISH, index.finished)

    def _index(self, index: Index, intents: dict[str, Intent], item: Arrived) -> Answered | None:
        """Say in the index what an entry adds to it; return what an answer came to."""
        entry = item.entry
        if isinstance(entry, Intent):
            intents.setdefault(entry.rid, entry)
            index.intent(item.n, entry)
            return None
        if isinstance(entry, Part):
            index.part(item.n, entry)
            return None
        intent = intents.get(entry.rid)
        answered = self._read_answer(intent, entry) if intent else Answered(Answer())
        counts = index.outcome(item.n, entry, answered.answer)
        return answered if counts else answered._replace(text="")

    def _first_intents(self, fresh: Sequence[Arrived], known: dict[str, Row]) -> dict[int, Intent]:
        """Return by number the intents that begin a record; a second one under its id is kept as it is."""
        seen = set(known)
        first: dict[int, Intent] = {}
        for n, entry, *_ in fresh:
            if isinstance(entry, Intent) and entry.rid not in seen:
                seen.add(entry.rid)
                first[n] = entry
        return first

    def _insert(self, lane: str, table: Table, rows: list[Row]) -> None:
        try:
            insert_rows(self._connection, table, rows)
        except sql.IntegrityError as fault:
            if is_part_missing(fault):
                raise
            raise IntegrityError(
                f"Table {table.name} already holds rows that lane {lane} never wrote."
            ) from fault

    # --- keys ------------------------------------------------------------------------------------

    def _take_keys(
        self, fresh: Sequence[Arrived], known: dict[str, Row], keys: RecordKeys, intents: dict[str, Intent]
    ) -> None:
        """See that each record of the batch has a key."""
        if keys.orphans:
            raise IntegrityError(
                f"The data key that the key of record {min(keys.orphans)} lies under is gone."
            )
        slots: dict[str, Slot] = {}
        given: dict[str, bytes] = {}
        for _, entry, *_ in fresh:
            rid, row = entry.rid, known.get(entry.rid)
            if rid in slots:
                self._compare_keys(entry, given[rid])
            elif (held := keys.get(rid)) is not None:
                self._compare_keys(entry, b"" if held.is_lost else held.key)
            elif row is not None and row["state"] == ERASED:
                keys.lose(rid)
            else:
                if row is not None and rid not in intents:
                    self._alarm(f"The key of record {rid} is gone, although nobody erased it.")
                intent = entry if isinstance(entry, Intent) else intents.get(rid)
                slots[rid] = slot_of(intent) if intent else unknown_slot(entry.time_us)
                given[rid] = entry.key
        keys.keep(slots, given)

    def _compare_keys(self, entry: Entry, known: bytes) -> None:
        if entry.key and known and entry.key != known:
            self._alarm(f"Record {entry.rid} comes with another key than it had.")

    # --- what is there already -------------------------------------------------------------------

    def _records(self, rids: Iterable[str]) -> dict[str, Row]:
        """Return what the index knows already of these exchanges."""
        columns = (RECORD.c.rid, RECORD.c.time_us, RECORD.c.outcome_n, RECORD.c.state, RECORD.c.policy)
        found: dict[str, Row] = {}
        for some in batched(rids, _AT_ONCE):
            query = select(*columns).where(RECORD.c.rid.in_(some))
            found.update((row["rid"], dict(row)) for row in self._connection.execute(query).mappings())
        return found

    def _intents_of(
        self, fresh: Sequence[Arrived], known: dict[str, Row], keys: RecordKeys
    ) -> dict[str, Intent]:
        """Open the stored intents of those outcomes whose intent came in an earlier batch."""
        wanted = [
            entry.rid
            for _, entry, *_ in fresh
            if entry.rid in known and known[entry.rid]["state"] != ERASED
            if isinstance(entry, Outcome) or entry.rid not in keys
        ]
        self._opener.expect(wanted)
        intents: dict[str, Intent] = {}
        matches = and_(
            ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us
        )
        for some in batched(wanted, _AT_ONCE):
            query = select(ENTRY).join(RECORD, matches).where(RECORD.c.rid.in_(some))
            for row in self._connection.execute(query):
                kept = self._opener.entry(row)
                if kept is not None and isinstance(kept.entry, Intent):
                    intents[row.rid] = kept.entry
        return intents

    def _compare(self, lane: str, repeated: Sequence[Arrived]) -> None:
        """Hold what comes again against what is stored."""
        if not repeated:
            return
        self._opener.expect({item.entry.rid for item in repeated})
        for some in batched(repeated, _AT_ONCE):
            query = select(ENTRY).where(ENTRY.c.lane == lane, ENTRY.c.n.in_([item.n for item in some]))
            stored = {row.n: row for row in self._connection.execute(query)}
            for item in some:
                row = stored.get(item.n)
                if row is None or not self._is_same(item, row):
                    raise IntegrityError(f"Entry {item.n} of lane {lane} is not what the spool says.")

    def _is_same(self, item: Arrived, row: Any) -> bool:
        if item.leaf and (row.leaf, row.envelope) != (item.leaf, item.envelope):
            return False
        kept = self._opener.entry(row)
        # What was erased meanwhile has its leaf alone to speak for it.
        return bool(item.leaf) if kept is None else kept.entry == without_stored(item.entry)


def _tag(held: HeldKey, entry: Entry, answered: Answered | None) -> list[OutputTagRow]:
    if answered is None or not answered.text or held.data_key is None:
        return []
    row = sealed_output(held.data_key, held.cipher, entry.rid, answered.text)
    return [row] if row else []


def _expect_no_gap(lane: str, last_n: int, fresh: Sequence[Arrived]) -> None:
    for expected, item in enumerate(fresh, start=last_n + 1):
        if item.n != expected:
            raise IntegrityError(f"Lane {lane} goes on with entry {item.n}, expected {expected}.")
