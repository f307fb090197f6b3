"""Keys from keys: HKDF-SHA256 (RFC 5869) with an empty salt, 32 bytes, and one label a purpose."""

from __future__ import annotations

import hmac

_NO_SALT = bytes(32)
_LABEL = b"sekimori/v1/"


def derive(key: bytes, purpose: bytes) -> bytes:
    """Return the key that serves one purpose; two purposes never share one."""
    extracted = hmac.digest(_NO_SALT, key, "sha256")
    return hmac.digest(extracted, _LABEL + purpose + b"\x01", "sha256")
