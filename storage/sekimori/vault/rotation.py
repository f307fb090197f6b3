"""Epochs change here, and keys die here. Ciphertext, leaves and proofs are never touched.

A rotation makes a new key-encryption key, wraps every living data key anew in one transaction, leaves a
copy of the living beside the key-encryption keys, and destroys the old one. An erasure is a rotation that
leaves keys behind: from then on no copy of the rows, however old, opens what was erased.

Whoever writes in the database may have it pass over any change (a trigger does), so nothing is believed to have
been written: before the commit, and again before a key is destroyed, what should live is read back and opened,
and what should be gone is looked for.

To erase one record alone its data key is replaced under the same id and the record keys of its neighbours
are wrapped anew: the old data key would still open the record's row in a backup.

Order, and what a crash leaves: the new key is made (unused, destroyed by a later rotation); the rows change
(together or not at all); the living are written and the old key is destroyed (``settle`` does it at the
next start). A key of a *later* epoch than the database knows is never destroyed: then the database was
restored, and ``reinstate`` is what helps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import batched, chain, groupby

from sekimori.errors import IntegrityError, KeyAccessError, StateError
from sekimori.vault.datakey import KEY_BYTES, DataKey, Epoch
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.kek import KekProvider
from sekimori.vault.living import KeyRow, LivingKeys
from sekimori.vault.slots import DataKeyRow, EpochRow, GoneRow, RecordKeyRow, Slot
from sekimori.vault.tally import Tally

_AT_ONCE = 500

Rekeyed = Callable[[DataKey | None, DataKey, Mapping[tuple[str, str], bytes]], None]
"""Told, inside the transaction, that a data key was replaced by another: addresses and tags change too.

Called with some of the living record keys by (rid, part) at a time, until each was there once. The old one is
None where nobody can open it any more: that of a restored database.
"""

Gone = Callable[[], Iterable[GoneRow]]
"""Says what orders have destroyed so far, in rows of a bounded size; one at least."""

Unaccounted = Callable[[Collection[str]], None]
"""Told, inside the transaction, which records lost a key that is neither living nor was destroyed by order."""

Said = Callable[[int, int, int], None]
"""Told, inside the transaction, the old epoch, the new one and how many data keys live."""


class UnsettledError(StateError):
    """Data keys lie under an epoch that is over, so that its key can't be destroyed unseen."""


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

    def __init__(
        self,
        keys: KeyHierarchy,
        living: LivingKeys,
        *,
        rekeyed: Rekeyed | None = None,
        gone: Gone | None = None,
    ) -> None:
        self._keys = keys
        self._rows = keys.rows
        self._living = living
        self._rekeyed = rekeyed
        self._gone = gone

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

        ``others`` are providers that this installation used before. Raises UnsettledError while data keys
        still lie under such an epoch: no rotation that was committed leaves any that could be opened.
        """
        current = self._keys.current()
        epoch = self._keys.epoch(current)
        providers = (self._keys.kek, *others)
        over = {number for kek in providers for number in kek.epochs() if number < current.epoch}
        if not over:
            return
        left = sum(1 for some in self._data_batches() for row in some if row.epoch in over)
        if left:
            raise UnsettledError(
                f"{left} data keys lie under a key epoch that is over; its key was not destroyed.",
                hint="Find out with sekimori verify who altered them; sekimori keys rotate destroys it.",
            )
        self._finish(current, epoch, providers)

    def reinstate(self, unaccounted: Unaccounted | None = None) -> int:
        """Give a database from before the last rotation the living keys; return how many data keys live.

        Rows of an older epoch that are not among the living are dropped: they open nothing any more. Those
        that no order destroyed were lost by other means; which records that took is what ``unaccounted`` is
        told. Where that is so of all of them, nothing is changed.
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
            lost, given = self._take(epoch)
            over = {known.epoch for known in rows.epochs()}
            for number in over:
                rows.drop_data_keys_under(number)
                rows.drop_epoch(number)
            rows.put_epoch(row)
            self._expect_epoch(row)
            _refuse([key.id.hex() for some in self._data_batches() for key in some if key.epoch in over])
            given.expect(self._standing(epoch, given.replaced))
            if unaccounted is not None:
                unaccounted(lost)
        keys.forget()
        return given.living

    # --- the steps of a rotation -----------------------------------------------------------------

    def _turn(self, plan: Plan, to: KekProvider, said: Said | None) -> Shredded:
        keys, rows, before = self._keys, self._rows, self._keys.kek
        old = keys.current()
        keys.epoch(old)  # if the old key isn't here, fail before anything is made
        number = max([old.epoch, *before.epochs(), *to.epochs()]) + 1
        row, epoch = keys.new_epoch(number, to)
        with rows.transaction():
            try:
                living = self._turn_rows(plan, epoch)
                damaged = tuple(sorted(keys.damaged))
                for known in rows.epochs():
                    rows.drop_epoch(known.epoch)
                rows.put_epoch(row)
                if said is not None:
                    said(old.epoch, number, living.living)
                self._expect_epoch(row)
                self._expect_gone(plan)
                living.expect(self._standing(epoch, living.replaced))
            except IntegrityError:
                # Nothing was committed under it; whoever saw its row must not make an epoch of it later.
                with suppress(KeyAccessError):
                    to.destroy(number)
                raise
        keys.kek = to
        keys.forget()
        self._finish(row, epoch, (before, to), living)
        doomed = tuple(key.id for key in plan.data_keys)
        records = tuple(sorted(_single(plan)))
        return Shredded(doomed, records, old.epoch, number, living.living, damaged)

    def _turn_rows(self, plan: Plan, epoch: Epoch) -> Tally:
        """Drop the erased, wrap the living under the new epoch, and return what lives."""
        self._rows.drop_data_keys([doomed.id for doomed in plan.data_keys])
        self._expect_gone(plan, singles=False)  # before anything is wrapped: what is doomed never is
        living = Tally(plan.records)
        for some in self._keys.each_data_key():
            turned = [self._turned(key, plan, living) for _, key in some]
            self._rows.put_data_keys([epoch.seal(key, self._keys.random) for key in turned])
            for key in turned:
                living.data_key(key)
        if self._keys.damaged and not living.living and not plan.data_keys:
            raise IntegrityError(
                "Not one data key opens; nothing was changed.",
                hint="Restore the tables data_key and key_epoch from a backup of this key epoch.",
            )
        self._rows.drop_record_keys(_single(plan))
        return living

    def _turned(self, key: DataKey, plan: Plan, living: Tally) -> DataKey:
        """Return the key itself, or its successor where records under it are erased."""
        erased = plan.records.get(key.id)
        if erased is None:
            return key
        random = self._keys.random
        fresh = DataKey(key.id, key.slot, random(KEY_BYTES), key.generation + 1)
        for some in self._record_batches(key.id):
            kept = {(row.rid, row.part): key.unwrap(row) for row in some if row.rid not in erased}
            for (rid, part), record_key in kept.items():
                living.record_key(rid, part, record_key)
            rows = [fresh.wrap(rid, part, record_key, random) for (rid, part), record_key in kept.items()]
            self._rows.put_record_keys(rows)
            if self._rekeyed is not None:
                self._rekeyed(key, fresh, kept)
        return fresh

    def _finish(
        self,
        row: EpochRow,
        epoch: Epoch,
        providers: Collection[KekProvider],
        living: Tally | None = None,
    ) -> None:
        # Asking for the epoch holds off whoever else rotates. Who did so meanwhile writes the living: what is
        # written here would name an epoch whose key is destroyed.
        current = self._keys.current()
        if current.epoch > row.epoch:
            self._keys.epoch(current)  # a row that somebody made up stands for no rotation
        elif current != row:
            raise _other_epoch(row)
        else:
            self._living.write(epoch, chain([row], self._checked(epoch, living), self._gone_rows()))
        for kek in providers:
            for number in kek.epochs():
                if number < row.epoch:
                    kek.destroy(number)

    def _expect_epoch(self, row: EpochRow) -> None:
        """Refuse to go on where the rows tell of any other epoch."""
        if self._rows.epochs() != [row]:
            raise _other_epoch(row)

    def _expect_gone(self, plan: Plan, *, singles: bool = True) -> None:
        """Refuse to go on where anything is left that was deleted."""
        doomed = [key.id for key in plan.data_keys]
        left = [row.id.hex() for row in self._rows.data_keys_of(doomed)]
        left += [id_.hex() for id_ in doomed if self._rows.record_keys_under(id_, ("", ""), 1)]
        if singles:
            left += [row.rid for row in self._rows.record_keys_of(_single(plan))]
        _refuse(left)

    def _standing(self, epoch: Epoch, replaced: Collection[bytes]) -> Tally:
        """Read back what lives under an epoch."""
        found = Tally(replaced)
        for _ in self._living_rows(epoch, found):
            pass
        return found

    def _checked(self, epoch: Epoch, living: Tally | None) -> Iterator[KeyRow]:
        """Yield the living, and refuse to end where any is not there that a rotation left."""
        found = Tally(() if living is None else living.replaced)
        yield from self._living_rows(epoch, found)
        if living is not None:
            living.expect(found, more=True)

    def _living_rows(self, epoch: Epoch, found: Tally) -> Iterator[KeyRow]:
        """Yield what opens under an epoch, and count it; what doesn't is nobody's any more."""
        replaced = []
        for some in self._data_batches():
            for row in some:
                key = _opened(epoch, row)
                if key is None:
                    continue
                found.data_key(key)
                yield row
                if key.generation:
                    replaced.append(key)
        # Only where the data key was replaced does an older copy of the record keys no longer fit.
        for key in replaced:
            for records in self._record_batches(key.id):
                if key.id in found.replaced:
                    for (rid, part), record_key in _unwrapped(key, records).items():
                        found.record_key(rid, part, record_key)
                yield from records

    def _gone_rows(self) -> Iterable[KeyRow]:
        return () if self._gone is None else self._gone()

    def _take(self, epoch: Epoch) -> tuple[set[str], Tally]:
        """Put the living in; return the records that nobody accounts for, and what lives."""
        listed, lost, erased = self._lost(epoch)
        given, replaced = Tally(), dict[bytes, DataKey]()
        for some in batched(self._living.read(epoch), _AT_ONCE):
            data_keys = [row for row in some if isinstance(row, DataKeyRow)]
            for row in data_keys:
                key = epoch.open(row)
                given.data_key(key)
                if key.generation:
                    replaced[key.id] = key
                    given.replaced.add(key.id)
                    lost |= self._records_under(key.id)
                    self._rows.drop_record_keys_under(key.id)
                    _refuse([left.rid for left in self._rows.record_keys_under(key.id, ("", ""), 1)])
            self._rows.put_data_keys(data_keys)
            record_keys = [row for row in some if isinstance(row, RecordKeyRow)]
            lost.difference_update(row.rid for row in record_keys)
            self._take_records(record_keys, replaced, given)
        # Of what an older release left nobody knows what was erased: there all of it was.
        return (lost - erased if listed else set()), given

    def _take_records(
        self, rows: Sequence[RecordKeyRow], replaced: Mapping[bytes, DataKey], given: Tally
    ) -> None:
        self._rows.put_record_keys(rows)
        for id_, some in groupby(rows, lambda row: row.data_key):
            key = replaced[id_]
            kept = _unwrapped(key, some)
            for (rid, part), record_key in kept.items():
                given.record_key(rid, part, record_key)
            if self._rekeyed is not None:
                self._rekeyed(None, key, kept)

    def _lost(self, epoch: Epoch) -> tuple[bool, set[str], set[str]]:
        """Say whether the file names what is gone, whose data keys it doesn't know, and which it says were erased."""
        listed, records, living, gone = False, set[str](), set[bytes](), set[bytes]()
        for row in self._living.read(epoch):
            if isinstance(row, DataKeyRow):
                living.add(row.id)
            elif isinstance(row, GoneRow):
                listed = True
                gone.update(row.data_keys)
                records.update(row.records)
        unknown = {row.id for some in self._data_batches() for row in some} - living - gone
        if unknown and not living:
            raise IntegrityError(
                f"The living keys are none, and no erasure accounts for {len(unknown)} data keys of this"
                " database; nothing was changed.",
                hint="They were lost by other means. Restore the key folder from its newest copy that has them.",
            )
        return listed, {rid for id_ in unknown for rid in self._records_under(id_)}, records

    # --- all rows, a bounded number at a time ----------------------------------------------------

    def _data_batches(self) -> Iterator[Sequence[DataKeyRow]]:
        after = b""
        while some := self._rows.data_keys_after(after, _AT_ONCE):
            yield some
            after = some[-1].id

    def _records_under(self, data_key: bytes) -> set[str]:
        return {row.rid for some in self._record_batches(data_key) for row in some}

    def _record_batches(self, data_key: bytes) -> Iterator[Sequence[RecordKeyRow]]:
        after = ("", "")
        while some := self._rows.record_keys_under(data_key, after, _AT_ONCE):
            yield some
            after = (some[-1].rid, some[-1].part)


def _refuse(left: Sequence[str]) -> None:
    if left:
        raise IntegrityError(
            f"The database keeps keys that were to be erased ({left[0]}): nothing was erased.",
            hint="Look for triggers and rules that somebody put on data_key and record_key.",
        )


def _other_epoch(row: EpochRow) -> IntegrityError:
    return IntegrityError(
        f"The database does not keep the row of key epoch {row.epoch}, and it alone. No key was destroyed.",
        hint="Look for triggers and rules that somebody put on key_epoch.",
    )


def _single(plan: Plan) -> set[str]:
    return {rid for some in plan.records.values() for rid in some}


def _opened(epoch: Epoch, row: DataKeyRow) -> DataKey | None:
    try:
        return epoch.open(row) if row.epoch == epoch.number else None
    except IntegrityError:
        return None


def _unwrapped(key: DataKey, rows: Iterable[RecordKeyRow]) -> dict[tuple[str, str], bytes]:
    """Return the record keys that open: one that was altered must not hold up the others."""
    found = {}
    for row in rows:
        with suppress(IntegrityError):
            found[row.rid, row.part] = key.unwrap(row)
    return found
