"""Wrapped keys in the tables ``key_epoch``, ``data_key`` and ``record_key``: the vault's ``KeyRows``.

Whoever stores what is wrapped under a key holds off rotations until it has committed, and a rotation holds
off everybody who stores: else a record could be sealed under a key that an erasure is just replacing. On
SQLite the write lock does it; on PostgreSQL an advisory lock, which those who store share: a lock on a table
would take the right to change that table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import batched
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, text, tuple_

from sekimori.store.bulk import insert_rows
from sekimori.store.engine import is_writing
from sekimori.store.tables import DATA_KEY, KEY_EPOCH, RECORD_KEY
from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow

_AT_ONCE = 500
_SHARED, _ALONE = "pg_advisory_xact_lock_shared", "pg_advisory_xact_lock"
_KEYS = 0x73656B696B657973  # "sekikeys"

_EPOCH_COLUMNS = (KEY_EPOCH.c.epoch, KEY_EPOCH.c.provider, KEY_EPOCH.c.wrapped)
_DATA_COLUMNS = (DATA_KEY.c.id, DATA_KEY.c.epoch, DATA_KEY.c.tag, DATA_KEY.c.sealed)
_RECORD_COLUMNS = (RECORD_KEY.c.rid, RECORD_KEY.c.part, RECORD_KEY.c.data_key, RECORD_KEY.c.sealed)


class SqlKeyRows:
    """The rows on one connection; the caller's transaction decides what stays.

    ``alone`` is for a rotation: it waits until nobody stores, and commits by itself, since the old key
    may only be destroyed once the new rows are durable.
    """

    def __init__(self, connection: Connection, *, alone: bool = False) -> None:
        self._connection = connection
        self._alone = alone
        self._held: object = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do the block together or not at all; commit at its end where the rows are held alone."""
        if not self._alone:
            yield
            return
        self._hold()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def epochs(self) -> list[EpochRow]:
        """Return every epoch row, ascending."""
        self._hold()
        query = select(*_EPOCH_COLUMNS).order_by(KEY_EPOCH.c.epoch)
        return [EpochRow(*row) for row in self._connection.execute(query)]

    def put_epoch(self, row: EpochRow) -> None:
        """Insert or replace an epoch row."""
        self._put(KEY_EPOCH, [row], ("epoch",))

    def drop_epoch(self, epoch: int) -> None:
        """Delete an epoch row."""
        self._connection.execute(delete(KEY_EPOCH).where(KEY_EPOCH.c.epoch == epoch))

    def data_keys_of(self, ids: Collection[bytes]) -> Sequence[DataKeyRow]:
        """Return the data keys of these ids that there are."""
        return [DataKeyRow(*row) for row in self._found(_DATA_COLUMNS, DATA_KEY.c.id, ids)]

    def data_keys_tagged(self, tags: Collection[bytes]) -> Sequence[DataKeyRow]:
        """Return the data keys of these tags that there are."""
        return [DataKeyRow(*row) for row in self._found(_DATA_COLUMNS, DATA_KEY.c.tag, tags)]

    def data_keys_after(self, id_: bytes, limit: int) -> Sequence[DataKeyRow]:
        """Return the next rows in the order of their ids."""
        query = select(*_DATA_COLUMNS).where(DATA_KEY.c.id > id_).order_by(DATA_KEY.c.id).limit(limit)
        return [DataKeyRow(*row) for row in self._connection.execute(query)]

    def put_data_keys(self, rows: Sequence[DataKeyRow]) -> None:
        """Insert or replace rows by id; only a rotation replaces any."""
        # In one order: two that draw keys for the same slots wait for one another, and never in a ring.
        rows = sorted(rows, key=lambda row: row.tag)
        if self._alone:
            self._put(DATA_KEY, rows, ("id",))
        else:
            insert_rows(self._connection, DATA_KEY, [_fields(row) for row in rows])

    def drop_data_keys(self, ids: Collection[bytes]) -> None:
        """Delete data keys and every record key under them."""
        for some in batched(ids, _AT_ONCE):
            self._connection.execute(delete(RECORD_KEY).where(RECORD_KEY.c.data_key.in_(some)))
            self._connection.execute(delete(DATA_KEY).where(DATA_KEY.c.id.in_(some)))

    def drop_data_keys_under(self, epoch: int) -> None:
        """Delete the data keys of an epoch and every record key under them."""
        under = select(DATA_KEY.c.id).where(DATA_KEY.c.epoch == epoch)
        self._connection.execute(delete(RECORD_KEY).where(RECORD_KEY.c.data_key.in_(under)))
        self._connection.execute(delete(DATA_KEY).where(DATA_KEY.c.epoch == epoch))

    def record_keys_of(self, rids: Collection[str]) -> Sequence[RecordKeyRow]:
        """Return all keys of these records."""
        return [RecordKeyRow(*row) for row in self._found(_RECORD_COLUMNS, RECORD_KEY.c.rid, rids)]

    def record_keys_under(
        self, data_key: bytes, after: tuple[str, str], limit: int
    ) -> Sequence[RecordKeyRow]:
        """Return the next rows under a data key in the order of (rid, part)."""
        place = tuple_(RECORD_KEY.c.rid, RECORD_KEY.c.part)
        query = select(*_RECORD_COLUMNS).where(RECORD_KEY.c.data_key == data_key, place > tuple_(*after))
        query = query.order_by(RECORD_KEY.c.rid, RECORD_KEY.c.part).limit(limit)
        return [RecordKeyRow(*row) for row in self._connection.execute(query)]

    def count_record_keys(self, data_key: bytes) -> int:
        """Say how many record keys stand under a data key."""
        query = select(func.count()).select_from(RECORD_KEY).where(RECORD_KEY.c.data_key == data_key)
        return self._connection.execute(query).scalar_one()

    def put_record_keys(self, rows: Sequence[RecordKeyRow]) -> None:
        """Insert or replace rows by (rid, part)."""
        self._put(RECORD_KEY, rows, ("rid", "part"))

    def add_record_keys(self, rows: Sequence[RecordKeyRow]) -> None:
        """Insert rows that are not there, the fastest way; a row that is ends in a fault of the database."""
        insert_rows(self._connection, RECORD_KEY, [_fields(row) for row in rows])

    def drop_record_keys_under(self, data_key: bytes) -> None:
        """Delete all record keys under a data key."""
        self._connection.execute(delete(RECORD_KEY).where(RECORD_KEY.c.data_key == data_key))

    def drop_record_keys(self, rids: Collection[str]) -> None:
        """Delete all keys of these records."""
        for some in batched(rids, _AT_ONCE):
            self._connection.execute(delete(RECORD_KEY).where(RECORD_KEY.c.rid.in_(some)))

    def _found(self, columns: Sequence[Any], by: Any, values: Collection[Any]) -> Iterator[Any]:
        for some in batched(values, _AT_ONCE):
            yield from self._connection.execute(select(*columns).where(by.in_(some)))

    def _put(self, table: Table, rows: Sequence[Any], keys: tuple[str, ...]) -> None:
        if not rows:
            return
        statement, names = _upsert(table, keys, self._connection.dialect.name)
        # Below SQLAlchemy's own insert: on the archivist's way it would cost more than the database does.
        self._connection.exec_driver_sql(statement, list(map(attrgetter(*names), rows)))

    def _hold(self) -> None:
        """Take the lock of this transaction, once; a reader needs none."""
        now = self._connection.get_transaction()
        if now is not None and now is self._held:
            return
        if is_writing(self._connection) and self._connection.dialect.name == "postgresql":
            lock = _ALONE if self._alone else _SHARED
            self._connection.execute(text(f"SELECT {lock}(:key)"), {"key": _KEYS})
            if self._alone:
                # A trigger that waits for the commit would undo what was read back before it.
                self._connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        self._held = self._connection.get_transaction()


def _fields(row: DataKeyRow | RecordKeyRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


@cache
def _upsert(table: Table, keys: tuple[str, ...], dialect: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(column.name for column in table.columns)
    marks = ", ".join(("%s" if dialect == "postgresql" else "?",) * len(names))
    others = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 (our own names)
    return f"{insert} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {others}", names
