"""Calendar months, UTC, as the store cuts time: partitions and search tokens each belong to one. Pure.

What a broken clock stamps before 2020 or after 2099 shares one month on either side, so that no clock,
and nobody who writes a spool, can make more of them than a database bears.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_DAY_US = timedelta(days=1) // _US
_FIRST_YEAR, _AFTER_YEAR = 2020, 2100
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Month:
    """One month: its name, and the microseconds from ``start_us`` to just before ``end_us``."""

    name: str
    start_us: int
    end_us: int

    @property
    def is_calendar(self) -> bool:
        """Tell a month of the calendar from the two that hold everything before and after."""
        return self not in (BEFORE, AFTER)


def _us(year: int, month: int) -> int:
    return (datetime(year, month, 1, tzinfo=UTC) - _EPOCH) // _US


BEFORE = Month("before", _LOWEST, _us(_FIRST_YEAR, 1))
AFTER = Month("after", _us(_AFTER_YEAR, 1), _HIGHEST)


def month_of(time_us: int) -> Month:
    """Return the month that an instant lies in."""
    if time_us < BEFORE.end_us:
        return BEFORE
    if time_us >= AFTER.start_us:
        return AFTER
    return _month_of_day(time_us // _DAY_US)


def following(month: Month) -> Month:
    """Return the month after; there is none after the last."""
    return month if month == AFTER else month_of(month.end_us)


def preceding(month: Month) -> Month:
    """Return the month before; there is none before the first."""
    return month if month == BEFORE else month_of(month.start_us - 1)


def back_through(first_us: int, last_us: int) -> Iterator[Month]:
    """Yield the months from the one of ``last_us`` back to the one of ``first_us``."""
    at, end = month_of(last_us), month_of(first_us)
    while at.start_us >= end.start_us:
        yield at
        if at == end:
            return
        at = preceding(at)


@lru_cache(maxsize=256)
def _month_of_day(day: int) -> Month:
    # Remembered: every record asks, and almost always for today.
    moment = _EPOCH + timedelta(days=day)
    return _calendar(moment.year, moment.month)


def _calendar(year: int, month: int) -> Month:
    after = (year, month + 1) if month < 12 else (year + 1, 1)
    return Month(f"{year}_{month:02}", _us(year, month), _us(*after))
