"""Text as a detector reads it: width folded, invisible characters gone, and the way back.

``Normal`` joins several texts, so that a word cut over two messages is still found, and maps a place in
the normalised text back to the text and offset it came from. The map is made only for the line asked
about, as nearly every text has nothing to map.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

BREAK = "\n\x1c\n"

# What is drawn as nothing: soft hyphen, joiners, bidi marks, fillers, variation selectors, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)


# The stamp ㊙ folds into a bare 秘, which would lose that it is a stamp.
_STAMP, _STAMPED = "㊙", "【秘】"


def fold(text: str) -> str:
    """Give ``text`` in NFKC without invisible characters; ASCII comes back as it is."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text.replace(_STAMP, _STAMPED)))


class Normal:
    """Several texts as one normalised text."""

    __slots__ = ("_joined", "_starts", "text")

    def __init__(self, texts: Sequence[str]) -> None:
        self._joined = BREAK.join(texts)
        self._starts = [0]
        for text in texts[:-1]:
            self._starts.append(self._starts[-1] + len(text) + len(BREAK))
        self.text = fold(self._joined)

    def origin(self, place: int) -> tuple[int, int]:
        """Give the number of the text, and the offset in it, that ``place`` came from."""
        joined = place if self.text is self._joined else self._unfold(place)
        number = bisect_right(self._starts, joined) - 1
        return number, joined - self._starts[number]

    def _unfold(self, place: int) -> int:
        """Walk the one line of ``place``; folding neither makes nor removes a line feed."""
        line = self.text.count("\n", 0, place)
        left = place - (self.text.rfind("\n", 0, place) + 1)
        at = 0
        for _ in range(line):
            at = self._joined.index("\n", at) + 1
        while at < len(self._joined):
            end = _cluster_end(self._joined, at)
            left -= len(fold(self._joined[at:end]))
            if left < 0:
                break
            at = end
        return at


def _cluster_end(text: str, start: int) -> int:
    """Find the end of a character with what composes onto it (ﾊ and ﾞ fold into one バ)."""
    end = start + 1
    while end < len(text) and (unicodedata.combining(text[end]) or text[end] in "ﾞﾟ"):
        end += 1
    return end
