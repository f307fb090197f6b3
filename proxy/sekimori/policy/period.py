"""Usage periods: JST calendar dates, both inclusive, as instants in microseconds.

民法第141条: 「期間は、その末日の終了をもって満了する」, so a period ends at 00:00:00 JST of the day after its
last. Japan has no daylight saving time, which makes JST a constant offset.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_DAY_US = 86_400_000_000
_JST_US = 9 * 3_600_000_000
_EPOCH = date(1970, 1, 1).toordinal()

# Year 1 of each era is this plus 1; the day an era began is not checked, as offices write both.
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "R": 2018, "H": 1988, "S": 1925}
_ISO = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_WESTERN = re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日")
_ERA = re.compile(r"(令和|平成|昭和|[RHS])(元|[0-9]{1,2})(?:年|\.)([0-9]{1,2})(?:月|\.)([0-9]{1,2})日?")


def day_start_us(day: date) -> int:
    """Give the instant at which ``day`` begins in Japan."""
    return (day.toordinal() - _EPOCH) * _DAY_US - _JST_US


def day_end_us(day: date) -> int:
    """Give the first instant after ``day`` in Japan."""
    return day_start_us(day) + _DAY_US


def day_of(time_us: int) -> int:
    """Give the number of the day in Japan that an instant belongs to."""
    return (time_us + _JST_US) // _DAY_US


def parse_date(text: str) -> date:
    """Read a date as people write it (2026-04-01, 令和８年４月１日, R8.4.1); ``ValueError`` otherwise."""
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text[:64]))
    for pattern in (_ISO, _WESTERN):
        if match := pattern.fullmatch(plain):
            year, month, day = (int(part) for part in match.groups())
            return date(year, month, day)
    if match := _ERA.fullmatch(plain.upper()):
        era, year_text, month_text, day_text = match.groups()
        year = 1 if year_text == "元" else int(year_text)
        if year < 1:
            raise ValueError(f"{text[:64]!r} has no year 0 in an era")
        return date(_ERAS[era] + year, int(month_text), int(day_text))
    raise ValueError(f"{text[:64]!r} is not a date; write 2026-04-01 or 令和8年4月1日")
