"""The JSON text of a request, as the strictest and the laxest server would read it.

Where they differ it is not ``sure``. A member given twice is how one text means two things to two parsers,
and parsers drop the other one silently. The fast one is trusted only where the text is shown to hold as many
members as came out; else the standard library's parser, which shows every pair of an object, reads it again.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from sekimori.errors import WireError
from sekimori.wire.jsontext import scrub
from sekimori.wire.texts import texts_of

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF8_NAMES = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_SPACE = b" \t\r\n"
_DECODER = msgspec.json.Decoder()
MAX_ELEMENTS = 300_000
"""Members and elements of one text; a few compressed kilobytes can hold millions, each an object to build."""


@dataclass(frozen=True, slots=True)
class Certain:
    """A JSON text: its value, its texts, whether every parser sees that value, and the names given twice."""

    value: Any
    texts: list[str]
    sure: bool = True
    twice: tuple[str, ...] = ()


def read_certain(body: bytes, declared: str = "") -> Certain:
    """Read the JSON text of a request whose Content-Type declares this charset.

    Raises WireError where it is no JSON text, or nested beyond the bound.
    """
    if body.count(b",") > MAX_ELEMENTS or body.count(b"[") + body.count(b"{") > MAX_ELEMENTS:
        raise WireError(f"the text has more than {MAX_ELEMENTS} elements")
    texts: list[str] = []
    try:
        value = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _slowly(body, declared)
    if texts_of(value, texts) != _members(body):
        return _slowly(body, declared)
    return Certain(value, texts, declared in _UTF8_NAMES)


def _members(body: bytes) -> int:
    """Count the members of all objects by their bytes: a quote before a colon ends a name.

    Unless it is escaped; and a string whose first character is a colon looks the same. So the count may be
    too high, never too low, and then the text is read again at three times the cost.
    """
    names = 0
    for piece in body.split(b":")[:-1]:
        if piece[-1:] != b'"':
            piece = piece.rstrip(_SPACE)
            if piece[-1:] != b'"':
                continue
        if piece[-2:-1] != b"\\" or _escapes(piece) % 2 == 0:
            names += 1
    return names


def _escapes(piece: bytes) -> int:
    before = piece[:-1]
    return len(before) - len(before.rstrip(b"\\"))


class _Pairs:
    """Builds objects and notes members given twice, and numbers that are none in JSON."""

    __slots__ = ("hidden", "odd", "twice")

    def __init__(self) -> None:
        self.twice: list[str] = []
        self.hidden: list[Any] = []
        self.odd = False

    def build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self._note(pairs)
        return made

    def constant(self, name: str) -> None:  # noqa: ARG002 - NaN and Infinity are no JSON, whichever it is
        self.odd = True

    def _note(self, pairs: list[tuple[str, Any]]) -> None:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                self.twice.append(key)
                self.hidden.append(seen[key])
            seen[key] = value


def _slowly(body: bytes, declared: str) -> Certain:
    encoding = unicode_of(body)
    pairs = _Pairs()
    decoder = json.JSONDecoder(object_pairs_hook=pairs.build, parse_constant=pairs.constant)
    texts: list[str] = []
    try:
        text = body.decode(encoding).removeprefix("\ufeff")
        value = decoder.decode(text)
        if "\\ud" in text or "\\uD" in text:
            value, pairs.hidden = scrub(value), scrub(pairs.hidden)
    except (ValueError, RecursionError) as fault:
        raise WireError(f"the body is no JSON text: {fault}") from fault
    texts_of(value, texts)
    texts_of(pairs.hidden, texts)
    sure = not pairs.odd and _agree(declared, encoding)
    return Certain(value, texts, sure, tuple(pairs.twice))


def unicode_of(body: bytes) -> str:
    """Tell the Unicode encoding of a JSON text by its mark, or by its first NULs (RFC 4627, 3)."""
    for bom, name in _BOMS:
        if body.startswith(bom):
            return name
    if b"\0" not in body[:4]:
        return "utf-8"
    if body[:1] == b"\0":
        return "utf-16-be" if body[1:2] != b"\0" else "utf-32-be"
    return "utf-32-le" if body[1:4] == b"\0\0\0" else "utf-16-le"


def _agree(declared: str, encoding: str) -> bool:
    if encoding == "utf-8":
        return declared in _UTF8_NAMES
    return not declared or encoding.startswith(declared)
