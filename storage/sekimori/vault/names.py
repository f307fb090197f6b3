"""What names people and purposes: sealed, and found again by keyed tokens.

One key of 32 bytes gives two: one seals (``content``), one makes tokens. A token is
``HMAC-SHA256(key, table \\0 name)``, cut to 16 bytes: who has the database and not the key learns how many
names there are, and not which. A sealed value is bound to its place: it opens nowhere else.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

from sekimori.vault.content import ContentCipher
from sekimori.vault.derive import derive

_TOKEN_BYTES = 16
_LENGTH_BYTES = 4


class NameSeal:
    """Seals names under one key, and opens what was sealed under it."""

    def __init__(self, key: bytes, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._cipher = ContentCipher(derive(key, b"names-content"), random=random)
        self._token_key = derive(key, b"names-token")

    def token(self, table: str, name: str) -> bytes:
        """Return what a name is found by in one table."""
        return hmac.digest(self._token_key, f"{table}\0{name}".encode(), "sha256")[:_TOKEN_BYTES]

    def seal(self, value: bytes, *place: str | int | bytes) -> bytes:
        """Return the value, readable only here and only at that place."""
        return self._cipher.seal(value, _place(place))

    def open(self, sealed: bytes, *place: str | int | bytes) -> bytes:
        """Return the value; raises IntegrityError if it was altered, moved or sealed under another key."""
        return self._cipher.open(sealed, _place(place))


def _place(parts: tuple[str | int | bytes, ...]) -> bytes:
    """Join the parts so that no two places are written alike."""
    written = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in written)
