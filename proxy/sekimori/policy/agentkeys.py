"""The keys of agents and applications: how one is written, recognised and kept.

A key is 256 random bits, so its plain SHA-256 tells nothing and costs nothing to compare. It is bound to one
grant and belongs to one person, who answers for what is done with it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

import msgspec

PREFIX = "sk-seki-"
_KEY = re.compile(r"sk-seki-([a-z2-7]{10})-([A-Za-z0-9_-]{43})")
_ID_BYTES, _SECRET_BYTES, _ID_LENGTH = 7, 32, 10


class AgentKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a key: never the key. ``revoked_us`` is 0 while it is good."""

    id: str
    sha256: str
    grant: str
    label: str = ""
    created_us: int = 0
    revoked_us: int = 0


def new_key(random: Callable[[int], bytes], *, grant: str, label: str, now_us: int) -> tuple[str, AgentKey]:
    """Make a key; its text exists only in what is returned."""
    id_ = base64.b32encode(random(_ID_BYTES)).decode().lower()[:_ID_LENGTH]
    secret = base64.urlsafe_b64encode(random(_SECRET_BYTES)).decode().rstrip("=")
    text = f"{PREFIX}{id_}-{secret}"
    return text, AgentKey(id=id_, sha256=_hashed(text), grant=grant, label=label, created_us=now_us)


def key_id(text: str) -> str | None:
    """Return the id of what is written like a key, None for everything else."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def opens(text: str, key: AgentKey) -> bool:
    """Tell whether ``text`` is that key, and the key is good."""
    return _hashed(text) == key.sha256 and not key.revoked_us


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
