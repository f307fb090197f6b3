"""Content in the database: compressed where that helps, encrypted, bound to its place.

A blob is ``version(1) flags(1) key-id(8) nonce(12) ciphertext tag(16)``, AES-256-GCM with a random
nonce. Version, flags, key id and the caller's ``aad`` (which record, which part) are authenticated, so
that a blob can't be moved elsewhere. This is version 1, one key for everything: what belongs to no record
(counters, lists, events), and the content of an older database. ``records`` writes version 2.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError
from sekimori.vault.packing import pack, unpack

OLD_VERSION = 1
"""The first byte of content that a release sealed before records had keys of their own."""

_KEY_ID_BYTES, _NONCE_BYTES, _TAG_BYTES = 8, 12, 16
_HEAD_BYTES = 2 + _KEY_ID_BYTES
_BODY_AT = _HEAD_BYTES + _NONCE_BYTES
_CONTEXT = b"sekimori/v1/content\0"


class ContentKeys(Protocol):
    """Whoever knows the data keys: one to seal with now, and those that older blobs name."""

    def current(self) -> tuple[bytes, bytes]:
        """Return the key id (8 bytes) and the key that new content is encrypted under."""

    def find(self, key_id: bytes) -> bytes | None:
        """Return the key of that id, or None where it is unknown or was destroyed."""


class OneDataKey:
    """All content under one key."""

    def __init__(self, data_key: bytes) -> None:
        self._key = data_key
        self._id = hashlib.sha256(b"sekimori/v1/data-key-id\0" + data_key).digest()[:_KEY_ID_BYTES]

    def current(self) -> tuple[bytes, bytes]:
        """Return the one key and its id."""
        return self._id, self._key

    def find(self, key_id: bytes) -> bytes | None:
        """Return the one key if it is meant."""
        return self._key if key_id == self._id else None


class ContentCipher:
    """Seals and opens what the database keeps; ``aad`` names the place a blob belongs to."""

    def __init__(self, keys: bytes | ContentKeys, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keys: ContentKeys = OneDataKey(keys) if isinstance(keys, bytes) else keys
        self._random = random

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return the blob to store at that place."""
        flags, packed = pack(plaintext)
        key_id, key = self._keys.current()
        head = bytes([OLD_VERSION, flags]) + key_id
        nonce = self._random(_NONCE_BYTES)
        return head + nonce + AESGCM(key).encrypt(nonce, packed, _CONTEXT + head + aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises IntegrityError if the blob was altered, moved or lost its key."""
        if len(sealed) < _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[0] != OLD_VERSION:
            raise IntegrityError("Stored content is not a sealed blob of a known version.")
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:_BODY_AT]
        key = self._keys.find(head[2:])
        if key is None:
            raise IntegrityError(f"Stored content is sealed under a key that is not here ({head[2:].hex()}).")
        try:
            packed = AESGCM(key).decrypt(nonce, sealed[_BODY_AT:], _CONTEXT + head + aad)
        except InvalidTag as error:
            raise IntegrityError("Stored content doesn't open: it was altered or moved.") from error
        return unpack(head[1], packed)


def is_old(sealed: bytes) -> bool:
    """Tell whether a record's blob stands under the one key that an older release had."""
    return sealed[:1] == bytes([OLD_VERSION])
