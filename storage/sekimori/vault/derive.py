"""Keys from keys: HKDF-SHA256 (RFC 5869) with an empty salt, 32 bytes, and one label a purpose."""

from __future__ import annotations

from hashlib import sha256

_LABEL = b"sekimori/v1/"
_BLOCK, _HASH_BYTES = 64, 32
_INNER, _OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_INNER_REST, _OUTER_REST = b"\x36" * (_BLOCK - _HASH_BYTES), b"\x5c" * (_BLOCK - _HASH_BYTES)
_INNER_SALT, _OUTER_SALT = b"\x36" * _BLOCK, b"\x5c" * _BLOCK


Extracted = tuple[bytes, bytes]
"""What is derived from a key again and again begins with these; HMAC's inner and outer pad."""


def mac(key: bytes, data: bytes) -> bytes:
    """Return the HMAC-SHA256 of a short text under a key of 32 bytes."""
    inner, outer = _pads(key)
    return sha256(outer + sha256(inner + data).digest()).digest()


def derive(key: bytes, purpose: bytes) -> bytes:
    """Return the key that serves one purpose; two purposes never share one."""
    return expand(extract(key), purpose)


def extract(key: bytes) -> Extracted:
    """Do the half of it that all purposes share."""
    # HMAC by hand: ``hmac.digest`` looks its algorithm up at each call, which takes longer than the hashing.
    return _pads(sha256(_OUTER_SALT + sha256(_INNER_SALT + key).digest()).digest())


def expand(extracted: Extracted, purpose: bytes) -> bytes:
    """Do the half that is a purpose's own."""
    inner, outer = extracted
    return sha256(outer + sha256(inner + _LABEL + purpose + b"\x01").digest()).digest()


def _pads(key: bytes) -> Extracted:
    return key.translate(_INNER) + _INNER_REST, key.translate(_OUTER) + _OUTER_REST
