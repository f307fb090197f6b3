"""Protobuf's wire format without its schema: which strings stand at which field numbers.

A length-delimited field may be a string, a message or bytes, and nothing on the wire tells which. What reads
as text is text; what also reads as a message is kept as both, so that no text is lost: an object whose
member ``""`` is the text. Everything else of the message is ``{"<field number>": [values]}``.
Source: the encoding documentation of Protocol Buffers.
"""

from __future__ import annotations

import re
from typing import Any

from sekimori.errors import WireError

MAX_DEPTH = 24
MAX_FIELDS = 1 << 17
_MAX_VARINT = 10
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
TEXT = ""
_NO_KIND = (3, 4, 6, 7)
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def read_message(data: bytes) -> dict[str, Any]:
    """Read a message; raises WireError where the bytes are none, or hold too many fields."""
    found = _Reader().message(data, MAX_DEPTH)
    if found is None:
        raise WireError("no protobuf message")
    return found


def text_of(value: Any) -> str:
    """Give the text of a field's value; empty where it has none."""
    if isinstance(value, dict):
        value = value.get(TEXT)
    return value if isinstance(value, str) else ""


def fields(message: Any, number: int) -> list[Any]:
    """List the values of a field."""
    found = message.get(str(number)) if isinstance(message, dict) else None
    return found if isinstance(found, list) else []


def first(message: Any, *path: int) -> Any:
    """Follow field numbers down to the first value there; ``None`` where there is none."""
    for number in path:
        message = next(iter(fields(message, number)), None)
    return message


class _Reader:
    """Reads one message with all that is in it; the fields of all levels and readings are counted."""

    def __init__(self) -> None:
        self._room = MAX_FIELDS

    def message(self, data: bytes, depth: int) -> dict[str, Any] | None:
        """Read bytes as a message; ``None`` where they are none."""
        split = self._split(data)
        if split is None:
            return None
        found: dict[str, Any] = {}
        for number, value in split:
            held = self._value(value, depth) if isinstance(value, bytes) else value
            found.setdefault(str(number), []).append(held)
        return found

    def _split(self, data: bytes) -> list[tuple[int, Any]] | None:
        split: list[tuple[int, Any]] = []
        at, end = 0, len(data)
        while at < end:
            tag, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
            number, kind = tag >> 3, tag & 7
            if at < 0 or not 0 < number < 1 << 29:
                return None
            value, at = _field(data, at, kind)
            if at < 0:
                return None
            split.append((number, value))
            if len(split) > self._room:
                raise WireError("too many protobuf fields")
        self._room -= len(split)
        return split

    def _value(self, data: bytes, depth: int) -> Any:
        try:
            text: str | None = data.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None and data and data[0] & 7 in _NO_KIND:
            return text  # the usual case: such a byte begins no field
        if not depth and data and self._split(data) is not None and (text is None or _CONTROL.search(text)):
            raise WireError(f"nested more than {MAX_DEPTH} deep")
        inner = self.message(data, depth - 1) if depth and data else None
        if inner is None:
            return text if text is not None else {"bytes": len(data)}
        worded = any(map(_holds_text, inner.values()))
        if text is None or _CONTROL.search(text):
            return inner if worded else inner | {"bytes": len(data)}
        if not worded:
            return text  # numbers may be read into any text
        inner[TEXT] = text
        return inner


def _holds_text(values: list[Any]) -> bool:
    return any(value if isinstance(value, str) else isinstance(value, dict) for value in values)


def _field(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    """Read a field's value; the place behind it is -1 where there is none."""
    if kind == _LENGTH:
        size, at = _varint(data, at)
        if at < 0 or at + size > len(data):
            return None, -1
        return data[at : at + size], at + size
    if kind == _VARINT:
        return _varint(data, at)
    size = 8 if kind == _FIXED64 else 4 if kind == _FIXED32 else 0
    return (None, at + size) if size and at + size <= len(data) else (None, -1)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift, byte in enumerate(data[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    return 0, -1
