"""Confidentiality markings: 機密性2, 極秘, 部外秘, CONFIDENTIAL and their like, where they mark something.

A text *about* a marking is no marking. A word counts where it stands alone on a line, in brackets, after
a label such as 区分:, or as a token in the first or last lines of a longer text. Elsewhere, and in
quotation marks, it is only mentioned. Spaces and line breaks inside a word do not hide it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sekimori.policy.normal import BREAK

_SPACE = r"[\s・._\-*~|/]{0,3}"
_LINE = 80
_HEADING = 60
_HEAD_LINES, _FOOT_LINES = 5, 3


@dataclass(frozen=True, slots=True)
class Marking:
    """A marking in folded text: its usual name, the class it stands for, where, and whether it marks."""

    name: str
    klass: int
    start: int
    end: int
    marks: bool


# Name, class, letters: ``?`` makes the letter before it optional. The first that fits wins.
_WORDS = (
    ("特定秘密", 3, "特定秘密"),
    ("特別防衛秘密", 3, "特別防衛秘密"),
    ("機密性3", 3, "機密性3"),
    ("機密性2", 2, "機密性2"),
    ("対外厳秘", 2, "対外厳秘"),
    ("部外秘", 2, "部外秘"),
    ("社外秘", 2, "社外秘"),
    ("庁外秘", 2, "庁外秘"),
    ("省外秘", 2, "省外秘"),
    ("対外秘", 2, "対外秘"),
    ("関係者外秘", 2, "関係者外秘"),
    ("関係者限り", 2, "関係者限り"),
    ("部内限り", 2, "部内限り"),
    ("取扱厳重注意", 2, "取り?扱い?厳重注意"),
    ("取扱注意", 2, "取り?扱い?注意"),
    ("複製禁止", 2, "複製禁止"),
    ("転送禁止", 2, "転送禁止"),
    ("要返却", 2, "要返却"),
    ("会議後回収", 2, "会議後回収"),
    ("極秘", 3, "極秘"),
    ("時限秘", 3, "時限秘"),
    ("時秘", 3, "時秘"),
    ("マル秘", 3, "マル秘"),
    ("マル秘", 3, "丸秘"),
    ("機3", 3, "機3"),
    ("機2", 2, "機2"),
    ("秘", 3, "秘"),
)
# Too short, or too common inside other words, to count as a token of a heading or after a label.
_SHORT = frozenset({"秘", "時秘", "機2", "機3"})
_ENGLISH_WORDS = (
    ("Secret", 3, r"TOP\s?SECRET|S\s?E\s?C\s?R\s?E\s?T|(?:Top )?Secret"),
    ("Internal Use Only", 2, r"(?:FOR )?INTERNAL USE ONLY|(?:For )?Internal [Uu]se [Oo]nly"),
    ("Confidential", 2, r"C\s?O\s?N\s?F\s?I\s?D\s?E\s?N\s?T\s?I\s?A\s?L|Confidential"),
    ("Proprietary", 2, r"P\s?R\s?O\s?P\s?R\s?I\s?E\s?T\s?A\s?R\s?Y|Proprietary"),
)
_VARIANTS = {"秘": "[秘祕]", "2": "(?:2|二|弐|II|ii)", "3": "(?:3|三|参|III|iii)"}


def _spaced(word: str) -> str:
    letters = [_VARIANTS.get(letter, letter) for letter in word.replace("?", "")]
    for number, letter in enumerate(re.findall(r".\??", word)):
        last = number == len(letters) - 1
        letters[number] += "" if last else _SPACE
        if letter.endswith("?"):
            letters[number] = f"(?:{letters[number]})?"
    return "".join(letters) + ("(?![0-9Ii])" if word[-1] in "23" else "")


_PATTERNS = [_spaced(word) for _, _, word in _WORDS]
_ENGLISH_PATTERNS = [rf"(?<![A-Za-z0-9])(?:{word})(?![A-Za-z0-9])" for _, _, word in _ENGLISH_WORDS]
_SECOND = "".join(dict.fromkeys(word.replace("?", "")[1:2] for _, _, word in _WORDS)) + "扱I二弐三参祕i"
# Where a word may begin: its first letter, and a second one behind it. Few places of a text pass this.
_BEGIN = re.compile(
    f"[{''.join(dict.fromkeys(word[0] for _, _, word in _WORDS))}](?={_SPACE}[{_SECOND}])|[秘祕]"
)
_NEEDED = "秘祕機注限禁却収"  # a text without any of these holds no Japanese marking
_BY_FIRST = {
    first: [
        (name, klass, re.compile(pattern))
        for (name, klass, word), pattern in zip(_WORDS, _PATTERNS, strict=True)
        if word[0] == first or (word[0] == "秘" and first == "祕")
    ]
    for first in (*(word[0] for _, _, word in _WORDS), "祕")
}
_ENGLISH = re.compile("|".join(f"({pattern})" for pattern in _ENGLISH_PATTERNS))
_WORD = re.compile("|".join((*_PATTERNS, *_ENGLISH_PATTERNS)))
# A cheap look for the letters alone, before the spaced patterns are tried.
ENGLISH_LETTERS = ("confidential", "secret", "proprietary", "internaluseonly")
_NO_SPACE = str.maketrans("", "", " \t\r\n")

# What may stand beside a marking without making a sentence of it.
_BESIDE = re.compile(
    r"情報|文書|資料|取扱い?|限定|頁|ページ|[第号版案]|\d|[^\w?]|_"
    r"|\b(?:strictly|company|highly|only|and|do not distribute|not for distribution|page|of)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:格付け?|区分|取扱い?|機密レベル|分類|classification|sensitivity|confidentiality|marking|label)"
    r"\s{0,3}[:=]\s{0,3}$",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\s{0,3}(?:情報|文書)?\s{0,3}(?:とは|とい|って|以上|以下|及び|又は|[のにをはがともやで?])"
)
_NOUN = re.compile(r"^(?:情報|文書|資料)?\s{0,3}")
_QUOTES = {"「": "」", "『": "』", '"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
_OPEN, _CLOSE = "【[〔《〈(", "】]〕》〉)"
_SENTENCE = re.compile(r"[ぁ-ん。？?！!]")
_JOINING = re.compile(r"[のび]")


def find_markings(text: str) -> Iterator[Marking]:
    """Yield every marking and every mention in folded text, in no more than linear time."""
    if not text.isascii() and any(letter in text for letter in _NEEDED):
        yield from _japanese(text)
    squeezed = text.lower().translate(_NO_SPACE) if text.isascii() else text.lower().replace(" ", "")
    if any(word in squeezed for word in ENGLISH_LETTERS):
        for match in _ENGLISH.finditer(text):
            name, klass, _ = _ENGLISH_WORDS[(match.lastindex or 1) - 1]
            yield Marking(name, klass, *match.span(), _marks_english(text, *match.span(), name))


def _japanese(text: str) -> Iterator[Marking]:
    end = 0
    for begin in _BEGIN.finditer(text):
        start = begin.start()
        if start < end:
            continue
        for name, klass, pattern in _BY_FIRST[text[start]]:
            if match := pattern.match(text, start):
                end = match.end()
                yield Marking(name, klass, start, end, _marks(text, start, end, name))
                break


def marks_file_name(name: str) -> list[Marking]:
    """Find the markings of a file name, where a word needs no brackets to count."""
    found = []
    for marking in find_markings(name):
        told = marking.name not in _SHORT or marking.marks or _stands_apart(name, marking)
        if told and not _ABOUT.match(name, marking.end):
            english_word = marking.name == "Secret" and not name[marking.start : marking.end].isupper()
            if not english_word:
                found.append(marking)
    return found


def _stands_apart(text: str, marking: Marking) -> bool:
    around = text[max(0, marking.start - 1) : marking.start] + text[marking.end : marking.end + 1]
    return not any(char.isalnum() for char in around)


def _line(text: str, start: int, end: int) -> tuple[int, int]:
    """Give the ends of the line (or lines) of a span, no further than a heading can be away."""
    first = text.rfind("\n", max(0, start - _LINE), start) + 1 or max(0, start - _LINE)
    last = text.find("\n", end, end + _LINE)
    return first, last if last >= 0 else min(len(text), end + _LINE)


def _marks(text: str, start: int, end: int, name: str) -> bool:
    first, last = _line(text, start, end)
    before, after = text[first:start].rstrip(), text[end:last].lstrip()
    if _is_quoted(before, after):
        return False
    if last - first <= _LINE and _only_markings(before + after):
        return True
    if _in_brackets(before, text[start:end], after):
        return True
    if name in _SHORT:
        return False
    if _LABEL.search(before) and not _ABOUT.match(after):
        return True
    heading = last - first <= _HEADING and _in_margin(text, first, last)
    return heading and _is_token(text, start, end, first, last)


def _marks_english(text: str, start: int, end: int, name: str) -> bool:
    first, last = _line(text, start, end)
    before, after = text[first:start].strip(), text[end:last].strip()
    if _is_quoted(before, after):
        return False
    if _LABEL.search(text[first:start]):
        return not after[:1].isalnum()
    if last - first > _LINE or not _only_markings(before + after):
        return False
    # ``Secret:`` and ``SECRET=`` are code, ``[Secret]`` is a section of a configuration file.
    code = after[:1] in tuple(":=,;({") or before[-1:] in tuple("<{($.:=")
    return not code and (name != "Secret" or text[start:end].isupper() or not (before or after))


def _is_quoted(before: str, after: str) -> bool:
    closing = _QUOTES.get(before[-1:])
    return closing is not None and _NOUN.sub("", after).startswith(closing)


def _only_markings(text: str) -> bool:
    """Tell whether nothing is left of ``text`` but markings and what goes with them."""
    return not _BESIDE.sub("", _WORD.sub("", text))


def _in_brackets(before: str, word: str, after: str) -> bool:
    left = max(before.rfind(bracket) for bracket in _OPEN)
    rights = [place for bracket in _CLOSE if (place := after.find(bracket)) >= 0]
    if left < 0 or not rights or any(bracket in before[left:] for bracket in _CLOSE):
        return False
    right = min(rights)
    if _is_quoted(before[:left], after[right + 1 :]):
        return False
    if not _only_markings(before[left + 1 :] + word + after[:right]):
        return False
    if before[left] == "(":
        return _at_edge(before[:left], after[right + 1 :])
    return not (before[left] == "[" and after[right + 1 : right + 2] in ("(", "["))


def _at_edge(before: str, after: str) -> bool:
    """Tell a stamp (議事録(部外秘)) from an explanation (要機密情報(機密性2情報)を…)."""
    if before.endswith(("情報", "文書")):
        return False
    short = len(before) + len(after) <= _HEADING - 20
    return short and (not after.strip() or not before.strip()) and not _SENTENCE.search(before + after)


def _in_margin(text: str, first: int, last: int) -> bool:
    """Tell whether a line is among the first or last few of a text that has three lines or more."""
    above, below = _lines_above(text, first), _lines_below(text, last)
    return (above < _HEAD_LINES or below < _FOOT_LINES) and above + below >= 2


def _lines_above(text: str, first: int) -> int:
    count, end = 0, first - 1
    while end >= 0 and count < _HEAD_LINES:
        start = text.rfind("\n", 0, end) + 1
        if text[start:end] == BREAK.strip("\n"):
            break
        count, end = count + 1, start - 1
    return count


def _lines_below(text: str, last: int) -> int:
    count, start = 0, last + 1
    while start <= len(text) and count < _FOOT_LINES:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if text[start:end] == BREAK.strip("\n"):
            break
        count, start = count + 1, end + 1
    return count


def _is_token(text: str, start: int, end: int, first: int, last: int) -> bool:
    rest = text[first:start] + text[end:last]
    apart = not text[start - 1 : start].isalnum() or start == first
    return apart and not text[end : end + 1].isalnum() and not _SENTENCE.search(_JOINING.sub("", rest))
