"""Text from the wire, made fit to be shown: what is invisible or reorders a line becomes visible.

Escaping for HTML or JSON is left to their writers; this comes before it.
"""

from __future__ import annotations

import re
import unicodedata

# Controls, format characters (bidirectional overrides, zero widths, tags), lone surrogates, private
# use, unassigned, and the two separators that some line readers break at.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NOT_A_TOKEN = re.compile(r"[^A-Za-z0-9._-]")


def visible(text: str, limit: int = 200) -> str:
    """Return ``text`` with unseen characters spelt as ``‹U+202E›``, at most ``limit`` characters of it."""
    shown = "".join(_spell(char) for char in text[:limit])
    return shown + "…" if len(text) > limit else shown


def header_token(text: str) -> bytes:
    """Reduce ``text`` to what may stand in a header value whatever its origin."""
    return _NOT_A_TOKEN.sub("", text)[:64].encode("ascii")


def shown_path(path: str) -> str:
    """Return the path without its query and fragment, which may hold content and credentials."""
    return visible(re.split(r"[?#]", path, maxsplit=1)[0], 160)


def _spell(char: str) -> str:
    return f"‹U+{ord(char):04X}›" if unicodedata.category(char) in _UNSEEN else char
