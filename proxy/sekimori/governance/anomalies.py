"""What a reviewer should look at, found from counts alone: no content is read for it [UPD-U5-1].

A span is compared with the spans before it. Without any, the service is new, and that is what is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import median

from sekimori.governance.state import Value
from sekimori.governance.use_rules import ReviewRules
from sekimori.policy.people import canonical_name

_TOP = 10


class Oddity(StrEnum):
    """Why something stands on a sheet."""

    NEW_SERVICE = "NEW_SERVICE"
    VOLUME = "VOLUME"
    USER_VOLUME = "USER_VOLUME"
    REFUSED = "REFUSED"
    OFF_HOURS = "OFF_HOURS"


class Counts(Value, frozen=True, kw_only=True):
    """A service over a span: requests in all, refused by reason, outside office hours, by user."""

    requests: int = 0
    refused: Mapping[str, int] = {}
    off_hours: int = 0
    users: Mapping[str, int] = {}


class Anomaly(Value, frozen=True):
    """One oddity: whom or what it is about, how many, how many it usually is."""

    kind: Oddity
    about: str
    count: int
    usual: int

    @property
    def key(self) -> str:
        """Name it on its sheet."""
        return f"{self.kind}:{self.about}"


def anomalies(now: Counts, before: Sequence[Counts], rules: ReviewRules) -> tuple[Anomaly, ...]:
    """List what is odd about a span, the largest of each kind first."""
    past = before[-rules.history :]
    found: list[Anomaly] = []
    if not past and now.requests:
        found.append(Anomaly(Oddity.NEW_SERVICE, "", now.requests, 0))
    if past:
        usual = int(median(each.requests for each in past))
        if _spike(now.requests, usual, rules):
            found.append(Anomaly(Oddity.VOLUME, "", now.requests, usual))
    found += _users(now, past, rules)
    found += _refused(now, past, rules)
    # Exact: a float would round a share that lies on the limit.
    if now.off_hours and now.off_hours * 100 >= now.requests * rules.off_hours_percent:
        found.append(Anomaly(Oddity.OFF_HOURS, "", now.off_hours, now.requests))
    return tuple(found)


def _spike(count: int, usual: int, rules: ReviewRules) -> bool:
    return count >= rules.spike_floor and count > usual * rules.spike_factor


def _users(now: Counts, past: Sequence[Counts], rules: ReviewRules) -> list[Anomaly]:
    """Compare each user with their own past, or with everybody's middle where they have none."""
    middle = int(median(now.users.values())) if now.users else 0
    found = []
    for name, count in _largest(now.users):
        own = [each.users[name] for each in past if name in each.users]
        usual = int(median(own)) if own else middle
        if _spike(count, usual, rules):
            found.append(Anomaly(Oddity.USER_VOLUME, canonical_name(name), count, usual))
    return found[:_TOP]


def _refused(now: Counts, past: Sequence[Counts], rules: ReviewRules) -> list[Anomaly]:
    found = []
    for code, count in _largest(now.refused):
        usual = int(median([each.refused.get(code, 0) for each in past])) if past else 0
        if _spike(count, usual, rules):
            found.append(Anomaly(Oddity.REFUSED, code, count, usual))
    return found[:_TOP]


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
