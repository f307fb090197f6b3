"""The record keys of one batch: those that lie wrapped in the rows, and those that came with its entries.

A record key is drawn by the gate and comes with each entry of its exchange. The first entry that is stored
has it wrapped under the data key of its user, class and month. From then on the row is what counts: where
an erasure took it away, what still arrives of that exchange is sealed under a key that is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from sekimori.ledger.mac import KEY_BYTES
from sekimori.store.keyrows import SqlKeyRows
from sekimori.vault.datakey import DataKey
from sekimori.vault.derive import derive
from sekimori.vault.hierarchy import Admit, KeyHierarchy
from sekimori.vault.records import RecordCipher
from sekimori.vault.slots import RecordKeyRow, Slot, is_shared


@dataclass(slots=True)
class HeldKey:
    """One record's key in use; without a data key it is one that nobody will ever have again."""

    key: bytes
    cipher: RecordCipher
    data_key: DataKey | None = None

    @property
    def address_key(self) -> bytes:
        """What its text is addressed with; its own alone where people share the data key.

        Else texts would hang together that belong to nobody in common.
        """
        if self.data_key is None:
            raise ValueError("a record that was erased keeps no text")
        if is_shared(self.data_key.slot.subject):
            return derive(self.key, b"addr")
        return self.data_key.address_key

    @property
    def is_lost(self) -> bool:
        """Tell whether what is sealed here can never be opened: the record was erased."""
        return self.data_key is None


class RecordKeys:
    """Finds, wraps and hands out the keys of one batch's records."""

    def __init__(
        self,
        connection: Connection,
        hierarchy: KeyHierarchy,
        rids: Iterable[str],
        admit: Admit | None = None,
    ) -> None:
        self._admit = admit
        self._rows = SqlKeyRows(connection)
        self._hierarchy = hierarchy
        self._held: dict[str, HeldKey] = {}
        self.orphans: set[str] = set()
        """Records whose keys lie under a data key that is gone: an erasure takes both, so somebody else did."""
        rows = [row for row in hierarchy.rows.record_keys_of(list(rids)) if not row.part]
        ids = {row.data_key for row in rows}
        opened = {row.id: hierarchy.open(row) for row in hierarchy.rows.data_keys_of(ids)} if ids else {}
        for row in rows:
            data_key = opened.get(row.data_key)
            if data_key is None:
                self.orphans.add(row.rid)
            else:
                self._hold(row.rid, data_key.unwrap(row), data_key)

    def __contains__(self, rid: str) -> bool:
        return rid in self._held

    def __getitem__(self, rid: str) -> HeldKey:
        return self._held[rid]

    def get(self, rid: str) -> HeldKey | None:
        """Return the key of a record, None for one that has none yet."""
        return self._held.get(rid)

    def lose(self, rid: str) -> None:
        """Take a key for a record that was erased, and keep it nowhere."""
        self._hold(rid, self._hierarchy.random(KEY_BYTES), None)

    def keep(self, slots: Mapping[str, Slot], given: Mapping[str, bytes]) -> None:
        """Wrap and store the keys of records that are new; one that brought none (an older gate) gets one."""
        data_keys = self._hierarchy.data_keys(set(slots.values()), self._admit) if slots else {}
        rows: list[RecordKeyRow] = []
        for rid, slot in slots.items():
            key = given.get(rid) or self._hierarchy.random(KEY_BYTES)
            data_key = data_keys[slot]
            rows.append(self._hierarchy.wrap(data_key, rid, key))
            self._hold(rid, key, data_key)
        self._rows.add_record_keys(rows)

    def _hold(self, rid: str, key: bytes, data_key: DataKey | None) -> None:
        self._held[rid] = HeldKey(key, RecordCipher(key, random=self._hierarchy.random), data_key)
