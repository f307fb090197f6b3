"""Key rows in memory: transactions that really roll back, and copies that stand for a backup."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow


class MemoryKeyRows:
    """What the store does with tables, done with dictionaries."""

    def __init__(self) -> None:
        self.epoch_rows: dict[int, EpochRow] = {}
        self.data_rows: dict[bytes, DataKeyRow] = {}
        self.record_rows: dict[tuple[str, str], RecordKeyRow] = {}
        self.fail_at_commit = False

    def backup(self) -> MemoryKeyRows:
        """Return what a backup taken now would hold."""
        return copy.deepcopy(self)

    def everything(self) -> bytes:
        """Return what a thief of the tables would read."""
        rows = [*self.epoch_rows.values(), *self.data_rows.values(), *self.record_rows.values()]
        fields = [field for row in rows for field in (getattr(row, name) for name in row.__struct_fields__)]
        return b"|".join(field if isinstance(field, bytes) else str(field).encode() for field in fields)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = (dict(self.epoch_rows), dict(self.data_rows), dict(self.record_rows))
        try:
            yield
            if self.fail_at_commit:
                raise OSError("the disk is full")
        except BaseException:
            self.epoch_rows, self.data_rows, self.record_rows = before
            raise

    def epochs(self) -> list[EpochRow]:
        return [self.epoch_rows[number] for number in sorted(self.epoch_rows)]

    def put_epoch(self, row: EpochRow) -> None:
        self.epoch_rows[row.epoch] = row

    def drop_epoch(self, epoch: int) -> None:
        del self.epoch_rows[epoch]

    def data_keys_of(self, ids: Collection[bytes]) -> Sequence[DataKeyRow]:
        return [self.data_rows[id_] for id_ in ids if id_ in self.data_rows]

    def data_keys_tagged(self, tags: Collection[bytes]) -> Sequence[DataKeyRow]:
        return [row for row in self.data_rows.values() if row.tag in tags]

    def data_keys_after(self, id_: bytes, limit: int) -> Sequence[DataKeyRow]:
        return [self.data_rows[key] for key in sorted(self.data_rows) if key > id_][:limit]

    def put_data_keys(self, rows: Sequence[DataKeyRow]) -> None:
        self.data_rows |= {row.id: row for row in rows}

    def drop_data_keys(self, ids: Collection[bytes]) -> None:
        for id_ in ids:
            self.data_rows.pop(id_, None)
            self.drop_record_keys_under(id_)

    def drop_data_keys_under(self, epoch: int) -> None:
        self.drop_data_keys([row.id for row in self.data_rows.values() if row.epoch == epoch])

    def record_keys_of(self, rids: Collection[str]) -> Sequence[RecordKeyRow]:
        return [row for row in self.record_rows.values() if row.rid in rids]

    def record_keys_under(
        self, data_key: bytes, after: tuple[str, str], limit: int
    ) -> Sequence[RecordKeyRow]:
        keys = sorted(key for key, row in self.record_rows.items() if row.data_key == data_key)
        return [self.record_rows[key] for key in keys if key > after][:limit]

    def count_record_keys(self, data_key: bytes) -> int:
        return sum(row.data_key == data_key for row in self.record_rows.values())

    def put_record_keys(self, rows: Sequence[RecordKeyRow]) -> None:
        self.record_rows |= {(row.rid, row.part): row for row in rows}

    def drop_record_keys_under(self, data_key: bytes) -> None:
        self.record_rows = {key: row for key, row in self.record_rows.items() if row.data_key != data_key}

    def drop_record_keys(self, rids: Collection[str]) -> None:
        self.record_rows = {key: row for key, row in self.record_rows.items() if row.rid not in rids}
