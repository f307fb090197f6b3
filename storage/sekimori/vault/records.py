"""Content under a record key: every record has its own, so that one can be erased alone.

Two keys come of it. What is said *about* a record (who, when, which service) may be kept longer than what was
said *in* it, so the blobs of ``entry`` places lie under the ``metadata`` key and all others under the
``content`` key. Whoever lets the content expire keeps the first and destroys the record key.

A blob is ``version(1) flags(1) nonce(12) ciphertext tag(16)`` with version 2. The version byte tells it
from what ``content`` wrote under one data key for everything (version 1).
"""

from __future__ import annotations

import os
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError
from sekimori.vault.aead import NONCE_BYTES, TAG_BYTES, Random
from sekimori.vault.derive import Extracted, derive, expand, extract
from sekimori.vault.packing import PLAIN, pack, unpack

VERSION = 2

_HEAD_BYTES = 2
_BODY_AT = _HEAD_BYTES + NONCE_BYTES
_CONTEXT = b"sekimori/v2/content\0"

METADATA_PLACE = b"entry\0"
"""Begins the places whose blobs are said about a record."""
METADATA = "metadata"
"""The part of a record key row that keeps the metadata key alone, once the content has expired."""


class RecordCipher:
    """Seals and opens the parts of one record; ``place`` names where a blob belongs."""

    __slots__ = ("_content", "_extracted", "_metadata", "_metadata_key", "_random", "_record_key")

    def __init__(
        self, record_key: bytes, *, random: Random = os.urandom, extracted: Extracted | None = None
    ) -> None:
        self._record_key = record_key
        self._extracted = extracted
        self._metadata_key = b""
        self._content: AESGCM | None = None
        self._metadata: AESGCM | None = None
        self._random = random

    @classmethod
    def of_metadata(cls, metadata_key: bytes, *, random: Random = os.urandom) -> Self:
        """Return what is left to open a record whose content has expired."""
        cipher = cls(b"", random=random)
        cipher._metadata_key = metadata_key
        return cipher

    @property
    def has_expired(self) -> bool:
        """Tell whether only what is said about the record can be opened still."""
        return not self._record_key

    def seal(self, plaintext: bytes, place: bytes, *, compress: bool = True) -> bytes:
        """Return the blob to store at that place; what is compressed already is not compressed again."""
        flags, packed = pack(plaintext) if compress else (PLAIN, plaintext)
        head = bytes([VERSION, flags])
        nonce = self._random(NONCE_BYTES)
        return head + nonce + self._at(place).encrypt(nonce, packed, _CONTEXT + head + place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the plaintext; raises IntegrityError if the blob was altered or moved."""
        return opened(self._at(place), sealed, place)

    def _of_metadata(self) -> AESGCM:
        if self._metadata is None:
            if self._metadata_key:
                self._metadata = AESGCM(self._metadata_key)
            else:
                self._metadata = metadata_cipher(self._from_key())
        return self._metadata

    def _of_content(self) -> AESGCM:
        if self._content is None:
            if not self._record_key:
                raise IntegrityError("The content of this record has expired.")
            self._content = content_cipher(self._from_key())
        return self._content

    def _at(self, place: bytes) -> AESGCM:
        """Return the key of a place; each is derived once, when it is asked for."""
        return self._of_metadata() if place.startswith(METADATA_PLACE) else self._of_content()

    def _from_key(self) -> Extracted:
        if self._extracted is None:
            self._extracted = extract(self._record_key)
        return self._extracted


def metadata_cipher(extracted: Extracted) -> AESGCM:
    """Return the key of what is said about a record, from what was extracted from the record key."""
    return AESGCM(expand(extracted, b"metadata"))


def content_cipher(extracted: Extracted) -> AESGCM:
    """Return the key of what was said in it."""
    return AESGCM(expand(extracted, b"content"))


def opened(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    """Return the plaintext of a blob under the key of its place; raises IntegrityError if it was altered."""
    if len(sealed) < _BODY_AT + TAG_BYTES or sealed[0] != VERSION:
        raise IntegrityError("Stored content is not a sealed blob of a known version.")
    head = sealed[:_HEAD_BYTES]
    try:
        packed = key.decrypt(sealed[_HEAD_BYTES:_BODY_AT], sealed[_BODY_AT:], _CONTEXT + head + place)
    except InvalidTag as error:
        raise IntegrityError("Stored content doesn't open: it was altered or moved.") from error
    return packed if head[1] == PLAIN else unpack(head[1], packed)


def metadata_key(record_key: bytes) -> bytes:
    """Return the key that opens what is said about a record, and nothing else of it."""
    return derive(record_key, b"metadata")
