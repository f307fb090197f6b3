"""Fingerprints of credentials: tell two apart in the record, reveal neither.

A plain hash of a short token can be guessed; a keyed one can't without the key, which only the gate
holds.
"""

from __future__ import annotations

import hmac

HEX_DIGITS = 16


class Fingerprinter:
    """A callable that turns a credential's bytes into its fingerprint."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, credential: bytes) -> str:
        """Return sixteen hex digits; 64 bits keep a million credentials apart."""
        return fingerprint(self._key, credential)


def fingerprint(key: bytes, credential: bytes) -> str:
    """Return the keyed hash of a credential, cut to sixteen hex digits."""
    return hmac.digest(key, b"sekimori/v1/credential\0" + credential, "sha256").hex()[:HEX_DIGITS]
