"""The class of a text, as far as it says so itself: markings and 個人番号.

A first detector: it reads the texts that the wire reader saw and names of files, not attachments. What
it finds raises the class of a request and never lowers it. ``mask`` makes the only form in which a
refused text may be kept outside the encrypted record.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sekimori.policy.markings import ENGLISH_LETTERS, find_markings, marks_file_name
from sekimori.policy.my_number import find_my_numbers
from sekimori.policy.normal import Normal, fold

MASK_LIMIT = 400
_NEAR = 60
_DIGITS = "個人番号"
_MAX_HITS = 10
_MAX_FILENAMES = 1_000
# Long numbers, addresses and tokens, whether or not a detector knows them.
_REVEALING = re.compile(r"\d(?:[\s\-]?\d){3,}|[^\s@<>(),;]{1,64}@[^\s@<>(),;]{1,64}|[A-Za-z0-9_\-]{20,}")
_GAPS = str.maketrans("", "", " \t\r\n._-*~|/")
_ASCII_WORDS = (*ENGLISH_LETTERS, "mynumber", "individualnumber")
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found: what, in which text and where (``text`` is -1 for a file name), itself masked.

    ``marks`` is false for a word that is only mentioned; such a hit raises nothing.
    """

    kind: str
    text_masked: str
    offset: int
    text: int = 0
    klass: int = 1
    marks: bool = True


@dataclass(frozen=True, slots=True)
class Classified:
    """The class that texts show, and what shows it."""

    klass: int = 1
    hits: tuple[Hit, ...] = ()
    my_number: bool = False

    @property
    def detected_by(self) -> tuple[str, ...]:
        """Name what raised the class, each kind once."""
        return tuple(dict.fromkeys(hit.kind for hit in self.hits if hit.marks))


def classify(texts: Sequence[str], filenames: Sequence[str] = ()) -> Classified:
    """Find the class of ``texts`` and ``filenames`` together; ``klass`` 1 where nothing is found."""
    hits = list(_file_name_hits(filenames))
    if texts and not all(map(_is_clean, texts)):
        hits += _text_hits(Normal(texts))
    real = [hit for hit in hits if hit.marks]
    return Classified(
        klass=max((hit.klass for hit in real), default=1),
        hits=tuple(hits),
        my_number=any(hit.kind == _DIGITS for hit in real),
    )


def _is_clean(text: str) -> bool:
    """Tell at once that an ASCII text holds no word that matters, which is so for nearly all of them."""
    if not text.isascii():
        return False
    squeezed = text.lower().translate(_GAPS)
    return not any(word in squeezed for word in _ASCII_WORDS)


def _text_hits(normal: Normal) -> Iterator[Hit]:
    """Yield what counts and a few mentions; a class that has shown itself often enough is not told again."""
    told: Counter[tuple[int, bool]] = Counter()
    for marking in find_markings(normal.text):
        told[marking.klass, marking.marks] += 1
        if told[marking.klass, marking.marks] <= _MAX_HITS:
            number, offset = normal.origin(marking.start)
            yield Hit(marking.name, marking.name, offset, number, marking.klass, marking.marks)
        elif marking.marks and marking.klass == 3:
            break
    for start, _ in islice(find_my_numbers(normal.text), _MAX_HITS):
        number, offset = normal.origin(start)
        yield Hit(_DIGITS, "●" * 12, offset, number, klass=2)


def _file_name_hits(filenames: Sequence[str]) -> Iterator[Hit]:
    for name in filenames[:_MAX_FILENAMES]:
        for marking in marks_file_name(fold(name[:500])):
            yield Hit(marking.name, marking.name, marking.start, -1, marking.klass)


def mask(text: str, limit: int = MASK_LIMIT) -> str:
    """Give the beginning of ``text`` with nothing in it that a refusal was about.

    A text that bears a marking keeps its shape and its markings, no word; beside a 個人番号 nothing stays
    readable either. Long numbers, mail addresses and tokens are always masked.
    """
    folded = fold(text)
    markings = [marking for marking in find_markings(folded) if marking.marks]
    numbers = list(find_my_numbers(folded))
    hidden = [(max(0, start - _NEAR), end + _NEAR) for start, end in numbers]
    if markings:
        hidden = [(0, len(folded))]
    shown = folded[:limit]
    for start, end in hidden:
        shown = shown[:start] + _LETTER.sub("■", shown[start:end]) + shown[end:]
    for marking in markings:
        shown = (
            shown[: marking.start] + folded[marking.start : min(marking.end, limit)] + shown[marking.end :]
        )
    shown = _REVEALING.sub(lambda match: "●" * len(match[0]), shown)
    return shown[: limit - 1] + "…" if len(folded) > limit else shown
