"""How long what is kept of whom: the retention class of a record, and the slot of its data key. Pure.

The class is part of what a data key is for, so that everything of one class and month can be erased by
destroying keys alone. What a class means in years is configuration; the word must never change for a record
that is stored.

Two periods a class: for the content (what was asked and answered) and for the metadata (that it was asked, by
whom, of which service). When the content of a month expires, the metadata keys of its records move under data
keys of their own, in the class with ``METADATA`` behind it, and the others are destroyed. No law fixes a
period: the defaults are what this project recommends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sekimori.ledger.record import Intent
from sekimori.policy.people import canonical_name
from sekimori.store.months import AFTER, BEFORE
from sekimori.store.rows import READING
from sekimori.vault.datakey import MAX_NAME_BYTES
from sekimori.vault.slots import Slot, is_shared, month_of

BLOCKED = "blocked"
"""A request that was refused: its metadata and its masked text, no content."""
CLASS = "class-"
"""Begins the words for content by the class of its information: ``class-1``, ``class-2``, ``class-3``."""
UNKNOWN = "unknown"
"""What came without the intent that would tell: an outcome whose beginning was lost."""

FEEDBACK = "feedback"
"""What people wrote with their feedback: no record, a text inside what is governed."""

METADATA = ".metadata"
"""Ends the words for what is left of a class whose content has expired."""

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """How many whole months something is kept after the month it is from; 0 keeps it for ever."""

    content: int
    metadata: int

    def __post_init__(self) -> None:
        """Refuse to keep the content longer than what is said about it."""
        if self.metadata and not 0 < self.content <= self.metadata:
            raise ValueError("the content can't be kept longer than the metadata that tell of it")


Periods = Mapping[str, Period]

DEFAULTS: Periods = {
    f"{CLASS}1": Period(content=12, metadata=60),
    f"{CLASS}2": Period(content=12, metadata=60),
    f"{CLASS}3": Period(content=12, metadata=60),
    BLOCKED: Period(content=60, metadata=60),  # has no content: its masked text is metadata
    READING: Period(content=60, metadata=60),
    FEEDBACK: Period(content=60, metadata=60),  # is one text, and has no metadata of its own
    UNKNOWN: Period(content=12, metadata=60),
}
"""Recommended: content a year, metadata five years."""


def retention_class(intent: Intent) -> str:
    """Say which rule of retention a record falls under."""
    if intent.mode == READING:
        return READING
    return f"{CLASS}{intent.klass}" if intent.decision == "allow" else BLOCKED


def slot_of(intent: Intent) -> Slot:
    """Return whose data key keeps a record: its user's, for its class, in its month."""
    return subject_slot(intent.user, retention_class(intent), intent.time_us)


def subject_slot(user: str, klass: str, time_us: int) -> Slot:
    """Return whose data key keeps something of a class and a time."""
    name = canonical_name(user)
    # No account has such a name: a worker made it up.
    if len(name.encode()) > MAX_NAME_BYTES or is_shared(name):
        return unknown_slot(time_us)
    return Slot(name, klass, slot_month(time_us))


def unknown_slot(time_us: int) -> Slot:
    """Return the slot of what nobody can be named for."""
    return Slot("", UNKNOWN, slot_month(time_us))


def metadata_slot(slot: Slot) -> Slot:
    """Return where the metadata keys of a slot go when its content expires."""
    return Slot(slot.subject, slot.klass + METADATA, slot.month)


def with_metadata(classes: frozenset[str]) -> frozenset[str]:
    """Return the words for these classes, before and after their content expired."""
    return classes | {klass + METADATA for klass in classes}


def period_of(klass: str, periods: Periods) -> Period:
    """Return the periods of a class; one that nobody configured is kept like ``unknown``."""
    return periods.get(klass.removesuffix(METADATA)) or periods.get(UNKNOWN) or DEFAULTS[UNKNOWN]


def ends(slot: Slot, periods: Periods) -> str | None:
    """Return the first month in which what lies under a slot's key is no longer kept; None for never."""
    period = period_of(slot.klass, periods)
    months = period.metadata if slot.klass.endswith(METADATA) else period.content
    return _later(slot.month, months + 1) if months else None


def is_over(slot: Slot, periods: Periods, month: str) -> bool:
    """Tell whether a slot's period has ended in the given month."""
    end = ends(slot, periods)
    return end is not None and end <= month


def outlives(slot: Slot, periods: Periods, month: str) -> bool:
    """Tell whether the metadata are still kept when the content's period is over."""
    period = period_of(slot.klass, periods)
    if slot.klass.endswith(METADATA) or period.content == period.metadata:
        return False
    return not is_over(metadata_slot(slot), periods, month)


def _later(month: str, months: int) -> str:
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]) - 1 + months, 12)
    return f"{year:04}-{number + 1:02}"


def slot_month(time_us: int) -> str:
    """Return the month of the data key that keeps what was stamped then."""
    # What a broken clock stamps shares one month on either side: it must get into the store too.
    return _month_of_hour(min(max(time_us, BEFORE.end_us - 1), AFTER.start_us) // _HOUR_US)


@lru_cache(maxsize=256)
def _month_of_hour(hour: int) -> str:
    return month_of(hour * _HOUR_US)
