"""Points in time as people type them on the command line; a date without a zone is a day in Japan."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from sekimori.cli.units import parse_duration
from sekimori.errors import UsageError

JST = timezone(timedelta(hours=9), "JST")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse_time(text: str, *, now_us: int, option: str, end: bool = False) -> int:
    """Read RFC 3339, a date (its first instant, or with ``end`` the first instant after it) or an age."""
    try:
        return _date(text, end=end) if len(text) == len("2026-04-01") else _instant(text, now_us)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f'{option} "{text}" is no time.',
            hint="Write 2026-04-01T09:00:00+09:00, a day in Japan as 2026-04-01, or an age as 15min.",
        ) from error


def _instant(text: str, now_us: int) -> int:
    if text.endswith(("s", "min", "h", "d")):
        return now_us - round(parse_duration(text) * 1e6)
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=moment.tzinfo or JST) - _EPOCH) // _MICROSECOND


def _date(text: str, *, end: bool) -> int:
    day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
    return (datetime(day.year, day.month, day.day, tzinfo=JST) - _EPOCH) // _MICROSECOND
