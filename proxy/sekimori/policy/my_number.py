"""個人番号: twelve digits with a check digit, near a word that says what they are.

Check digit: 平成26年総務省令第85号 第5条. One random number of twelve digits in ten passes it, so that a
number alone proves nothing: a keyword must stand within 300 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

KEYWORD_WINDOW = 300

_GAP = r"[\s\-‐‑‒–—―−ー_./・,]{0,3}"
_WEIGHTS = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_KANJI_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")


def _spaced(word: str) -> str:
    return r"[\s・._\-]{0,3}".join(word)


_JAPANESE = re.compile(
    "|".join(
        _spaced(word) for word in ("マイナンバー", "マイナカード", "個人番号", "共通番号", "特定個人情報")
    )
)
_ENGLISH = re.compile(_spaced("mynumber") + r"|individual[\s_\-]{0,3}number", re.IGNORECASE)
_BEGIN = re.compile(r"[マ個共特](?=[\s・._\-]{0,3}[イ人通定])")
_DIGIT_RUN = re.compile(rf"\d(?:{_GAP}\d)*")
_GROUP = re.compile(r"\d+")


def is_my_number(digits: str) -> bool:
    """Tell whether twelve digits carry their check digit and are not all the same."""
    if len(digits) != 12 or len(set(digits)) == 1:
        return False
    rest = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=False)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def find_my_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of 個人番号 in folded text."""
    for start, end in _windows(text):
        window = text[start:end].translate(_KANJI_DIGITS)
        for run in _DIGIT_RUN.finditer(window):
            for first, last in _candidates(window, run.start(), run.end()):
                yield start + first, start + last


def _keywords(text: str) -> Iterator[tuple[int, int]]:
    if not text.isascii():
        for begin in _BEGIN.finditer(text):
            if match := _JAPANESE.match(text, begin.start()):
                yield match.span()
    lowered = text.lower()
    if "umber" in lowered or "u m b e r" in lowered:
        yield from (match.span() for match in _ENGLISH.finditer(text))


def _windows(text: str) -> list[tuple[int, int]]:
    """Give the parts of ``text`` near a keyword, those that touch as one, so that none is read twice."""
    windows: list[tuple[int, int]] = []
    for first, last in sorted(_keywords(text)):
        start, end = max(0, first - KEYWORD_WINDOW), min(len(text), last + KEYWORD_WINDOW)
        start, end = _whole_digits(text, start, end)
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(windows[-1][1], end))
        else:
            windows.append((start, end))
    return windows


def _whole_digits(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a window a little, so that it does not cut a longer number into twelve digits."""
    floor, ceiling = max(0, start - 40), min(len(text), end + 40)
    while start > floor and text[start - 1 : start + 1].isdigit():
        start -= 1
    while end < ceiling and text[end - 1 : end + 1].isdigit():
        end += 1
    return start, end


def _candidates(window: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    groups = [match.span() for match in _GROUP.finditer(window, start, end)]
    sizes = [last - first for first, last in groups]
    for size in (1, 4, 12):
        count = 12 // size
        for number in range(len(groups) - count + 1):
            if all(length == size for length in sizes[number : number + count]):
                span = groups[number][0], groups[number + count - 1][1]
                if is_my_number(_digits(window[slice(*span)])):
                    yield span
    odd = sum(sizes) == 12 and len(set(sizes)) > 1
    if odd and is_my_number(_digits(window[start:end])):
        yield start, end


def _digits(text: str) -> str:
    return "".join(str(int(char)) for char in text if char.isdecimal())
