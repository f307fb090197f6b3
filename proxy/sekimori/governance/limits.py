"""What a service may be used for at most: size, rate, models, uploads, times of the day [UK-423-2d].

A limit narrows what a grant admits and never widens it. ``loosens`` compares two of them, so that
whoever tightens needs nobody, and whoever loosens needs a second person. The counts a check is given are
those of the requests before; the request that would be one too many is refused.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from sekimori.governance.calendar import is_business_day, jst_date
from sekimori.governance.state import Value
from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason
from sekimori.policy.globs import matches_any
from sekimori.policy.model import MODELLESS
from sekimori.policy.period import day_start_us

_MINUTE_US = 60_000_000
_DAY_MINUTES, _WEEK = 1440, 7
_SHOWN = 200
WEEKDAYS = frozenset(range(5))
# On Saturdays and Sundays offices are closed: no minute of theirs is one of a day on which they are open.
_WORKING = (1 << len(WEEKDAYS) * _DAY_MINUTES) - 1

AtMost = Annotated[int, msgspec.Meta(ge=1)] | None
Minute = Annotated[int, msgspec.Meta(ge=0, le=_DAY_MINUTES)]


class Window(Value, frozen=True):
    """Minutes of the day in Japan, ``start`` within and ``end`` not; Monday is 0.

    With ``holidays`` false it is closed on days on which offices are.
    """

    start: Minute
    end: Minute
    days: frozenset[Annotated[int, msgspec.Meta(ge=0, le=6)]] = WEEKDAYS
    holidays: bool = False

    def opens(self, day: date, minute: int) -> bool:
        """Say whether a minute of a day lies within."""
        if not self.start <= minute < self.end or day.weekday() not in self.days:
            return False
        return self.holidays or is_business_day(day)


class Limits(Value, frozen=True, kw_only=True):
    """All limits of a service; ``None`` and an empty list say that there is none."""

    max_bytes: AtMost = None
    user_per_minute: AtMost = None
    user_per_day: AtMost = None
    service_per_minute: AtMost = None
    models: tuple[str, ...] = ()
    uploads: bool = True
    windows: tuple[Window, ...] = ()
    mask_personal: bool = False
    warn: bool = False


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is, and how many came before it in the same minute and on the same day."""

    at_us: int
    size: int = 0
    model: str | None = None
    operation: str = "generate"
    attachments: int = 0
    user_minute: int = 0
    user_day: int = 0
    service_minute: int = 0


def limit_findings(limits: Limits, ask: Ask, *, suspended: str = "") -> list[Finding]:
    """Say what stands against a request; ``suspended`` is the reason of the switch, if it is on."""
    found = [Finding(Reason.SUSPENDED, suspended[:_SHOWN])] if suspended else []
    if limits.max_bytes is not None and ask.size > limits.max_bytes:
        found.append(Finding(Reason.LIMIT_SIZE, f"{ask.size} bytes, at most {limits.max_bytes}"))
    for name in ("user_minute", "user_day", "service_minute"):
        most = getattr(limits, name.replace("_", "_per_"))
        if most is not None and getattr(ask, name) >= most:
            found.append(Finding(Reason.LIMIT_RATE, f"{name}: at most {most}"))
    if ask.attachments and not limits.uploads:
        found.append(Finding(Reason.LIMIT, "no uploads"))
    if limits.windows and not _open(limits.windows, ask.at_us):
        found.append(Finding(Reason.LIMIT_WINDOW, "outside the hours of use"))
    if limits.models and ask.operation not in MODELLESS:
        if ask.model is None:
            found.append(Finding(Reason.MODEL_NOT_ALLOWED, "no model is named"))
        elif not matches_any(limits.models, ask.model):
            found.append(Finding(Reason.MODEL_NOT_ALLOWED, ask.model[:_SHOWN]))
    return found


def _open(windows: tuple[Window, ...], at_us: int) -> bool:
    day = jst_date(at_us)
    minute = (at_us - day_start_us(day)) // _MINUTE_US
    return any(window.opens(day, minute) for window in windows)


def loosens(before: Limits, after: Limits) -> bool:
    """Say whether anything that ``before`` refuses could pass under ``after``."""
    for name in ("max_bytes", "user_per_minute", "user_per_day", "service_per_minute"):
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and (new is None or new > old):
            return True
    # Patterns are compared as they are written: a narrower one that is spelt otherwise asks for a second look.
    if before.models and not (after.models and set(after.models) <= set(before.models)):
        return True
    switched = (after.uploads and not before.uploads) or (before.warn and not after.warn)
    if switched or (before.mask_personal and not after.mask_personal):
        return True
    return any(new & ~old for old, new in zip(_minutes(before), _minutes(after), strict=True))


def _minutes(limits: Limits) -> tuple[int, int]:
    """Give the open minutes of a week as bits: on days that offices are open, and on those they are not."""
    if not limits.windows:
        return _WORKING, (1 << _WEEK * _DAY_MINUTES) - 1
    working = closed = 0
    for window in limits.windows:
        span = ((1 << max(window.end - window.start, 0)) - 1) << window.start
        for day in window.days:
            working |= span << day * _DAY_MINUTES
            closed |= span << day * _DAY_MINUTES if window.holidays else 0
    return working & _WORKING, closed
