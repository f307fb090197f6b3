"""Content in the database: compressed where that helps, encrypted, bound to its place.

A blob is ``version(1) flags(1) key-id(8) nonce(12) ciphertext tag(16)``, AES-256-GCM with a random
nonce. Version, flags, key id and the caller's ``aad`` (which record, which part) are authenticated, so
that a blob can't be moved elsewhere. Which key new content gets is for ``ContentKeys`` to say: today
one data key for all, later a hierarchy in which a destroyed key erases what stands under it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Protocol

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError

_VERSION = 1
_PLAIN, _ZSTD = 0, 1
_KEY_ID_BYTES, _NONCE_BYTES, _TAG_BYTES = 8, 12, 16
_HEAD_BYTES = 2 + _KEY_ID_BYTES
_BODY_AT = _HEAD_BYTES + _NONCE_BYTES
_CONTEXT = b"sekimori/v1/content\0"
_LEVEL = 3
_WORTH_COMPRESSING = 256

MAX_CONTENT_BYTES = 1 << 30


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
        flags, packed = _pack(plaintext)
        key_id, key = self._keys.current()
        head = bytes([_VERSION, flags]) + key_id
        nonce = self._random(_NONCE_BYTES)
        return head + nonce + AESGCM(key).encrypt(nonce, packed, _CONTEXT + head + aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises IntegrityError if the blob was altered, moved or lost its key."""
        if len(sealed) < _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[0] != _VERSION:
            raise IntegrityError("Stored content is not a sealed blob of a known version.")
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:_BODY_AT]
        key = self._keys.find(head[2:])
        if key is None:
            raise IntegrityError(f"Stored content is sealed under a key that is not here ({head[2:].hex()}).")
        try:
            packed = AESGCM(key).decrypt(nonce, sealed[_BODY_AT:], _CONTEXT + head + aad)
        except InvalidTag as error:
            raise IntegrityError("Stored content doesn't open: it was altered or moved.") from error
        return _unpack(head[1], packed)


def _pack(plaintext: bytes) -> tuple[int, bytes]:
    if len(plaintext) < _WORTH_COMPRESSING:
        return _PLAIN, plaintext
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(plaintext)
    # Pictures and encoded bodies don't shrink: kept as they are, they open faster.
    return (_ZSTD, packed) if len(packed) < len(plaintext) * 9 // 10 else (_PLAIN, plaintext)


def _unpack(flags: int, packed: bytes) -> bytes:
    if flags == _PLAIN:
        return packed
    if flags != _ZSTD:
        raise IntegrityError("Stored content is packed in an unknown way.")
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_CONTENT_BYTES:
            raise IntegrityError("Stored content claims to be larger than any content may be.")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise IntegrityError("Stored content can't be unpacked.") from error
