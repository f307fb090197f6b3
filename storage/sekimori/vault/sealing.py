"""Sealing of spool segments: whoever writes can't read back.

For each segment the writer draws an ephemeral X25519 key, agrees on a secret with the archivist's
public key and forgets the ephemeral private key. The secret starts a chain of HMAC steps; each
frame is encrypted under a key taken from the chain, and the chain moves on, so that what the writer
holds after frame k opens neither k nor anything before it::

    chain(0)   = HKDF-SHA256(X25519(ephemeral, archivist), salt = ephemeral public || archivist public)
    key(k)     = HMAC-SHA256(chain(k), "frame")
    chain(k+1) = HMAC-SHA256(chain(k), "next")
    sealed(k)  = AES-256-GCM(key(k), nonce = k, aad = context)

The preamble (suite, key id, ephemeral public key) goes into the clear header of the segment. What
the context binds is for the caller to choose; the spool binds its segment header and frame header.

It doesn't tell who sealed: anyone who knows the public key can seal a segment of his own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sekimori.errors import IntegrityError

Random = Callable[[int], bytes]

KEY_BYTES = 32
OVERHEAD = 16
"""Bytes that sealing adds to a plaintext."""

_SUITE = 1
_KEY_ID_BYTES = 8
PREAMBLE_BYTES = 1 + _KEY_ID_BYTES + KEY_BYTES
_INFO = b"sekimori/v1/spool-segment"


class SegmentSealer:
    """Starts a sealed segment whenever the spool asks; holds nothing but a public key."""

    def __init__(self, archivist_public: bytes, *, random: Random = os.urandom) -> None:
        self._public = archivist_public
        self._random = random

    def open_segment(self) -> SealingSegment:
        """Agree on a fresh secret with the archivist's key; the ephemeral private key is dropped."""
        ephemeral = X25519PrivateKey.from_private_bytes(self._random(KEY_BYTES))
        public = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self._public))
        preamble = bytes([_SUITE]) + key_id(self._public) + public
        return SealingSegment(preamble, _first_chain(shared, public, self._public))


class SealingSegment:
    """One segment as its writer holds it: the preamble to store, and a chain that only moves on."""

    __slots__ = ("_chain", "_number", "preamble")

    def __init__(self, preamble: bytes, chain: bytes) -> None:
        self.preamble = preamble
        self._chain = chain
        self._number = 0

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Seal the next frame and forget the key that did it."""
        key = _frame_key(self._chain)
        self._chain = _next_chain(self._chain)
        sealed = AESGCM(key).encrypt(_nonce(self._number), plaintext, context)
        self._number += 1
        return sealed


class SegmentOpener:
    """Opens segments sealed to one private key; the archivist's."""

    def __init__(self, archivist_private: bytes) -> None:
        self._private = X25519PrivateKey.from_private_bytes(archivist_private)
        self._public = self._private.public_key().public_bytes_raw()

    def open_segment(self, preamble: bytes) -> OpenedSegment:
        """Derive the segment's chain from its preamble; raises IntegrityError if it isn't for this key."""
        if len(preamble) != PREAMBLE_BYTES or preamble[0] != _SUITE:
            raise IntegrityError("A spool segment is sealed in a way this version doesn't know.")
        if preamble[1 : 1 + _KEY_ID_BYTES] != key_id(self._public):
            raise IntegrityError("A spool segment is sealed to another archivist's key.")
        public = preamble[1 + _KEY_ID_BYTES :]
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:  # a point of small order: no honest writer draws one
            raise IntegrityError("A spool segment's ephemeral key is not a valid one.") from error
        return OpenedSegment(_first_chain(shared, public, self._public))


class OpenedSegment:
    """One segment as the archivist holds it: opens any frame, cheapest in order."""

    __slots__ = ("_chain", "_first", "_number")

    def __init__(self, chain: bytes) -> None:
        self._first = self._chain = chain
        self._number = 0

    def open(self, number: int, sealed: bytes, context: bytes) -> bytes:
        """Open frame ``number``; raises IntegrityError if a bit of it or of its context differs.

        Costs one HMAC for each frame skipped, so the caller bounds ``number`` first.
        """
        if number < self._number:
            self._chain, self._number = self._first, 0
        while self._number < number:
            self._chain = _next_chain(self._chain)
            self._number += 1
        try:
            return AESGCM(_frame_key(self._chain)).decrypt(_nonce(number), sealed, context)
        except InvalidTag as error:
            raise IntegrityError(
                f"Frame {number} of a spool segment doesn't open: it was altered."
            ) from error


def key_id(public: bytes) -> bytes:
    """Name a public key in eight bytes, so that a segment sealed to another key is recognised."""
    return hashlib.sha256(public).digest()[:_KEY_ID_BYTES]


def _first_chain(shared: bytes, ephemeral: bytes, archivist: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=ephemeral + archivist, info=_INFO).derive(shared)


# Not hmac.digest: it lets go of the interpreter's lock, for which a writer beside a busy event loop then waits.
def _frame_key(chain: bytes) -> bytes:
    return hmac.new(chain, b"frame", "sha256").digest()


def _next_chain(chain: bytes) -> bytes:
    return hmac.new(chain, b"next", "sha256").digest()


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
