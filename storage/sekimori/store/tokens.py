"""Keyed tokens: how a record is found by user or service in a database that names neither.

A token is ``HMAC-SHA256(key, "sekimori/v1/search" \\0 month \\0 field \\0 value)``, cut to 16 bytes. Who
has the database and not the key learns which records of one month share a value, and nothing of the
value. Each month has tokens of its own: nobody is followed from one into the next.

What it does not hide from a thief: how many different values there are, and how often each occurs.
"""

from __future__ import annotations

import hmac
from functools import lru_cache

from sekimori.ledger.record import Intent
from sekimori.policy.people import canonical_name
from sekimori.store.months import Month, month_of

_BYTES = 16
_REMEMBERED = 8192
_CONTEXT = b"sekimori/v1/search"
_KEY = b"sekimori/v1/search-key"

FIELDS = ("user", "service", "model", "host", "grant", "session")
"""What a record can be searched by, apart from what its row says readably."""


class Tokens:
    """Makes tokens under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # The same few users, services and models come again and again.
        self._made = lru_cache(maxsize=_REMEMBERED)(self._make)

    @classmethod
    def under(cls, data_key: bytes) -> Tokens:
        """Return the tokens that belong to a data key."""
        return cls(hmac.digest(data_key, _KEY, "sha256"))

    def token(self, field: str, value: str, month: Month) -> bytes:
        """Return the token of one value in one month."""
        return self._made(field, value, month)

    def _make(self, field: str, value: str, month: Month) -> bytes:
        said = _said(field, value)
        text = b"\0".join((_CONTEXT, month.name.encode(), field.encode(), said.encode()))
        return hmac.digest(self._key, text, "sha256")[:_BYTES]

    def of(self, intent: Intent) -> dict[str, bytes]:
        """Return the token of each field that an intent fills."""
        month = month_of(intent.time_us)
        values = values_of(intent)
        return {field: self.token(field, value, month) for field, value in values.items() if value}


def values_of(intent: Intent) -> dict[str, str]:
    """Return what an intent says in each field."""
    return {
        "user": intent.user,
        "service": intent.service,
        "model": intent.model,
        "host": intent.host,
        "grant": intent.grant,
        "session": intent.session,
    }


def same(field: str, one: str, other: str) -> bool:
    """Tell whether two values are the same to a search."""
    return _said(field, one) == _said(field, other)


def _said(field: str, value: str) -> str:
    return canonical_name(value) if field == "user" else value
