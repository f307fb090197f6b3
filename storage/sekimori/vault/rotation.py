"""Epochs change here, and keys die here. Ciphertext, leaves and proofs are never touched.

A rotation makes a new key-encryption key, wraps every living data key anew in one transaction, leaves a
copy of the living beside the key-encryption keys, and destroys the old one. An erasure is a rotation that
leaves keys behind: from then on no copy of the rows, however old, opens what was erased.

To erase one record alone its data key is replaced under the same id and the record keys of its neighbours
are wrapped anew: the old data key would still open the record's row in a backup.

Order, and what a crash leaves: the new key is made (unused, destroyed by a later rotation); the rows change
(together or not at all); the living are written and the old key is destroyed (``settle`` does it at the
next start). A key of a *later* epoch than the database knows is never destroyed: then the database was
restored, and ``reinstate`` is what helps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched, groupby

from sekimori.errors import KeyAccessError
from sekimori.vault.datakey import KEY_BYTES, DataKey, Epoch
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.kek import KekProvider
from sekimori.vault.living import KeyRow, LivingKeys
from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow, Slot

_AT_ONCE = 500

Rekeyed = Callable[[DataKey, DataKey, Mapping[tuple[str, str], bytes]], None]
"""Told, inside the transaction, that a data key was replaced by another: addresses and tags change too.

Called with some of the living record keys by (rid, part) at a time, until each was there once.
"""

Said = Callable[[int, int, int], None]
"""Told, inside the transaction, the old epoch, the new one and how many data keys live."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to be erased: any of a person, everything before a month, single records."""

    subject: str | None = None
    before: str | None = None
    classes: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()

    def covers(self, slot: Slot) -> bool:
        """Tell whether a whole slot falls under it; classes narrow a month or a person down."""
        if self.classes and slot.klass not in self.classes:
            return False
        if self.subject is None and self.before is None:
            return False
        return (self.subject is None or slot.subject == self.subject) and (
            self.before is None or slot.month < self.before
        )


@dataclass(frozen=True, slots=True)
class Doomed:
    """A data key that an erasure destroys, and how many record keys go with it."""

    id: bytes
    slot: Slot = field(repr=False)
    record_keys: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would do; ``held`` is what a legal hold keeps, by id and by record."""

    data_keys: tuple[Doomed, ...] = ()
    records: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    held_data_keys: tuple[bytes, ...] = ()
    held_records: tuple[str, ...] = ()
    unknown_records: tuple[str, ...] = ()
    damaged: tuple[bytes, ...] = ()
    """Data keys that don't open: whose they are can't be told, and nothing under them can be read."""


@dataclass(frozen=True, slots=True)
class Shredded:
    """What was done, for the leaf that says so."""

    data_keys: tuple[bytes, ...]
    records: tuple[str, ...]
    old_epoch: int
    new_epoch: int
    living: int
    damaged: tuple[bytes, ...] = ()


class Rotation:
    """Plans and carries out erasures, and moves to new epochs."""

    def __init__(self, keys: KeyHierarchy, living: LivingKeys, *, rekeyed: Rekeyed | None = None) -> None:
        self._keys = keys
        self._rows = keys.rows
        self._living = living
        self._rekeyed = rekeyed

    @property
    def keys(self) -> KeyHierarchy:
        """The keys that are turned."""
        return self._keys

    def plan(
        self,
        erasure: Erasure,
        *,
        held_data_keys: Collection[bytes] = (),
        held_records: Collection[str] = (),
    ) -> Plan:
        """Say what an erasure would destroy; changes nothing.

        A held record keeps its whole data key: who wants the rest of it gone names the records.
        """
        held = set(held_data_keys) | {row.data_key for row in self._rows.record_keys_of(held_records)}
        covered = [
            Doomed(row.id, key.slot, self._rows.count_record_keys(row.id))
            for some in self._keys.each_data_key()
            for row, key in some
            if erasure.covers(key.slot)
        ]
        rows = self._rows.record_keys_of(erasure.records)
        whole = {doomed.id for doomed in covered if doomed.id not in held}
        kept = {row.rid for row in rows if row.rid in held_records or row.data_key in held_data_keys}
        single = sorted(
            (row.data_key, row.rid) for row in rows if row.rid not in kept and row.data_key not in whole
        )
        return Plan(
            data_keys=tuple(doomed for doomed in covered if doomed.id not in held),
            records={
                id_: frozenset(rid for _, rid in some) for id_, some in groupby(single, lambda pair: pair[0])
            },
            held_data_keys=tuple(doomed.id for doomed in covered if doomed.id in held),
            held_records=tuple(sorted(kept)),
            unknown_records=tuple(sorted(erasure.records - {row.rid for row in rows})),
            damaged=tuple(sorted(self._keys.damaged)),
        )

    def shred(self, plan: Plan, *, together: Callable[[], None] | None = None) -> Shredded:
        """Destroy what a plan names: its rows now, every copy of them with the old epoch's key.

        ``together`` does what belongs into the same transaction: ciphertext, index, the erasure's leaf.
        Never called inside a transaction of the caller's: a key can't be brought back by a rollback.
        """
        said: Said | None = None if together is None else lambda *_: together()
        return self._turn(plan, self._keys.kek, said)

    def rotate(self, to: KekProvider | None = None, *, said: Said | None = None) -> Shredded:
        """Start a new epoch without erasing anything, under another provider where one is given."""
        return self._turn(Plan(), to or self._keys.kek, said)

    def settle(self, *others: KekProvider) -> None:
        """Finish what a crash interrupted: write the living, destroy the keys of epochs that are over.

        ``others`` are providers that this installation used before.
        """
        current = self._keys.current()
        epoch = self._keys.epoch(current)
        if any(number < current.epoch for kek in (self._keys.kek, *others) for number in kek.epochs()):
            self._finish(current, epoch, (self._keys.kek, *others))

    def reinstate(self) -> int:
        """Give a database from before the last rotation the living keys; return how many data keys live.

        Rows of an older epoch that are not among the living were erased since, and are dropped.
        """
        rows, keys = self._rows, self._keys
        with rows.transaction():
            row = self._living.epoch()
            if row.epoch <= max((known.epoch for known in rows.epochs()), default=0):
                raise KeyAccessError(
                    "The database is not older than the living keys; nothing was changed.",
                    hint="Nothing is to be reinstated: start as usual, and look with sekimori verify.",
                )
            epoch = keys.epoch(row)
            living = self._take(epoch)
            for known in rows.epochs():
                rows.drop_data_keys_under(known.epoch)
                rows.drop_epoch(known.epoch)
            rows.put_epoch(row)
        keys.forget()
        return living

    # --- the steps of a rotation -----------------------------------------------------------------

    def _turn(self, plan: Plan, to: KekProvider, said: Said | None) -> Shredded:
        keys, rows, before = self._keys, self._rows, self._keys.kek
        old = keys.current()
        keys.epoch(old)  # if the old key isn't here, fail before anything is made
        number = max([old.epoch, *before.epochs(), *to.epochs()]) + 1
        row, epoch = keys.new_epoch(number, to)
        with rows.transaction():
            living = self._turn_rows(plan, epoch)
            damaged = tuple(sorted(keys.damaged))
            rows.put_epoch(row)
            rows.drop_epoch(old.epoch)
            if said is not None:
                said(old.epoch, number, living)
        keys.kek = to
        keys.forget()
        self._finish(row, epoch, (before, to))
        doomed = tuple(key.id for key in plan.data_keys)
        records = tuple(sorted({rid for some in plan.records.values() for rid in some}))
        return Shredded(doomed, records, old.epoch, number, living, damaged)

    def _turn_rows(self, plan: Plan, epoch: Epoch) -> int:
        """Drop the erased, wrap the living under the new epoch, and say how many data keys live."""
        self._rows.drop_data_keys([doomed.id for doomed in plan.data_keys])
        living = 0
        for some in self._keys.each_data_key():
            turned = [self._turned(key, plan) for _, key in some]
            self._rows.put_data_keys([epoch.seal(key, self._keys.random) for key in turned])
            living += len(turned)
        self._rows.drop_record_keys({rid for some in plan.records.values() for rid in some})
        return living

    def _turned(self, key: DataKey, plan: Plan) -> DataKey:
        """Return the key itself, or its successor where records under it are erased."""
        erased = plan.records.get(key.id)
        if erased is None:
            return key
        random = self._keys.random
        fresh = DataKey(key.id, key.slot, random(KEY_BYTES), key.generation + 1)
        for some in self._record_batches(key.id):
            kept = {(row.rid, row.part): key.unwrap(row) for row in some if row.rid not in erased}
            rows = [fresh.wrap(rid, part, record_key, random) for (rid, part), record_key in kept.items()]
            self._rows.put_record_keys(rows)
            if self._rekeyed is not None:
                self._rekeyed(key, fresh, kept)
        return fresh

    def _finish(self, row: EpochRow, epoch: Epoch, providers: Collection[KekProvider]) -> None:
        # Asking for the epoch holds off whoever else rotates. Who did so meanwhile writes the living: what is
        # written here would name an epoch whose key is destroyed.
        if self._keys.current().epoch == row.epoch:
            self._living.write(epoch, self._living_rows(row))
        for kek in providers:
            for number in kek.epochs():
                if number < row.epoch:
                    kek.destroy(number)

    def _living_rows(self, row: EpochRow) -> Iterator[KeyRow]:
        replaced = []
        yield row
        for some in self._keys.each_data_key():
            yield from (wrapped for wrapped, _ in some)
            replaced += [key.id for _, key in some if key.generation]
        # Only where the data key was replaced does an older copy of the record keys no longer fit.
        for id_ in replaced:
            for records in self._record_batches(id_):
                yield from records

    def _take(self, epoch: Epoch) -> int:
        living = 0
        for some in batched(self._living.read(epoch), _AT_ONCE):
            data_keys = [row for row in some if isinstance(row, DataKeyRow)]
            for row in data_keys:
                if epoch.open(row).generation:
                    self._rows.drop_record_keys_under(row.id)
            self._rows.put_data_keys(data_keys)
            self._rows.put_record_keys([row for row in some if isinstance(row, RecordKeyRow)])
            living += len(data_keys)
        return living

    # --- all rows, a bounded number at a time ----------------------------------------------------

    def _record_batches(self, data_key: bytes) -> Iterator[Sequence[RecordKeyRow]]:
        after = ("", "")
        while some := self._rows.record_keys_under(data_key, after, _AT_ONCE):
            yield some
            after = (some[-1].rid, some[-1].part)
