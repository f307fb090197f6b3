"""The policy files between publisher and gate workers: sealed, since they name people, groups and purposes.

A file is ``SKPOL1 nonce(12) ciphertext tag(16)``, AES-256-GCM under ``gate/policy.key`` with a random nonce.
A long one is ``SKPOL2 prefix(8)`` and pieces of a mebibyte, each sealed by itself: its nonce is the prefix
and its number (u32), so that who opens it can do something else in between. What kind of file it is, the
SHA-256 of its plaintext, and of a piece its number and whether it is the last, are authenticated and stand
in its name, so that neither an older nor another file can be put in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import PolicyUnavailableError

_MAGIC, _MAGIC_LONG = b"SKPOL1", b"SKPOL2"
_PIECE = 1 << 20
_PREFIX_BYTES, _NUMBER_BYTES = 8, 4
_NONCE_BYTES, _TAG_BYTES = 12, 16
_BODY_AT = len(_MAGIC) + _NONCE_BYTES
_CONTEXT = b"sekimori/v1/published\0"


class PolicySeal:
    """Seals what the publisher writes, and opens it for a worker; ``kind`` says which sort of file it is."""

    def __init__(self, key: bytes, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._aead = AESGCM(key)
        self._random = random

    @staticmethod
    def name(kind: str, sha256: str) -> str:
        """Name the file of that kind whose plaintext has that hash."""
        return f"{kind}-{sha256}.bin"

    def seal(self, plaintext: bytes, kind: str, sha256: str) -> bytes:
        """Return what to write under ``name(kind, sha256)``."""
        if len(plaintext) > _PIECE:
            return self._seal_pieces(plaintext, kind, sha256)
        nonce = self._random(_NONCE_BYTES)
        return _MAGIC + nonce + self._aead.encrypt(nonce, plaintext, _aad(kind, sha256))

    def open(self, sealed: bytes, kind: str, sha256: str) -> bytes | bytearray:
        """Return the plaintext; raises PolicyUnavailableError if it is not what was sealed under that name."""
        if sealed.startswith(_MAGIC_LONG):
            return self._open_pieces(sealed, kind, sha256)
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

    def _seal_pieces(self, plaintext: bytes, kind: str, sha256: str) -> bytes:
        prefix = self._random(_PREFIX_BYTES)
        view = memoryview(plaintext)
        starts = range(0, len(plaintext), _PIECE)
        pieces = [
            self._aead.encrypt(
                prefix + number.to_bytes(_NUMBER_BYTES, "big"),
                view[start : start + _PIECE],
                _piece_aad(kind, sha256, number, last=number == len(starts) - 1),
            )
            for number, start in enumerate(starts)
        ]
        return b"".join((_MAGIC_LONG, prefix, *pieces))

    def _open_pieces(self, sealed: bytes, kind: str, sha256: str) -> bytearray:
        start = len(_MAGIC_LONG) + _PREFIX_BYTES
        prefix = sealed[len(_MAGIC_LONG) : start]
        view, step = memoryview(sealed)[start:], _PIECE + _TAG_BYTES
        ends = range(0, len(view), step)
        # Filled piece by piece: joining them in the end would be one long breath that nobody else gets.
        opened = bytearray(max(len(view) - _TAG_BYTES * len(ends), 0))
        try:
            if not ends:
                raise ValueError("there is no piece")
            for number, at in enumerate(ends):
                aad = _piece_aad(kind, sha256, number, last=number == len(ends) - 1)
                nonce = prefix + number.to_bytes(_NUMBER_BYTES, "big")
                piece = self._aead.decrypt(nonce, view[at : at + step], aad)
                opened[number * _PIECE : number * _PIECE + len(piece)] = piece
        except (InvalidTag, ValueError) as error:
            raise PolicyUnavailableError(
                f"{self.name(kind, sha256)} does not open under policy.key."
            ) from error
        return opened

    def read(self, folder: Path, kind: str, sha256: str) -> bytes | bytearray:
        """Read and open one file of the folder of published files."""
        return self.open((folder / self.name(kind, sha256)).read_bytes(), kind, sha256)


def _piece_aad(kind: str, sha256: str, number: int, *, last: bool) -> bytes:
    return _aad(kind, sha256) + b"\0piece\0" + number.to_bytes(_NUMBER_BYTES, "big") + bytes([last])


def _aad(kind: str, sha256: str) -> bytes:
    return _CONTEXT + kind.encode() + b"\0" + sha256.encode()
