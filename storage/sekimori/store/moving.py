"""One batch of entries of an older release on its way from the one data key under keys of its own.

Each record gets a key, entry and body are sealed under it (a request as a manifest), envelope and leaf are
added, search tokens and output tags are made anew. What doesn't open stays where it is, and somebody is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, select, update

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import decode_envelope, encode_envelope
from sekimori.ledger.evidence import envelope_of
from sekimori.ledger.record import Entry, Intent, Outcome
from sekimori.store.bodies import take_apart
from sekimori.store.bulk import insert_rows
from sekimori.store.clearing import ERASED
from sekimori.store.holding import Holding
from sekimori.store.opening import RecordOpener
from sekimori.store.readings import read_answer
from sekimori.store.recordkeys import HeldKey, RecordKeys
from sekimori.store.retention import slot_of, unknown_slot
from sekimori.store.rows import (
    Kept,
    Row,
    open_content,
    open_entry,
    part_of,
    seal_content,
    seal_entry,
    search_rows,
)
from sekimori.store.statements import required
from sekimori.store.tables import CONTENT, ENTRY, RECORD, SEARCH
from sekimori.vault.content import ContentCipher
from sekimori.vault.outputs import OutputTagRow, output_row

_INTENT = and_(ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us)

Alarm = Callable[[str], None]


class Old(NamedTuple):
    """One entry as it lies under the old key, opened; ``entry`` has its body's bytes where they opened."""

    lane: str
    n: int
    entry: Entry
    kept: Kept


class Batch:
    """Some entries of one transaction, on their way."""

    def __init__(self, holding: Holding, old: ContentCipher, alarm: Alarm) -> None:
        self._connection: Connection = holding.connection
        self._holding = holding
        self._opener = RecordOpener(holding)
        self._signing = required(holding.keys.signing)
        self._tokens = holding.keys.tokens
        self._old = old
        self._alarm = alarm

    def move(self, rows: Sequence[Any]) -> None:
        """Seal these entries and their bodies under keys of their own."""
        self._holding.hierarchy.current()  # holds off whoever erases
        opened = [moved for row in rows if (moved := self._opened(row)) is not None]
        rids = {moved.entry.rid for moved in opened}
        records = self._records(rids)
        intents = self._intents(opened, records)
        keys = RecordKeys(self._connection, self._holding.hierarchy, rids)
        self._take_keys(opened, records, intents, keys)
        requests = [moved.entry for moved in opened if _is_intent_of(moved, records)]
        bodies = [(entry.rid, entry.body.stored, keys[entry.rid]) for entry in requests]
        manifests = take_apart(self._holding, bodies)
        tags: list[OutputTagRow] = []
        for moved in opened:
            manifest = manifests.get(moved.entry.rid, b"") if _is_intent_of(moved, records) else b""
            tag = _tag(keys, moved.entry, intents) if _is_outcome_of(moved, records) else []
            self._write(moved, keys[moved.entry.rid], manifest, tagged=bool(tag))
            tags += tag
        self._find_again(opened, records)
        self._holding.tags.put(tags)
        self._holding.texts.flush()

    def _write(self, moved: Old, held: HeldKey, manifest: bytes, *, tagged: bool) -> None:
        """Put the new seals where the old ones stand, and envelope and leaf beside them."""
        lane, n, entry, kept = moved
        content = seal_content(held.cipher, lane, n, entry, manifest)
        sealed = seal_entry(
            held.cipher, lane, n, entry, kept.answer, content or _unmoved(moved), tagged=tagged
        )["sealed"]
        envelope = _migrated(msgspec.structs.replace(entry, key=held.key), lane, n)
        leaf = self._signing.sign(envelope)
        place = {"b_lane": lane, "b_n": n, "b_time_us": entry.time_us}
        changed = {"sealed": sealed, "envelope": envelope, "leaf": leaf}
        self._connection.execute(_UPDATE_ENTRY, place | changed)
        if content:
            changed = {name: content[name] for name in ("part", "sealed_sha256", "sealed")}
            self._connection.execute(_UPDATE_CONTENT, place | changed)

    def _opened(self, row: Any) -> Old | None:
        """Open an entry and its body; one that was altered stays as it is, for ``verify`` to name."""
        try:
            kept = open_entry(self._old, row.lane, row.n, row.rid, row.sealed)
        except IntegrityError as fault:
            self._alarm(f"Entry {row.n} of lane {row.lane} stays under the old key: {fault}")
            return None
        stored = self._stored(row, kept)
        body = msgspec.structs.replace(kept.entry.body, stored=stored)
        return Old(row.lane, row.n, msgspec.structs.replace(kept.entry, body=body), kept)

    def _stored(self, row: Any, kept: Kept) -> bytes:
        if not kept.content:
            return b""
        query = select(CONTENT.c.sealed).where(
            CONTENT.c.lane == row.lane, CONTENT.c.n == row.n, CONTENT.c.time_us == row.time_us
        )
        sealed = self._connection.execute(query).scalar() or b""
        try:
            if hashlib.sha256(sealed).hexdigest() != kept.content:
                raise IntegrityError("It is not what the entry names.")
            return open_content(self._old, row.lane, row.n, row.rid, sealed)
        except IntegrityError as fault:
            self._alarm(f"The content of entry {row.n} of lane {row.lane} is not moved: {fault}")
            return b""

    def _records(self, rids: Iterable[str]) -> dict[str, Any]:
        query = select(RECORD).where(RECORD.c.rid.in_(list(rids)))
        return {row.rid: row for row in self._connection.execute(query)}

    def _intents(self, opened: Sequence[Old], records: dict[str, Any]) -> dict[str, Intent]:
        """Return the intent of each record: from the batch, or from what was moved or not moved yet."""
        intents = {
            moved.entry.rid: moved.entry
            for moved in opened
            if isinstance(moved.entry, Intent) and _is_intent_of(moved, records)
        }
        missing = [rid for rid in records if rid not in intents]
        self._opener.expect(missing)
        query = select(ENTRY).join(RECORD, _INTENT).where(RECORD.c.rid.in_(missing))
        for row in self._connection.execute(query):
            try:
                kept = self._opener.entry(row)
            except IntegrityError:
                continue
            if kept is not None and isinstance(kept.entry, Intent):
                intents[row.rid] = kept.entry
        return intents

    def _take_keys(
        self, opened: Sequence[Old], records: dict[str, Any], intents: dict[str, Intent], keys: RecordKeys
    ) -> None:
        slots = {}
        for moved in opened:
            rid = moved.entry.rid
            if rid in keys or rid in slots:
                continue
            if rid in records and records[rid].state == ERASED:
                keys.lose(rid)
                continue
            slots[rid] = slot_of(intents[rid]) if rid in intents else unknown_slot(moved.entry.time_us)
        keys.keep(slots, {})

    def _find_again(self, opened: Sequence[Old], records: dict[str, Any]) -> None:
        """Make the tokens anew that records are found by: the old ones lie under the old key."""
        intents = [moved.entry for moved in opened if _is_intent_of(moved, records)]
        rids = [intent.rid for intent in intents]
        self._connection.execute(delete(SEARCH).where(SEARCH.c.rid.in_(rids)))
        living = [intent for intent in intents if records[intent.rid].state != ERASED]
        rows = [
            row
            for intent in living
            if isinstance(intent, Intent)
            for row in search_rows(self._tokens, intent)
        ]
        insert_rows(self._connection, SEARCH, rows)


def _is_intent_of(moved: Old, records: dict[str, Any]) -> bool:
    record = records.get(moved.entry.rid)
    return record is not None and (record.lane, record.n) == (moved.lane, moved.n)


def _is_outcome_of(moved: Old, records: dict[str, Any]) -> bool:
    record = records.get(moved.entry.rid)
    return record is not None and (record.outcome_lane, record.outcome_n) == (moved.lane, moved.n)


def _unmoved(moved: Old) -> Row | None:
    """Say what the entry goes on naming: a body that didn't open stays where it is."""
    if not moved.kept.content:
        return None
    return {"sealed_sha256": moved.kept.content, "part": part_of(moved.entry)}


def _migrated(entry: Entry, lane: str, n: int) -> bytes:
    """Return the envelope of an entry that had none: it says so itself."""
    return encode_envelope(decode_envelope(envelope_of(entry, lane, n)) | {"migrated": True})


def _tag(keys: RecordKeys, entry: Entry, intents: dict[str, Intent]) -> list[OutputTagRow]:
    held, intent = keys[entry.rid], intents.get(entry.rid)
    if not isinstance(entry, Outcome) or intent is None or held.data_key is None:
        return []
    row = output_row(held.data_key, held.key, entry.rid, read_answer(intent, entry).text)
    return [row] if row else []


def _changed(table: Any, *names: str) -> Any:
    place = (table.c.lane == bindparam("b_lane"), table.c.n == bindparam("b_n"))
    # The time leads PostgreSQL to the one part that holds the row.
    where = (*place, table.c.time_us == bindparam("b_time_us"))
    return update(table).where(*where).values({name: bindparam(name) for name in names})


_UPDATE_ENTRY = _changed(ENTRY, "sealed", "envelope", "leaf")
_UPDATE_CONTENT = _changed(CONTENT, "part", "sealed_sha256", "sealed")
