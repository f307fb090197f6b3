"""What is to be erased, and everything that it touches: looked up, counted, and nothing changed.

A conversation is sent again with every turn, so of each record that is named the later ones are sought that
repeat its words, and those that only lean on it. What a legal hold keeps is kept together with all that it
needs to be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import batched
from pathlib import Path

from sqlalchemy import Connection, func, select

from sekimori.errors import IntegrityError, StateError, UsageError
from sekimori.ledger.chunks import References
from sekimori.ledger.lanes import lanes, segment_path, segments
from sekimori.ledger.segment_reader import SegmentReader
from sekimori.store.holding import Holding
from sekimori.store.holding_orders import Held, HoldRepo
from sekimori.store.spilled import spilled
from sekimori.store.tables import ENTRY, OPEN, RECORD, RECORD_KEY
from sekimori.store.works import expect_moved
from sekimori.vault.rotation import Doomed, Erasure, Rotation

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be erased; ``before`` is a month, ``only`` refuses to take other records along."""

    subject: str | None = None
    before: str | None = None
    classes: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()
    only: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Count:
    """How much of one class and month."""

    klass: str
    month: str
    records: int
    data_keys: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would do.

    ``covered`` tells, for each record that was named, the later ones that repeat its words; ``rebased`` are
    written anew and stay. ``in_flight`` exchanges have no answer yet: what still comes of them is not kept.
    ``spool`` says how many entries of what goes still lie in which lane of the spool.
    """

    counts: tuple[Count, ...] = ()
    records: tuple[str, ...] = ()
    covered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rebased: tuple[str, ...] = ()
    held: tuple[Count, ...] = ()
    held_records: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    in_flight: int = 0
    spool: Mapping[str, int] = field(default_factory=dict)
    damaged: tuple[bytes, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing would go."""
        return not self.counts


class Survey:
    """Everything that an erasure touches, as it is now."""

    def __init__(self, connection: Connection, holding: Holding, turning: Rotation, wanted: Wanted) -> None:
        expect_moved(connection)
        self.connection, self.holding = connection, holding
        found = spilled(connection, holding, wanted.subject, wanted.classes)
        wanted = replace(wanted, records=wanted.records | found)
        self._expect_keys(wanted.records)
        held = HoldRepo(connection, holding.keys.cipher).held()
        held_keys = held.data_keys(holding.hierarchy)
        self.references = self._references(wanted)
        if wanted.only:
            _refuse_others(wanted.records, self.references)
        self.kept, self.singles = self._sorted_out(wanted.records, held, held_keys)
        erasure = Erasure(wanted.subject, wanted.before, wanted.classes, frozenset(self.singles))
        self.plan = turning.plan(erasure, held_data_keys=held_keys, held_records=held.records)
        self.singles = {rid for some in self.plan.records.values() for rid in some}
        known = self._known(wanted.records)
        self.unknown = tuple(sorted(wanted.records - known))

    @property
    def leaning(self) -> tuple[str, ...]:
        """Return the records that stay and lean on what goes, oldest first."""
        erased = self.singles | {rid for some in self._whole() for rid in some}
        leaning = {
            rid for name, found in self.references.items() if name in self.singles for rid in found.leaning
        }
        return tuple(sorted(leaning - erased))

    def preview(self, spool: Path | None) -> Preview:
        """Say it in figures."""
        return Preview(
            counts=_counts(map(_of_doomed, self.plan.data_keys)) + self._counts_of_singles(),
            records=tuple(sorted(self.singles)),
            covered={
                name: found.containing
                for name, found in sorted(self.references.items())
                if name in self.singles and found.containing
            },
            rebased=self.leaning,
            held=self._held_counts(),
            held_records=tuple(sorted({*self.plan.held_records, *self.kept})),
            unknown=self.unknown,
            in_flight=self._in_flight(),
            spool=dict(self._in_spool(spool)) if spool is not None else {},
            damaged=self.plan.damaged,
        )

    def _references(self, wanted: Wanted) -> dict[str, References]:
        known = self._known(wanted.records)
        return {rid: self.holding.deduper.references(rid) for rid in sorted(known)}

    def _expect_keys(self, rids: Collection[str]) -> None:
        """Refuse records whose own data key was altered: which others repeat their words can't be told."""
        hierarchy = self.holding.hierarchy
        for row in hierarchy.rows.record_keys_of(rids):
            try:
                hierarchy.find_data_key(row.data_key)
            except IntegrityError as error:
                raise StateError(
                    f"The data key of record {row.rid} was altered: {error.message}",
                    hint="Restore the table data_key from a backup of this key epoch. Or: sekimori keys rotate;"
                    " then nobody can ever read what lies under it.",
                ) from error

    def _known(self, rids: Collection[str]) -> set[str]:
        return {row.rid for row in self.holding.hierarchy.rows.record_keys_of(rids)}

    def _sorted_out(
        self, named: Iterable[str], held: Held, held_keys: Collection[bytes]
    ) -> tuple[set[str], set[str]]:
        """Return which named records a hold keeps, and which go, with those that repeat their words."""
        kept: set[str] = set()
        going: set[str] = set()
        for rid in sorted(named):
            found = self.references.get(rid)
            whole = {rid, *(found.containing if found else ())}
            rows = self.holding.hierarchy.rows.record_keys_of(whole)
            if whole & held.records or any(row.data_key in held_keys for row in rows):
                kept.add(rid)
            else:
                going |= whole
        return kept, going

    def _whole(self) -> Iterator[set[str]]:
        for doomed in self.plan.data_keys:
            query = select(RECORD_KEY.c.rid).where(RECORD_KEY.c.data_key == doomed.id)
            yield set(self.connection.execute(query).scalars())

    def _counts_of_singles(self) -> tuple[Count, ...]:
        slots = []
        for id_, rids in self.plan.records.items():
            key = self.holding.hierarchy.find_data_key(id_)
            if key is not None:
                slots.append((key.slot.klass, key.slot.month, len(rids)))
        return tuple(Count(count.klass, count.month, count.records, 0) for count in _counts(slots))

    def _held_counts(self) -> tuple[Count, ...]:
        slots = []
        for id_ in self.plan.held_data_keys:
            key = self.holding.hierarchy.find_data_key(id_)
            if key is not None:
                count = self.holding.hierarchy.rows.count_record_keys(id_)
                slots.append((key.slot.klass, key.slot.month, count))
        return _counts(slots)

    def _in_flight(self) -> int:
        return self._count(RECORD, RECORD.c.state == OPEN)

    def _in_spool(self, spool: Path) -> Iterator[tuple[str, int]]:
        for lane, first_n in first_numbers(spool).items():
            held = self._count(ENTRY, ENTRY.c.lane == lane, ENTRY.c.n >= first_n)
            if held:
                yield lane, held

    def _count(self, table: object, *which: object) -> int:
        counted = 0
        rid = table.c.rid  # type: ignore[attr-defined]
        query = select(func.count()).select_from(table).where(*which)  # type: ignore[arg-type]
        for some in batched([doomed.id for doomed in self.plan.data_keys], _AT_ONCE):
            under = select(RECORD_KEY.c.rid).where(RECORD_KEY.c.data_key.in_(some))
            counted += self.connection.execute(query.where(rid.in_(under))).scalar_one()
        for rids in batched(sorted(self.singles), _AT_ONCE):
            counted += self.connection.execute(query.where(rid.in_(rids))).scalar_one()
        return counted


def first_numbers(spool: Path) -> dict[str, int]:
    """Return the number of the first entry that each lane of a spool still holds on disk."""
    found = {folder.name: _first_number(folder) for folder in lanes(spool)}
    return {name: n for name, n in found.items() if n is not None}


def _first_number(folder: Path) -> int | None:
    while True:
        try:
            numbers = segments(folder)
        except FileNotFoundError:
            return None
        if not numbers:
            return None
        try:
            with SegmentReader(folder, numbers[0]) as segment:
                return segment.header.first_n
        except IntegrityError:
            if segment_path(folder, numbers[0]).exists():
                raise
            # It was given up while we looked: the next one is the first now.


def _counts(slots: Iterable[tuple[str, str, int]]) -> tuple[Count, ...]:
    """Add up records and data keys by class and month."""
    records: Counter[tuple[str, str]] = Counter()
    keys: Counter[tuple[str, str]] = Counter()
    for klass, month, count in slots:
        records[klass, month] += count
        keys[klass, month] += 1
    return tuple(Count(*slot, records[slot], keys[slot]) for slot in sorted(keys))


def _of_doomed(doomed: Doomed) -> tuple[str, str, int]:
    return doomed.slot.klass, doomed.slot.month, doomed.record_keys


def _refuse_others(named: Collection[str], references: Mapping[str, References]) -> None:
    others = sorted({rid for found in references.values() for rid in found.containing} - set(named))
    if others:
        raise UsageError(
            f"{len(others)} later records repeat words of what would be erased: {', '.join(others)}.",
            hint="Erase them as well: leave --only away, or name them with --record.",
        )
