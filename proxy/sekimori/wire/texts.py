"""Every human-readable text of a decoded JSON value, wherever it stands.

This serves the class detector, which must miss nothing: it knows no dialect, and leaves out only identifiers
and inline data. Strings that hold JSON with escapes are opened, because an escape hides text from a detector.
"""

from __future__ import annotations

import re
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.jsontext import read_json

MAX_DEPTH = 100
_IDENTIFIERS = frozenset({"type", "role", "object", "id", "model", "status"})
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_USUAL = frozenset({"user", "assistant", "system", "tool", "text", "string", "object", "function", "integer"})
_BLOB = 512


def texts_of(value: Any, out: list[str]) -> int:
    """Append each text of ``value`` to ``out`` in order, then the member names that are words.

    Returns how many members its objects have in all; raises WireError where it is nested too deeply. Runs
    over every request, member by member: what is written out here is fast.
    """
    names: set[str] = set()
    members = _walk([value], out, names, MAX_DEPTH)
    out += [name for name in names if " " in name or not name.isascii()]
    return members


def _walk(value: Any, out: list[str], names: set[str], depth: int) -> int:
    if depth == 0:
        raise WireError(f"nested more than {MAX_DEPTH} deep")
    if type(value) is not dict:
        return _walk_list(value, out, names, depth)
    members = len(value)
    names.update(value)
    for name, item in value.items():
        kind = type(item)
        if kind is str:
            if name in _IDENTIFIERS and (item in _USUAL or _IDENTIFIER.fullmatch(item)):
                continue
            if item and len(item) < _BLOB and item[0] not in "{[":
                out.append(item)
            else:
                _text(item, out)
        elif kind is dict or kind is list:
            members += _walk(item, out, names, depth - 1)
    return members


def _walk_list(value: list[Any], out: list[str], names: set[str], depth: int) -> int:
    members = 0
    for item in value:
        kind = type(item)
        if kind is str:
            _text(item, out)
        elif kind is dict or kind is list:
            members += _walk(item, out, names, depth - 1)
    return members


def _text(text: str, out: list[str]) -> None:
    if not text or (len(text) >= _BLOB and is_blob(text)):
        return
    if text[0] in "{[" and "\\u" in text:
        held: list[str] = []
        try:
            # Each level inside doubles the backslashes, so the levels are bounded by the length of the text.
            texts_of(read_json(text), held)
        except WireError:
            held = [text]  # no JSON after all: the text is taken as it is
        out += held
    else:
        out.append(text)


def texts_of_file(text: str) -> list[str]:
    """List the texts of a file; where it holds JSON with escapes, as one text or in lines, it is opened."""
    if "\\u" not in text or text.lstrip()[:1] not in ("{", "["):
        return [text]
    found: list[str] = []
    whole = len(text.splitlines()) == 1 or "}\n{" not in text
    for part in [text] if whole else text.splitlines():
        try:
            texts_of(read_json(part) if part.strip() else None, found)
        except WireError:
            found.append(part)
    return found


def is_blob(text: str) -> bool:
    """Tell inline data from text: long, ASCII, and without a space anywhere."""
    return text.isascii() and " " not in text and "\n" not in text


def bears_text(value: Any) -> bool:
    """Tell whether a value holds something a person might have written: words, or anything but ASCII."""
    found: list[str] = []
    texts_of(value, found)
    return any(not text.isascii() or " " in text.strip() for text in found)
