"""One way to seal a short secret: ``version(1) nonce(12) ciphertext tag(16)``, AES-256-GCM."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError

Random = Callable[[int], bytes]

VERSION = 1
NONCE_BYTES, TAG_BYTES = 12, 16
OVERHEAD = 1 + NONCE_BYTES + TAG_BYTES


def seal(key: AESGCM, secret: bytes, place: bytes, random: Random) -> bytes:
    """Seal a secret to the place it belongs to."""
    nonce = random(NONCE_BYTES)
    return b"\x01" + nonce + key.encrypt(nonce, secret, place)


def unseal(key: AESGCM, sealed: bytes, place: bytes, what: str, name: str = "") -> bytes:
    """Return the secret; raises IntegrityError, saying ``what``, if it was altered, moved or is not ours."""
    if len(sealed) < OVERHEAD or sealed[0] != VERSION:
        raise IntegrityError(f"{_named(what, name)} is not sealed in a way this version knows.")
    try:
        return key.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], place)
    except InvalidTag as error:
        raise IntegrityError(f"{_named(what, name)} doesn't open: it was altered or moved.") from error


def _named(what: str, name: str) -> str:
    return f"{what} {name}" if name else what
