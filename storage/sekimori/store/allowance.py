"""How many new data keys a lane may draw: what it names beyond that goes under one key that its records share.

A worker says whose a record is. One that somebody else runs could name a new person with every request, and each
would get a row that is wrapped anew at every rotation, for as long as the class is kept. An honest lane draws a
key for each person, class and month once. No record is lost or waits: the excess shares a key of the lane for its
class and month, shares no text with anything, and is found for an erasure by what the index says (``surveying``).

Counted in one process and by its clock; a restart begins anew. Pure but for that count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sekimori.store.retention import DEFAULTS, UNKNOWN
from sekimori.vault.slots import Slot, month_of, shared_slot

HOURLY, DAILY = 20_000, 100_000
"""New data keys a lane: more than a large house's staff needs in the first hour of a month, and on its first day."""

_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_MONTH_US = 28 * _DAY_US

Told = Callable[[str, int, str], None]
"""Hears the lane, how many new people, classes and months had to share, and once an hour a sentence, else ""."""


@dataclass(slots=True)
class _Drawn:
    """What one lane drew in an hour and a day."""

    hour: int = -1
    in_hour: int = 0
    day: int = -1
    in_day: int = 0
    said: int = -1


@dataclass(slots=True)
class Allowance:
    """Counts what each lane draws; for one process."""

    hourly: int = HOURLY
    daily: int = DAILY
    told: Told = field(default=lambda _lane, _slots, _sentence: None)
    _drawn: dict[str, _Drawn] = field(default_factory=dict)

    def admit(self, lane: str, fresh: Sequence[Slot], now_us: int) -> Mapping[Slot, Slot]:
        """Say which slots that have no key yet get none of their own, and under whose they go."""
        drawn = self._of(lane, now_us)
        many = max(0, min(len(fresh), self.hourly - drawn.in_hour, self.daily - drawn.in_day))
        drawn.in_hour += many
        drawn.in_day += many
        if many == len(fresh):
            return {}
        self._tell(lane, len(fresh) - many, drawn)
        return {slot: _shared(lane, slot, now_us) for slot in fresh[many:]}

    def of(self, lane: str, now_us: int) -> Callable[[Sequence[Slot]], Mapping[Slot, Slot]]:
        """Return what a batch of a lane asks."""
        return lambda fresh: self.admit(lane, fresh, now_us)

    def _of(self, lane: str, now_us: int) -> _Drawn:
        drawn = self._drawn.setdefault(lane, _Drawn())
        hour, day = now_us // _HOUR_US, now_us // _DAY_US
        if hour != drawn.hour:
            drawn.hour, drawn.in_hour = hour, 0
        if day != drawn.day:
            drawn.day, drawn.in_day = day, 0
        return drawn

    def _tell(self, lane: str, slots: int, drawn: _Drawn) -> None:
        sentence = ""
        if drawn.said != drawn.hour:
            drawn.said = drawn.hour
            sentence = (
                f"Lane {lane} names more new people, classes and months than {self.hourly} an hour or"
                f" {self.daily} a day: what is beyond that goes under one key that the lane's records share."
                " Find out whether its worker is still yours."
            )
        self.told(lane, slots, sentence)


def _shared(lane: str, slot: Slot, now_us: int) -> Slot:
    """Return under whose key a slot's records go: one of its class in this month or the last, else ``unknown``.

    Class and month are what the worker says, too: without a bound of their own there would be as many of them.
    """
    now, before = month_of(now_us), month_of(now_us - _MONTH_US)
    if slot.klass in DEFAULTS and slot.month in (now, before):
        return shared_slot(lane, slot.klass, slot.month)
    return shared_slot(lane, UNKNOWN, now)
