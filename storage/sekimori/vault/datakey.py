"""A data key in use, and how it is sealed under its epoch's secret.

::

    sealed  = AES-256-GCM(HKDF(epoch secret, "data-keys"), length(2) || fields || zeros, place)
    fields  = MessagePack [key, generation, subject, class, month]
    tag     = HMAC-SHA256(HKDF(epoch secret, "slots"), MessagePack [subject, class, month])

The zeros fill up to a multiple of 128 bytes, so that the length of a seal doesn't tell the length of a
name. The generation counts how often the key was replaced under its id, because one record was erased.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError
from sekimori.vault.aead import Random, seal, unseal
from sekimori.vault.derive import derive, expand, extract
from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow, Slot

KEY_BYTES = 32

MAX_NAME_BYTES = 1024
"""The longest user name that a key may be drawn for: an account's is far shorter."""

_PAD = 128
_SLOT = msgspec.msgpack.Encoder()


class _Fields(msgspec.Struct, frozen=True, array_like=True):
    key: bytes
    generation: int
    subject: str
    klass: str
    month: str


_FIELDS = msgspec.msgpack.Decoder(_Fields)


class DataKey:
    """Wraps the record keys of one slot, and derives what addresses and tags inside it are keyed with."""

    __slots__ = ("_place", "_record_keys", "address_key", "generation", "id", "key", "slot", "tag_key")

    def __init__(self, id_: bytes, slot: Slot, key: bytes, generation: int = 0) -> None:
        self.id = id_
        self.slot = slot
        self.key = key
        self.generation = generation
        self._place = b"sekimori/v1/record-key\0" + id_
        extracted = extract(key)
        self.address_key = expand(extracted, b"addr")
        self.tag_key = expand(extracted, b"tag")
        self._record_keys = AESGCM(expand(extracted, b"record-keys"))

    def wrap(self, rid: str, part: str, record_key: bytes, random: Random) -> RecordKeyRow:
        """Return the row that keeps a record key."""
        sealed = seal(self._record_keys, record_key, self._place_of(rid, part), random)
        return RecordKeyRow(rid, part, self.id, sealed)

    def unwrap(self, row: RecordKeyRow) -> bytes:
        """Return the record key of a row."""
        return self.unwrapped(row.rid, row.part, row.sealed)

    def unwrapped(self, rid: str, part: str, sealed: bytes) -> bytes:
        """Return the record key in a seal, for whoever has thousands and makes no rows of them."""
        return unseal(self._record_keys, sealed, self._place_of(rid, part), "The key of record", rid)

    def _place_of(self, rid: str, part: str) -> bytes:
        # Zero bytes between: no two places may read the same.
        return self._place + f"{rid}\0{part}".encode()


class Epoch(NamedTuple):
    """The secret of one epoch, ready for use."""

    number: int
    data_keys: AESGCM
    slots: bytes
    living: bytes

    def tag(self, slot: Slot) -> bytes:
        """Return what finds the slot's data key."""
        return hmac.digest(self.slots, _SLOT.encode(slot), "sha256")

    def seal(self, key: DataKey, random: Random) -> DataKeyRow:
        """Return the row that keeps a data key under this epoch."""
        fields = _Fields(key.key, key.generation, key.slot.subject, key.slot.klass, key.slot.month)
        if len(key.slot.subject.encode()) > MAX_NAME_BYTES:
            raise IntegrityError(f"A data key is asked for a name of more than {MAX_NAME_BYTES} bytes.")
        packed = msgspec.msgpack.encode(fields)
        padded = (len(packed).to_bytes(2, "big") + packed).ljust(_padded(len(packed) + 2), b"\0")
        tag = self.tag(key.slot)
        return DataKeyRow(
            key.id, self.number, tag, seal(self.data_keys, padded, _place(key.id, self.number, tag), random)
        )

    def open(self, row: DataKeyRow) -> DataKey:
        """Return the data key of a row; raises IntegrityError if row or place were altered."""
        what = f"Data key {row.id.hex()}"
        try:
            padded = unseal(self.data_keys, row.sealed, _place(row.id, self.number, row.tag), what)
        except TypeError as error:  # SQLite keeps any value in any column
            raise IntegrityError(f"{what} holds values of another kind.") from error
        try:
            fields = _FIELDS.decode(padded[2 : 2 + int.from_bytes(padded[:2], "big")])
        except msgspec.MsgspecError as error:
            raise IntegrityError(f"{what} holds something unknown.") from error
        slot = Slot(fields.subject, fields.klass, fields.month)
        return DataKey(row.id, slot, fields.key, fields.generation)


def epoch_of(row: EpochRow, secret: bytes) -> Epoch:
    """Make an epoch ready for use."""
    return Epoch(
        row.epoch,
        AESGCM(derive(secret, b"data-keys")),
        derive(secret, b"slots"),
        derive(secret, b"living"),
    )


def _padded(length: int) -> int:
    return -(-length // _PAD) * _PAD


def _place(id_: bytes, epoch: int, tag: bytes) -> bytes:
    return b"sekimori/v1/data-key\0" + id_ + epoch.to_bytes(4, "big") + tag
