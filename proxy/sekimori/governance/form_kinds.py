"""How a field of the 利用計画書 is written on the form, and read back from what a person wrote.

A kind turns a value into text and text into a value. Reading is lenient about how people type (全角, 和暦,
blanks around a word) and strict about what comes out; a refusal says in two languages what to write instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple

from sekimori.governance.plan import GENAI_RISKS
from sekimori.governance.risks import TEN_RISKS
from sekimori.policy.period import parse_date

LONGEST = 4000
_LONGEST_LIST = 20_000
_LONGEST_LINE = 300
_JST = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What no office format can carry: XML 1.0 knows no other control characters, and no half of a pair.
_UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(ValueError):  # noqa: N818 - names what is said of a text
    """What was written cannot be the value of this field."""

    def __init__(self, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en


class Kind(NamedTuple):
    """A way of writing values: ``show`` and ``read`` are each other's inverse for what they accept."""

    show: Callable[[Any], str]
    read: Callable[[str], Any]
    choices: tuple[str, ...] = ()


def settled(text: str) -> str:
    """Give a text with one kind of line break and nothing blank around it.

    A full-width space at the start stays: it is how a Japanese paragraph begins.
    """
    return re.sub(r"\r\n?", "\n", text).strip(" \t\n")


def _checked(text: str, longest: int) -> str:
    if len(text) > longest:
        raise Unreadable(f"{longest}字以内で記載してください。", f"is longer than {longest} characters")
    if found := _UNPRINTABLE.search(text):
        code = f"U+{ord(found.group()):04X}"
        raise Unreadable(
            f"使えない文字（{code}）があります。", f"has a character that cannot be printed: {code}"
        )
    return text


def _read_text(text: str) -> str:
    return _checked(settled(text), LONGEST)


def _read_line(text: str) -> str:
    plain = _checked(text.strip(), _LONGEST_LINE)
    if "\n" in plain:
        raise Unreadable("1行で記載してください。", "has more than one line")
    return plain


def _read_names(text: str) -> tuple[str, ...]:
    lines = _checked(settled(text), _LONGEST_LIST).split("\n")
    return tuple(_read_line(line) for line in lines if line.strip())


def _show_date(day: date | None) -> str:
    return f"{day.year:04}年{day.month}月{day.day}日" if day else ""


def _read_date(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return parse_date(text)
    except ValueError:
        raise Unreadable(
            "日付は「2026年4月1日」又は「令和8年4月1日」のように記載してください。",
            "is not a date; write 2026-04-01",
        ) from None


def _show_instant(at_us: int) -> str:
    return (_EPOCH + at_us * _MICROSECOND).astimezone(_JST).isoformat() if at_us else ""


def _read_instant(text: str) -> int:
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return 0
    try:
        moment = datetime.fromisoformat(plain)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=_JST)
        return (aware - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise Unreadable(
            "日時は「2026-04-01T09:00:00+09:00」のように記載してください。",
            "is not a time; write 2026-04-01T09:00:00+09:00",
        ) from None


def _read_count(text: str) -> int:
    plain = re.sub(r"[\s,]|人$|名$", "", unicodedata.normalize("NFKC", text).strip())
    if not plain:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", plain):
        raise Unreadable("人数を数字で記載してください。", "is not a number of people")
    return int(plain)


def _read_corporate_number(text: str) -> str:
    plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text))
    if plain and (not re.fullmatch(r"[1-9][0-9]{12}", plain) or int(plain[0]) != _corporate_check(plain[1:])):
        raise Unreadable(
            "法人番号（13桁）の検査用数字が合いません。番号を確認してください。",
            "is not a Corporate Number: 13 digits whose check digit fits",
        )
    return plain


def _corporate_check(base: str) -> int:
    """Work out the check digit (財務省令: weights 1 and 2 from the right, 9 minus the rest by 9)."""
    weighed = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(base)))
    return 9 - weighed % 9


def _read_sha256(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).strip().lower()
    if plain and not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise Unreadable("SHA-256は16進64桁です。", "is not a SHA-256 in hexadecimal")
    return plain


def _one_of(table: Mapping[Any, str], *, blank: Any = None, others: bool = False) -> Kind:
    """Make a kind of a closed list of words; ``others`` lets any other word stand for itself."""
    back = {folded(ja): value for value, ja in table.items()}

    def read(text: str) -> Any:
        plain = folded(text)
        if not plain:
            return blank
        if plain in back:
            return back[plain]
        if others:
            return _read_line(text)
        raise Unreadable(
            f"次のいずれかです：{'、'.join(table.values())}", f"is none of {list(table.values())}"
        )

    return Kind(lambda value: table.get(value, value or ""), read, tuple(table.values()))


def folded(text: str) -> str:
    """Give a word as it is compared: one width, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).split())


LINE = Kind(str.strip, _read_line)
TEXT = Kind(settled, _read_text)
NAMES = Kind("\n".join, _read_names)
DATE = Kind(_show_date, _read_date)
INSTANT = Kind(_show_instant, _read_instant)
COUNT = Kind(lambda count: str(count) if count else "", _read_count)
CORPORATE_NUMBER = Kind(str.strip, _read_corporate_number)
SHA256 = Kind(str, _read_sha256)
CLASS = _one_of({1: "機密性1情報", 2: "機密性2情報", 3: "機密性3情報"}, blank=1)
PHASE = _one_of({"PILOT": "試行", "LIMITED": "限定", "GENERAL": "一般"}, blank="PILOT")
YES_NO = _one_of({True: "はい", False: "いいえ"}, blank=False)
ANSWER = _one_of({"YES": "はい", "NO": "いいえ", "NOT_APPLICABLE": "該当なし"})
VERDICT = _one_of({"CONFIRMED": "確認済", "ACCEPTABLE": "許容可", "NOT_ACCEPTABLE": "許容不可"})
TOPIC = _one_of(GENAI_RISKS, others=True)
TEN = _one_of({risk.key: risk.ja for risk in TEN_RISKS}, others=True)
