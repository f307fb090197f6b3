"""How much room text takes: Japanese characters are two half-width ones wide."""

from __future__ import annotations

import unicodedata

_WIDE = frozenset("WFA")


def width(text: str) -> int:
    """Measure a line in half-width characters."""
    return sum(2 if unicodedata.east_asian_width(char) in _WIDE else 1 for char in text)


def height(text: str, room: int) -> int:
    """Count the lines that a text takes in a column ``room`` half-width characters wide."""
    return sum(max(1, -(-width(line) // max(2, room))) for line in text.split("\n"))
