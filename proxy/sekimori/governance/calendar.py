"""Days in Japan: what day an instant is, which days are worked, which fiscal year a day belongs to.

Holidays follow 国民の祝日に関する法律 as it stands since 2022 and are computed for 2022 to 2099: fixed days,
Mondays, the equinoxes (by the usual approximation; the days are announced each February), substitute
holidays (Art. 3 (2)) and days between two holidays (Art. 3 (3)). Offices also close from December 29 to
January 3 (行政機関の休日に関する法律第1条).
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from sekimori.policy.period import day_of, day_start_us

_EPOCH = date(1970, 1, 1).toordinal()
_HOUR_US = 3_600_000_000
_DAY = timedelta(days=1)
_MONDAY, _SATURDAY, _SUNDAY = 0, 5, 6

_FIXED = ((1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23))
_MONDAYS = ((1, 2), (7, 3), (9, 3), (10, 2))


def jst_date(at_us: int) -> date:
    """Give the day in Japan that an instant belongs to."""
    return date.fromordinal(day_of(at_us) + _EPOCH)


def jst_us(day: date, hour: int = 0) -> int:
    """Give the instant of an hour of a day in Japan."""
    return day_start_us(day) + hour * _HOUR_US


def fiscal_year(day: date) -> int:
    """Give the fiscal year (April 1 to March 31) of a day."""
    return day.year if day.month >= 4 else day.year - 1


def fiscal_year_end(day: date) -> date:
    """Give the last day of the fiscal year of ``day``."""
    return date(fiscal_year(day) + 1, 3, 31)


def months_later(day: date, months: int) -> date:
    """Give the same day so many months later, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in range(day.day, 27, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    return date(year, month + 1, day.day)


def is_business_day(day: date) -> bool:
    """Say whether offices are open."""
    closed = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return not closed and day.weekday() < _SATURDAY and day not in holidays(day.year)


def business_days_later(day: date, count: int) -> date:
    """Give the ``count``-th business day after ``day``, which itself is not counted (民法第140条)."""
    while count > 0:
        day += _DAY
        count -= is_business_day(day)
    return day


@cache
def holidays(year: int) -> frozenset[date]:
    """Give the national holidays of a year, with substitutes."""
    named = {date(year, month, day) for month, day in _FIXED}
    named |= {_nth_monday(year, month, nth) for month, nth in _MONDAYS}
    named |= {_equinox(year, 3, 20.8431), _equinox(year, 9, 23.2488)}
    found = set(named)
    for day in sorted(named):
        if day.weekday() == _SUNDAY:
            while day in named:
                day += _DAY
            found.add(day)
    for day in sorted(named):
        between = day + _DAY
        if between + _DAY in named and between not in found and between.weekday() != _SUNDAY:
            found.add(between)
    return frozenset(found)


def _nth_monday(year: int, month: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_MONDAY - first.weekday()) % 7 + 7 * (nth - 1))


def _equinox(year: int, month: int, base: float) -> date:
    since = year - 1980
    return date(year, month, int(base + 0.242194 * since) - since // 4)
