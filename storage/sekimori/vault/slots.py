"""What one data key is for, the rows that keep wrapped keys, and who stores those rows.

The rows hold nothing in clear but random ids, epoch numbers and record ids: whose key it is, which class
and which month stand inside the seal. A row is found by a keyed tag that changes with every epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

DATA_KEY_ID_BYTES = 16

_JST = timedelta(hours=9)


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """The people and things that share one data key: a subject, a retention class and a month.

    ``month`` is ``YYYY-MM``; the class is a word of whoever decides how long something is kept.
    """

    subject: str
    klass: str
    month: str


_SHARED = "\0shared/"
"""Begins what stands for a person where a lane's records share a key: no name has this form."""


def shared_slot(lane: str, klass: str, month: str) -> Slot:
    """Return where a record goes whose lane may draw no more keys."""
    return Slot(_SHARED + lane, klass, month)


def is_shared(subject: str) -> bool:
    """Tell whether a data key is one that the records of several people share."""
    return subject.startswith(_SHARED)


class EpochRow(msgspec.Struct, frozen=True, array_like=True):
    """One epoch: its secret, wrapped by the provider of that name."""

    epoch: int
    provider: str
    wrapped: bytes


class DataKeyRow(msgspec.Struct, frozen=True, array_like=True):
    """One data key: ``tag`` finds it by its slot, ``sealed`` holds the key and the slot."""

    id: bytes
    epoch: int
    tag: bytes
    sealed: bytes


class RecordKeyRow(msgspec.Struct, frozen=True, array_like=True):
    """One record key under a data key; ``part`` tells two keys of one record apart."""

    rid: str
    part: str
    data_key: bytes
    sealed: bytes


class GoneRow(msgspec.Struct, frozen=True, array_like=True):
    """Data keys and single records that an order destroyed, for whoever finds them in an older database."""

    data_keys: tuple[bytes, ...]
    records: tuple[str, ...]


class KeyRows(Protocol):
    """Whoever stores the rows; what is done inside ``transaction`` is done together or not at all."""

    def transaction(self) -> AbstractContextManager[object]:
        """Commit when the block ends, roll back when it raises."""
        ...

    def epochs(self) -> list[EpochRow]:
        """Return every epoch row, ascending."""
        ...

    def put_epoch(self, row: EpochRow) -> None:
        """Insert or replace an epoch row."""
        ...

    def drop_epoch(self, epoch: int) -> None:
        """Delete an epoch row."""
        ...

    def data_keys_of(self, ids: Collection[bytes]) -> Sequence[DataKeyRow]:
        """Return the data keys of these ids that there are."""
        ...

    def data_keys_tagged(self, tags: Collection[bytes]) -> Sequence[DataKeyRow]:
        """Return the data keys of these tags that there are."""
        ...

    def data_keys_after(self, id_: bytes, limit: int) -> Sequence[DataKeyRow]:
        """Return the next rows in the order of their ids."""
        ...

    def put_data_keys(self, rows: Sequence[DataKeyRow]) -> None:
        """Insert or replace rows by id."""
        ...

    def drop_data_keys(self, ids: Collection[bytes]) -> None:
        """Delete data keys and every record key under them."""
        ...

    def drop_data_keys_under(self, epoch: int) -> None:
        """Delete the data keys of an epoch and every record key under them."""
        ...

    def record_keys_of(self, rids: Collection[str]) -> Sequence[RecordKeyRow]:
        """Return all keys of these records."""
        ...

    def record_keys_under(
        self, data_key: bytes, after: tuple[str, str], limit: int
    ) -> Sequence[RecordKeyRow]:
        """Return the next rows under a data key in the order of (rid, part)."""
        ...

    def count_record_keys(self, data_key: bytes) -> int:
        """Say how many record keys stand under a data key."""
        ...

    def put_record_keys(self, rows: Sequence[RecordKeyRow]) -> None:
        """Insert or replace rows by (rid, part)."""
        ...

    def drop_record_keys_under(self, data_key: bytes) -> None:
        """Delete all record keys under a data key."""
        ...

    def drop_record_keys(self, rids: Collection[str]) -> None:
        """Delete all keys of these records."""
        ...


def month_of(time_us: int) -> str:
    """Return the month, as the calendar in Japan shows it, of a time in microseconds UTC."""
    return (datetime.fromtimestamp(time_us // 1_000_000, UTC) + _JST).strftime("%Y-%m")
