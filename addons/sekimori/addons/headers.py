"""Headers that are between the client and the gate, and never travel upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitmproxy.http import Headers

_NEVER_UPSTREAM = frozenset({b"via", b"forwarded", b"x-authenticated-user", b"x-real-ip", b"client-ip"})
_PREFIXES = (b"proxy-", b"x-sekimori-", b"x-forwarded-")


def strip(headers: Headers) -> None:
    """Remove what tells the service about the proxy, the person or the policy."""
    kept = tuple((name, value) for name, value in headers.fields if not private(name.lower()))
    if len(kept) != len(headers.fields):
        headers.fields = kept


def unsafe_fields(headers: Headers) -> bool:
    """Tell whether a value holds a line break or NUL: a folded line hides a header from one reader."""
    values = b" ".join([value for _, value in headers.fields])
    return b"\r" in values or b"\n" in values or b"\0" in values


def private(name: bytes) -> bool:
    """Tell whether the lower-case header ``name`` must not leave."""
    return name in _NEVER_UPSTREAM or name.startswith(_PREFIXES)
