"""Content under a record key: every record has its own, so that one can be erased alone.

A blob is ``version(1) flags(1) nonce(12) ciphertext tag(16)`` with version 2. The version byte tells it
from what ``content`` wrote under one data key for everything (version 1).
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError
from sekimori.vault.aead import NONCE_BYTES, TAG_BYTES, Random
from sekimori.vault.derive import derive
from sekimori.vault.packing import PLAIN, pack, unpack

VERSION = 2

_HEAD_BYTES = 2
_BODY_AT = _HEAD_BYTES + NONCE_BYTES
_CONTEXT = b"sekimori/v2/content\0"


class RecordCipher:
    """Seals and opens the parts of one record; ``place`` names where a blob belongs."""

    __slots__ = ("_key", "_random")

    def __init__(self, record_key: bytes, *, random: Random = os.urandom) -> None:
        self._key = AESGCM(derive(record_key, b"content"))
        self._random = random

    def seal(self, plaintext: bytes, place: bytes, *, compress: bool = True) -> bytes:
        """Return the blob to store at that place; what is compressed already is not compressed again."""
        flags, packed = pack(plaintext) if compress else (PLAIN, plaintext)
        head = bytes([VERSION, flags])
        nonce = self._random(NONCE_BYTES)
        return head + nonce + self._key.encrypt(nonce, packed, _CONTEXT + head + place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the plaintext; raises IntegrityError if the blob was altered or moved."""
        if len(sealed) < _BODY_AT + TAG_BYTES or sealed[0] != VERSION:
            raise IntegrityError("Stored content is not a sealed blob of a known version.")
        head = sealed[:_HEAD_BYTES]
        try:
            packed = self._key.decrypt(
                sealed[_HEAD_BYTES:_BODY_AT], sealed[_BODY_AT:], _CONTEXT + head + place
            )
        except InvalidTag as error:
            raise IntegrityError("Stored content doesn't open: it was altered or moved.") from error
        return unpack(head[1], packed)
