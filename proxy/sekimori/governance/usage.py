"""Counting use: what was used, by how many, how much; totals that a recount of the log gives again.

Counted is every AI service that was seen, registered or not [MOU-0-1], by service and department. Counts
of neighbouring spans add up to the count of both, so that a month may be counted day by day. How a count
becomes the monthly document is left to ``usage_report``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from sekimori.policy.people import canonical_name
from sekimori.policy.period import day_end_us, day_start_us

Place = tuple[str, str]


class Use(msgspec.Struct, frozen=True):
    """One recorded request as far as a report needs it."""

    at_us: int
    service: str
    user: str
    department: str
    registered: bool
    allowed: bool
    bytes_sent: int = 0
    bytes_received: int = 0


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """The use of a service by a department; users are kept by name so that spans can be added up.

    ``registered`` is whether the register knew the service when it was last seen.
    """

    requests: int
    refused: int
    bytes_sent: int
    bytes_received: int
    users: frozenset[str]
    first_seen_us: int
    last_seen_us: int
    registered: bool

    def plus(self, other: UsageRow) -> UsageRow:
        """Add what was counted elsewhere or at another time."""
        last = max(self, other, key=lambda each: (each.last_seen_us, each.registered))
        return UsageRow(
            requests=self.requests + other.requests,
            refused=self.refused + other.refused,
            bytes_sent=self.bytes_sent + other.bytes_sent,
            bytes_received=self.bytes_received + other.bytes_received,
            users=self.users | other.users,
            first_seen_us=min(self.first_seen_us, other.first_seen_us),
            last_seen_us=last.last_seen_us,
            registered=last.registered,
        )


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """A whole count in numbers; a user of two services is one user."""

    services: int
    unregistered: int
    departments: int
    users: int
    requests: int
    refused: int
    bytes_sent: int
    bytes_received: int


class UsageCount(msgspec.Struct, frozen=True):
    """The use from the beginning of ``start`` to the end of ``end``, days in Japan; by service, department."""

    start: date
    end: date
    rows: Mapping[Place, UsageRow]

    @property
    def services(self) -> dict[str, UsageRow]:
        """Add the departments of each service up."""
        found: dict[str, UsageRow] = {}
        for (service, _), row in self.rows.items():
            found[service] = found[service].plus(row) if service in found else row
        return found

    @property
    def totals(self) -> Totals:
        """Add everything up."""
        services, rows = self.services, tuple(self.rows.values())
        return Totals(
            services=len(services),
            unregistered=sum(1 for row in services.values() if not row.registered),
            departments=len({department for _, department in self.rows if department}),
            users=len(frozenset().union(*(row.users for row in rows))),
            requests=sum(row.requests for row in rows),
            refused=sum(row.refused for row in rows),
            bytes_sent=sum(row.bytes_sent for row in rows),
            bytes_received=sum(row.bytes_received for row in rows),
        )


def count(uses: Iterable[Use], start: date, end: date) -> UsageCount:
    """Count the requests of a span; one outside of it is not looked at."""
    begin_us, end_us = day_start_us(start), day_end_us(end)
    growing: dict[Place, _Growing] = {}
    for use in uses:
        if begin_us <= use.at_us < end_us:
            growing.setdefault((use.service, use.department), _Growing(use)).add(use)
    return UsageCount(start, end, {place: each.done() for place, each in sorted(growing.items())})


class _Growing:
    """A row while it is counted: nothing is copied for each request."""

    def __init__(self, first: Use) -> None:
        self.requests = self.refused = self.bytes_sent = self.bytes_received = 0
        self.users: set[str] = set()
        self.first_seen_us = first.at_us
        self.last = (first.at_us, first.registered)

    def add(self, use: Use) -> None:
        """Count one request."""
        self.requests += 1
        self.refused += not use.allowed
        self.bytes_sent += use.bytes_sent
        self.bytes_received += use.bytes_received
        if use.user:
            self.users.add(canonical_name(use.user))
        self.first_seen_us = min(self.first_seen_us, use.at_us)
        self.last = max(self.last, (use.at_us, use.registered))

    def done(self) -> UsageRow:
        """Give the row."""
        return UsageRow(
            requests=self.requests,
            refused=self.refused,
            bytes_sent=self.bytes_sent,
            bytes_received=self.bytes_received,
            users=frozenset(self.users),
            first_seen_us=self.first_seen_us,
            last_seen_us=self.last[0],
            registered=self.last[1],
        )


def joined(one: UsageCount, other: UsageCount) -> UsageCount:
    """Add two counts of spans that do not overlap; ``ValueError`` if a day would count twice."""
    first, second = sorted((one, other), key=lambda each: each.start)
    if second.start <= first.end:
        raise ValueError(f"{second.start.isoformat()} is in both counts")
    rows = dict(first.rows)
    for place, row in second.rows.items():
        rows[place] = rows[place].plus(row) if place in rows else row
    return UsageCount(first.start, second.end, dict(sorted(rows.items())))
