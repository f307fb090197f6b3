"""API tokens of an account: made once, kept as hashes beside the account, found by what they themselves name.

A token is ``skm_`` and three parts: the keyed token of the account's row, the token's own id, and the secret. So it
is looked up without walking anybody's accounts, and says no name to whoever finds it in a log.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

PREFIX = "skm_"
_FORM = re.compile(r"skm_([0-9a-f]{32})_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class ApiToken(msgspec.Struct, frozen=True):
    """What is kept of a token."""

    id: str
    sha256: str
    label: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int


def written(row: str, id_: str, secret: str) -> str:
    """Write a token as its owner gets it."""
    return f"{PREFIX}{row}_{id_}_{secret}"


def parts(token: str) -> tuple[str, str, str] | None:
    """Take a token apart: row, id and secret; None for what is none."""
    match = _FORM.fullmatch(token)
    return None if match is None else (match[1], match[2], match[3])


def hashed(secret: str) -> str:
    """Give what is kept of a secret: it is random and long, so that a plain hash keeps it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def fits(kept: ApiToken, secret: str, now_us: int) -> bool:
    """Say whether a secret is the token's, and the token good."""
    right = hmac.compare_digest(kept.sha256, hashed(secret))
    return right and now_us < kept.expires_us
