"""The policy files between publisher and gate workers: sealed, since they name people, groups and purposes.

A file is ``SKPOL1 nonce(12) ciphertext tag(16)``, AES-256-GCM under ``gate/policy.key`` with a random nonce.
What kind of file it is and the SHA-256 of its plaintext are authenticated and stand in its name, so that
neither an older nor another file can be put in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import PolicyUnavailableError

_MAGIC = b"SKPOL1"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_BODY_AT = len(_MAGIC) + _NONCE_BYTES
_CONTEXT = b"sekimori/v1/published\0"


class PolicySeal:
    """Seals what the publisher writes, and opens it for a worker; ``kind`` is ``policy`` or ``people``."""

    def __init__(self, key: bytes, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._aead = AESGCM(key)
        self._random = random

    @staticmethod
    def name(kind: str, sha256: str) -> str:
        """Name the file of that kind whose plaintext has that hash."""
        return f"{kind}-{sha256}.bin"

    def seal(self, plaintext: bytes, kind: str, sha256: str) -> bytes:
        """Return what to write under ``name(kind, sha256)``."""
        nonce = self._random(_NONCE_BYTES)
        return _MAGIC + nonce + self._aead.encrypt(nonce, plaintext, _aad(kind, sha256))

    def open(self, sealed: bytes, kind: str, sha256: str) -> bytes:
        """Return the plaintext; raises PolicyUnavailableError if it is not what was sealed under that name."""
        if len(sealed) < _BODY_AT + _TAG_BYTES or not sealed.startswith(_MAGIC):
            raise PolicyUnavailableError(
                f"{self.name(kind, sha256)} is not a published file of a known version."
            )
        nonce, body = sealed[len(_MAGIC) : _BODY_AT], memoryview(sealed)[_BODY_AT:]
        try:
            return self._aead.decrypt(nonce, body, _aad(kind, sha256))
        except InvalidTag as error:
            raise PolicyUnavailableError(
                f"{self.name(kind, sha256)} does not open under policy.key."
            ) from error

    def read(self, folder: Path, kind: str, sha256: str) -> bytes:
        """Read and open one file of the folder of published files."""
        return self.open((folder / self.name(kind, sha256)).read_bytes(), kind, sha256)


def _aad(kind: str, sha256: str) -> bytes:
    return _CONTEXT + kind.encode() + b"\0" + sha256.encode()
