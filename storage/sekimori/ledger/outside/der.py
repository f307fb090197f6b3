"""The certificates of a time-stamp in the order of DER: OpenSSL's authorities send them as they were given. Pure.

DER wants the elements of a set sorted, and a strict reader refuses the rest. No signature covers that set,
so putting it in order changes nothing that was signed, and no length.
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _CERTIFICATES, _CONTENT = 0x30, 0xA0, 0xA0


def certificates_in_order(stamp: bytes) -> bytes:
    """Return a time-stamp with its certificates sorted; raises ValueError if it is no such thing."""
    (whole,) = _children(stamp, 0, len(stamp))
    token = _nth(stamp, whole, 1, _SEQUENCE)
    content = _nth(stamp, token, 1, _CONTENT)
    signed = _nth(stamp, content, 0, _SEQUENCE)
    for at, start, end in _children(stamp, *signed[1:]):
        if stamp[at] == _CERTIFICATES:
            parts = sorted(stamp[one:stop] for one, _, stop in _children(stamp, start, end))
            return stamp[:start] + b"".join(parts) + stamp[end:]
    return stamp


def _nth(data: bytes, parent: tuple[int, int, int], n: int, tag: int) -> tuple[int, int, int]:
    children = list(_children(data, *parent[1:]))
    if len(children) <= n or data[children[n][0]] != tag:
        raise ValueError("not built as a time-stamp is")
    return children[n]


def _children(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield of each element where it begins, where its content begins and where it ends."""
    while start < end:
        content, length = start + 2, data[start + 1] if start + 1 < end else 0
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[content : content + count])
            content += count
        if content + length > end:
            raise ValueError("an element goes beyond its parent")
        yield start, content, content + length
        start = content + length
