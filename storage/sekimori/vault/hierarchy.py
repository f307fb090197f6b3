"""The key hierarchy: record key under data key under epoch secret under key-encryption key.

::

    KEK (provider, outside the data folder)      one an epoch; destroying it makes old copies worthless
     └─ epoch secret (row, wrapped by the KEK)   one an epoch
         └─ data key (row)                       one a subject, class and month
             └─ record key (row)                 one a record, drawn by the gate
                 └─ content, commitments

Only wrapped keys lie in rows. What is asked here is looked up in the rows each time, so that a row that
was deleted is gone for every process at once; the caches hold opened keys, never the fact that a row
exists. ``rotation`` changes epochs and erases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.vault.aead import Random
from sekimori.vault.datakey import KEY_BYTES, DataKey, Epoch, epoch_of
from sekimori.vault.kek import SECRET_BYTES, KekProvider
from sekimori.vault.lru import Lru
from sekimori.vault.slots import DATA_KEY_ID_BYTES, DataKeyRow, EpochRow, KeyRows, RecordKeyRow, Slot

_AT_ONCE = 500

Admit = Callable[[Sequence[Slot]], Mapping[Slot, Slot]]
"""Says which slots that have no key yet get none of their own, and whose key they get."""

CACHED_KEYS = 4096
"""Opened data keys a process holds; about a kilobyte each."""


class KeyCache:
    """The opened keys of one process; hierarchies on several connections and threads may share it."""

    def __init__(self, size: int = CACHED_KEYS) -> None:
        self.epochs: Lru[EpochRow, Epoch] = Lru(2)
        self.opened: Lru[DataKeyRow, DataKey] = Lru(size)
        self.tags: Lru[tuple[int, Slot], bytes] = Lru(size)
        self._newest = 0

    def see(self, epoch: int) -> None:
        """Forget every opened key when the rows tell of a newer epoch: elsewhere something was erased."""
        if epoch > self._newest:
            if self._newest:
                self.clear()
            self._newest = epoch

    def clear(self) -> None:
        """Forget every opened key."""
        self.epochs.clear()
        self.opened.clear()
        self.tags.clear()


class KeyHierarchy:
    """Wraps and unwraps record keys on one connection; not for several threads at once."""

    def __init__(
        self,
        rows: KeyRows,
        kek: KekProvider,
        *,
        random: Random = os.urandom,
        cached: int = CACHED_KEYS,
        cache: KeyCache | None = None,
    ) -> None:
        self.rows = rows
        self.kek = kek
        self.random = random
        self._cache = cache or KeyCache(cached)
        self.damaged: dict[bytes, str] = {}
        """The data keys that did not open when all were last gone through, and why."""

    # --- epochs ----------------------------------------------------------------------------------

    def found(self) -> None:
        """Start the first epoch of an installation; nothing happens where there is one already."""
        with self.rows.transaction():
            if self.rows.epochs():
                return
            living = self.kek.epochs()
            if living:
                raise KeyAccessError(
                    f"The {self.kek.name} provider holds epoch {living[-1]}, the database holds none.",
                    hint="Restore the database, or give this installation a key folder of its own.",
                )
            row, _ = self.new_epoch(1)
            self.rows.put_epoch(row)

    def new_epoch(self, number: int, kek: KekProvider | None = None) -> tuple[EpochRow, Epoch]:
        """Make a key-encryption key and a secret under it; the caller stores the row."""
        provider = kek or self.kek
        provider.create(number)
        secret = self.random(SECRET_BYTES)
        row = EpochRow(number, provider.name, provider.wrap(number, secret))
        return row, epoch_of(row, secret)

    def current(self) -> EpochRow:
        """Return the epoch that new data keys are sealed under."""
        rows = self.rows.epochs()
        if not rows:
            raise KeyAccessError("The database holds no key epoch.", hint="Has it been set up?")
        self._cache.see(rows[-1].epoch)
        return rows[-1]

    def epoch(self, row: EpochRow) -> Epoch:
        """Return an epoch ready for use; raises KeyAccessError where its key is gone or elsewhere."""
        known = self._cache.epochs.get(row)
        if known is not None:
            return known
        if row.provider != self.kek.name:
            raise KeyAccessError(
                f"Key epoch {row.epoch} is kept by the {row.provider} provider, not by {self.kek.name}.",
                hint="Configure the provider that was used, then rotate to the other.",
            )
        if row.epoch not in self.kek.epochs():
            raise KeyAccessError(
                f"The key of epoch {row.epoch} was destroyed or is not here.",
                hint="After a restored backup: sekimori keys reinstate. Where several machines share the database,"
                " they must share the keeper too: one [keys] folder, pkcs11 or transit (docs/operating.md).",
            )
        opened = epoch_of(row, self.kek.unwrap(row.epoch, row.wrapped))
        self._cache.epochs.put(row, opened)
        return opened

    def forget(self) -> None:
        """Drop every opened key; called when keys were destroyed."""
        self._cache.clear()

    # --- data keys -------------------------------------------------------------------------------

    def data_keys(self, slots: Collection[Slot], admit: Admit | None = None) -> dict[Slot, DataKey]:
        """Return the data key of each slot, a new one where there is none yet: two look-ups a batch.

        ``admit`` is asked about those that have none; what it names gets the key of another slot. Asked inside
        the transaction that stores what is wrapped: a rotation elsewhere may replace a key.
        """
        epoch = self.epoch(self.current())
        wanted = {self._tag(epoch, slot): slot for slot in slots}
        keys = {wanted[row.tag]: self.open(row) for row in self.rows.data_keys_tagged(list(wanted))}
        new = [slot for slot in wanted.values() if slot not in keys]
        shared = admit(new) if admit is not None and new else {}
        fresh = [self._draw(slot) for slot in new if slot not in shared]
        rows = [epoch.seal(key, self.random) for key in fresh]
        if rows:
            self.rows.put_data_keys(rows)
        for row, key in zip(rows, fresh, strict=True):
            self._cache.opened.put(row, key)
            keys[key.slot] = key
        if shared:
            theirs = self.data_keys(set(shared.values()))
            keys |= {slot: theirs[other] for slot, other in shared.items()}
        return keys

    def data_key(self, slot: Slot) -> DataKey:
        """Return the data key of one slot, a new one where there is none yet."""
        return self.data_keys([slot])[slot]

    def find_data_key(self, id_: bytes) -> DataKey | None:
        """Return a data key by its id, None where it was erased."""
        for row in self.rows.data_keys_of([id_]):
            return self.open(row)
        return None

    def open(self, row: DataKeyRow) -> DataKey:
        """Return the data key of a row; raises IntegrityError if it doesn't open."""
        known = self._cache.opened.get(row)  # the whole row is the name: one that was altered is opened anew
        if known is not None:
            return known
        epochs = self.rows.epochs()
        if epochs:
            self._cache.see(epochs[-1].epoch)
        key = self._epoch_of(row, epochs).open(row)
        self._cache.opened.put(row, key)
        return key

    def each_data_key(self) -> Iterator[Sequence[tuple[DataKeyRow, DataKey]]]:
        """Yield all data keys, some at a time and past the cache: nobody's work needs them all again.

        One that doesn't open is left out and named in ``damaged``: an altered row must not hold up the rest.
        """
        epochs = self.rows.epochs()
        self.damaged = {}
        after = b""
        while rows := self.rows.data_keys_after(after, _AT_ONCE):
            yield [(row, key) for row in rows if (key := self._undamaged(row, epochs)) is not None]
            after = rows[-1].id

    # --- record keys -----------------------------------------------------------------------------

    def wrap(self, data_key: DataKey, rid: str, record_key: bytes, part: str = "") -> RecordKeyRow:
        """Return the row that keeps a record key; the caller stores it with the record."""
        return data_key.wrap(rid, part, record_key, self.random)

    def record_keys(self, rids: Collection[str]) -> dict[tuple[str, str], bytes]:
        """Return what is left of these records' keys by (rid, part): two look-ups a batch."""
        rows = self.rows.record_keys_of(rids)
        ids = {row.data_key for row in rows}
        keys = {row.id: self.open(row) for row in self.rows.data_keys_of(ids)} if ids else {}
        return {(row.rid, row.part): keys[row.data_key].unwrap(row) for row in rows if row.data_key in keys}

    def record_key(self, rid: str, part: str = "") -> bytes | None:
        """Return a record's key, None where it was erased."""
        return self.record_keys([rid]).get((rid, part))

    def _draw(self, slot: Slot) -> DataKey:
        return DataKey(self.random(DATA_KEY_ID_BYTES), slot, self.random(KEY_BYTES))

    def _undamaged(self, row: DataKeyRow, epochs: Sequence[EpochRow]) -> DataKey | None:
        try:
            return self._epoch_of(row, epochs).open(row)
        except IntegrityError as error:
            self.damaged[row.id] = error.message
            return None

    def _epoch_of(self, row: DataKeyRow, epochs: Sequence[EpochRow]) -> Epoch:
        for epoch in epochs:
            if epoch.epoch == row.epoch:
                return self.epoch(epoch)
        raise IntegrityError(f"Data key {row.id.hex()} names key epoch {row.epoch}, which is gone.")

    def _tag(self, epoch: Epoch, slot: Slot) -> bytes:
        known = self._cache.tags.get((epoch.number, slot))
        if known is None:
            known = epoch.tag(slot)
            self._cache.tags.put((epoch.number, slot), known)
        return known
