"""Where a JSON body can be cut so that what is sent again is cut the same way again.

A language model's client sends the whole conversation with every turn: an array that grows at its end.
``spans`` cuts behind each object of such an array and around the members that stay the same, and leaves
everything else to the glue between. The spans always add up to the body, whatever the body is; one that
isn't a JSON object is one span, and one that stops being it is one span from there on.

There are two ways that cut alike. msgspec finds the ends of values fast and refuses what is not strictly
JSON; what it refuses (a lone surrogate, a capture that was cut) and what would cost it too much memory is
read by looking at brackets and strings only. Time and memory are bounded whatever a client sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

ARRAYS = frozenset({b"messages", b"input", b"contents"})
"""Members of the top level whose value is an array of turns."""

WHOLES = frozenset(
    {b"tools", b"functions", b"system", b"instructions", b"systemInstruction", b"system_instruction"}
)
"""Members of the top level that stay the same from turn to turn."""

MAX_SPANS = 8192
MAX_STEPS = 300_000
"""Brackets, strings and escaped quotes that are looked at one by one."""
MAX_COMMAS = 250_000
"""More values than this msgspec is not asked for: it would hold an object for each."""

_SHORT = 128
"""A member shorter than this isn't worth a span of its own."""

_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBER = re.compile(rb'[ \t\r\n{,]*+"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+')
_GAP = re.compile(rb"[ \t\r\n,]*+")
_SIGN = re.compile(rb'["\[\]{}]')
_COLON = re.compile(rb"[ \t\r\n]*+:")
_BLANK = re.compile(rb"[ \t\r\n]*+")
_QUOTE, _BACKSLASH = b'"'[0], b"\\"[0]
_BRACKET, _BRACE, _END_BRACE = b"["[0], b"{"[0], b"}"[0]
_WORTHY = (_QUOTE, _BRACKET, _BRACE)
_WINDOW = 64


class Span(NamedTuple):
    """A piece of the body; ``turn`` tells a turn of the conversation from what surrounds it."""

    start: int
    end: int
    turn: bool


class Members(NamedTuple):
    """Which members of the top level are cut, and how."""

    arrays: frozenset[bytes] = ARRAYS
    wholes: frozenset[bytes] = WHOLES


DEFAULT = Members()


def spans(body: bytes, members: Members = DEFAULT) -> list[Span]:
    """Return the spans of a body, in order and without a gap."""
    found: list[Span] = []
    at = 0
    for start, end, turn in _fast(body, members) or _slow(body, members):
        if start > at:
            found.append(Span(at, start, False))
        found.append(Span(start, end, turn))
        at = end
        if len(found) >= MAX_SPANS - 2:
            break
    if at < len(body):
        found.append(Span(at, len(body), False))
    return found


def _fast(body: bytes, members: Members) -> list[Span]:
    """Return the spans worth cutting out; none when msgspec refuses the body or nothing is to be cut."""
    if body.count(b",") > MAX_COMMAS:
        return []
    try:
        values = _OBJECT.decode(body)
        found: list[Span] = []
        at = 0
        for _ in values:
            member = _MEMBER.match(body, at)
            value = bytes(values[member[1].decode()]) if member else b""
            if member is None or not body.startswith(value, member.end()):
                return []  # a name twice, or written with escapes
            at = member.end() + len(value)
            if member[1] in members.arrays and value[0] == _BRACKET:
                found += _turns(body, member.end(), _ARRAY.decode(value))
            elif member[1] in members.wholes and value[0] in _WORTHY and len(value) >= _SHORT:
                found.append(Span(member.end(), at, False))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return []
    return found


def _turns(body: bytes, at: int, elements: list[msgspec.Raw]) -> Iterator[Span]:
    """Yield the spans of an array that begins there; the comma before a turn belongs to it."""
    at += 1
    turn_at = 0
    for element in elements:
        gap = _GAP.match(body, at)
        start = gap.end() if gap else at
        at = start + memoryview(element).nbytes
        if not turn_at and body[start] in (_BRACE, _BRACKET):
            turn_at = start
        if body[start] == _BRACE:
            yield Span(turn_at, at, True)
            turn_at = at


def _slow(body: bytes, members: Members) -> Iterator[Span]:
    """Yield the same spans, by brackets and strings alone."""
    depth = 0
    key = b""
    turns = False
    value_at = turn_at = 0
    for at, end in _signs(body):
        sign = body[at]
        if sign == _QUOTE:
            if depth != 1:
                continue
            if _COLON.match(body, end):
                key = body[at + 1 : end - 1]
            elif key in members.wholes and end - at >= _SHORT:
                yield Span(at, end, False)
        elif sign in (_BRACKET, _BRACE):
            depth += 1
            if depth == 2:
                value_at, turn_at = at, 0
                turns = sign == _BRACKET and key in members.arrays
            elif depth == 3 and turns and not turn_at:
                turn_at = at
        else:
            depth -= 1
            if depth == 2 and turns and sign == _END_BRACE:
                yield Span(turn_at, end, True)
                turn_at = end
            elif depth == 1 and not turns and key in members.wholes and end - value_at >= _SHORT:
                yield Span(value_at, end, False)
            elif depth < 1:
                return


def _signs(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the strings and brackets of an object stand, as long as the steps last."""
    blank = _BLANK.match(body)
    at = blank.end() if blank else 0
    if body[at : at + 1] != b"{":
        return
    steps = MAX_STEPS
    while steps > 0 and (found := _SIGN.search(body, at)):
        at, end = found.span()
        if body[at] == _QUOTE:
            end = body.find(b'"', end)
            while end > 0 and body[end - 1] == _BACKSLASH and _is_escaped(body, end):
                end = body.find(b'"', end + 1)
                steps -= 1
                if not steps:
                    return
            if end < 0:
                return
            end += 1
        yield at, end
        at = end
        steps -= 1


def _is_escaped(body: bytes, at: int) -> bool:
    """Tell whether an odd number of backslashes stands before a quote."""
    window = _WINDOW
    while True:
        before = body[max(0, at - window) : at]
        count = len(before) - len(before.rstrip(b"\\"))
        if count < len(before) or window > at:
            return count % 2 == 1
        window *= 8
