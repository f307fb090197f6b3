"""A copy of the living keys beside the key-encryption keys, so that older backups stay of use.

An erasure destroys the key-encryption key under which every older backup's rows are wrapped: nothing in
such a backup opens any more, the living as little as the erased. So each rotation leaves here what it
wrapped anew. A database restored from before it takes these rows instead of its own: the living opens
again. What is not among them was erased if it is named among the gone, and stays so; anything else was lost.
The file holds wrapped keys, and of the gone their ids.

::

    file  = "SEKILIV1" || item… || HMAC-SHA256(HKDF(epoch secret, "living"), all before)
    item  = length(4) || MessagePack [kind, fields…]         kind 1 epoch, 2 data key, 3 record key, 4 gone

A file of an older release has no item of kind 4: of what is gone nobody knows then whether it was erased.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.vault.datakey import Epoch
from sekimori.vault.files import FILE_MODE, check_folder, fsync_folder, give, make_folder
from sekimori.vault.slots import DataKeyRow, EpochRow, GoneRow, RecordKeyRow

MAGIC = b"SEKILIV1"
MAX_ITEM_BYTES = 1 << 16

_MAC_BYTES = 32
_KINDS: dict[type, int] = {EpochRow: 1, DataKeyRow: 2, RecordKeyRow: 3, GoneRow: 4}
_TYPES = {number: kind for kind, number in _KINDS.items()}

KeyRow = EpochRow | DataKeyRow | RecordKeyRow | GoneRow


class LivingKeys:
    """The file of the living keys; replaced whole by each rotation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, epoch: Epoch, rows: Iterable[KeyRow]) -> None:
        """Replace the file, durably; the rows are taken one at a time."""
        make_folder(self.path.parent)
        draft = self.path.with_name(f".{self.path.name}.draft")
        mac = hmac.new(epoch.living, MAGIC, hashlib.sha256)
        try:
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
                give(file.fileno(), self.path.parent)
                file.write(MAGIC)
                for row in rows:
                    item = _packed(row)
                    mac.update(item)
                    file.write(item)
                file.write(mac.digest())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            fsync_folder(self.path.parent)
        except OSError as error:
            raise KeyAccessError(f"The living keys can't be written: {error.strerror}.") from error

    def epoch(self) -> EpochRow:
        """Return the row of the epoch that the living are wrapped under."""
        for row in self._items():
            if isinstance(row, EpochRow):
                return row
            break
        raise IntegrityError(f"{self.path} names no key epoch.")

    def read(self, epoch: Epoch) -> Iterator[DataKeyRow | RecordKeyRow | GoneRow]:
        """Yield the living and the gone, once the whole file was found to be as it was written."""
        self._check(epoch)
        for row in self._items():
            if not isinstance(row, EpochRow):
                yield row

    def _check(self, epoch: Epoch) -> None:
        mac = hmac.new(epoch.living, digestmod=hashlib.sha256)
        with self._opened() as file:
            left = os.fstat(file.fileno()).st_size - _MAC_BYTES
            while left > 0 and (some := file.read(min(left, 1 << 20))):
                mac.update(some)
                left -= len(some)
            if not hmac.compare_digest(mac.digest(), file.read(_MAC_BYTES)):
                raise IntegrityError(f"{self.path} was altered.")

    def _items(self) -> Iterator[KeyRow]:
        with self._opened() as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise IntegrityError(f"{self.path} is not a file of living keys of this version.")
            end = os.fstat(file.fileno()).st_size - _MAC_BYTES
            while file.tell() < end:
                length = int.from_bytes(file.read(4), "big")
                if length > MAX_ITEM_BYTES:
                    raise IntegrityError(f"{self.path} was altered.")
                yield _unpacked(file.read(length))

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            check_folder(self.path.parent)
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            raise KeyAccessError(f"The living keys {self.path} can't be read: {error.strerror}.") from error


def _packed(row: KeyRow) -> bytes:
    item = msgspec.msgpack.encode([_KINDS[type(row)], row])
    return len(item).to_bytes(4, "big") + item


def _unpacked(item: bytes) -> KeyRow:
    try:
        kind, fields = msgspec.msgpack.decode(item, type=tuple[int, msgspec.Raw])
        row: KeyRow = msgspec.msgpack.decode(fields, type=_TYPES[kind])
    except (msgspec.MsgspecError, KeyError) as error:
        raise IntegrityError("The living keys hold something unknown.") from error
    return row
