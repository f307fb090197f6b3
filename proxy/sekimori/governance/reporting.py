"""The monthly report and the review sheets out of recorded uses: who belongs where, what is registered.

Whoever reads the log hands in each use as it was recorded; here it gets its department and is counted. A
record that was erased counts, and names nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Protocol

import msgspec

from sekimori.governance.anomalies import Counts
from sekimori.governance.calendar import is_business_day, jst_date, jst_us, months_later
from sekimori.governance.conversation import Conversation
from sekimori.governance.feedback import Feedback
from sekimori.governance.feedback_rates import feedback_rates
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State
from sekimori.governance.usage import Place, UsageCount, Use, count
from sekimori.governance.usage_report import Totals, UsageLine, UsageReport
from sekimori.policy.people import canonical_name

ERASED = "（消去済み）"
UNKNOWN = "（不明）"
# 8:30 to 18:15: what lies outside is off hours, as are days on which offices are closed.
_OPENS_US, _CLOSES_US = 30_600_000_000, 65_700_000_000


class Seen(Protocol):
    """One recorded use, as a reader of the log gives it."""

    @property
    def at_us(self) -> int: ...  # noqa: D102 - as RecordedUse says
    @property
    def service(self) -> str: ...  # noqa: D102
    @property
    def user(self) -> str: ...  # noqa: D102
    @property
    def allowed(self) -> bool: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def bytes_sent(self) -> int: ...  # noqa: D102
    @property
    def bytes_received(self) -> int: ...  # noqa: D102
    @property
    def erased(self) -> bool: ...  # noqa: D102


def registered_services(state: State) -> frozenset[str]:
    """Name the services that the register knows and that are not only drafted."""
    return frozenset(each.id for each in state.all(RegisteredService) if each.status != "DRAFT")


def month_span(month: date) -> tuple[int, int]:
    """Give the first instant of a month in Japan and that of the next."""
    return jst_us(month), jst_us(months_later(month, 1))


def uses_of(
    seen: Iterable[Seen], department_of: Callable[[str], str], registered: Collection[str]
) -> Iterator[Use]:
    """Give each recorded use its department and whether its service is registered."""
    for each in seen:
        yield Use(
            at_us=each.at_us,
            service=ERASED if each.erased else each.service or UNKNOWN,
            user=each.user,
            department=department_of(canonical_name(each.user)) if each.user else "",
            registered=each.service in registered,
            allowed=each.allowed,
            bytes_sent=each.bytes_sent,
            bytes_received=each.bytes_received,
        )


def usage_report(
    state: State,
    month: date,
    organisation: str,
    uses: Iterable[Use],
    recount: Mapping[str, int],
    department_of: Callable[[str], str],
) -> UsageReport:
    """Count a month; ``recount`` are requests, refused and bytes as they were added up another way."""
    start_us, end_us = month_span(month)
    counted = count(uses, month, months_later(month, 1) - timedelta(days=1))
    owed = _feedback(state, start_us, end_us, department_of)
    rates = feedback_rates(state.all(Conversation), state.all(Feedback), start_us, end_us)
    due = sum(rate.conversations for rate in rates)
    given = sum(rate.answered for rate in rates)
    return UsageReport(
        tenant=state.tenant,
        organisation=organisation,
        month=month,
        users=counted.totals.users,
        lines=tuple(_lines(counted, owed)),
        recount=Totals(**recount, feedback_due=due, feedback_given=given),
    )


class _Owed(msgspec.Struct):
    due: int = 0
    given: int = 0
    first_us: int = 0
    last_us: int = 0


def _feedback(
    state: State, start_us: int, end_us: int, department_of: Callable[[str], str]
) -> dict[Place, _Owed]:
    """Count what people owed and gave, conversation by conversation; agents are left out."""
    answered = {each.conversation for each in state.all(Feedback) if each.source != "agent"}
    found: dict[Place, _Owed] = {}
    for talk in state.all(Conversation):
        if talk.owner or not start_us <= talk.first_us < end_us:
            continue
        place = talk.service, department_of(canonical_name(talk.subject))
        owed = found.setdefault(place, _Owed(first_us=talk.first_us, last_us=talk.first_us))
        owed.due += 1
        owed.given += talk.id in answered
        owed.first_us, owed.last_us = min(owed.first_us, talk.first_us), max(owed.last_us, talk.first_us)
    return found


def _lines(counted: UsageCount, owed: Mapping[Place, _Owed]) -> Iterator[UsageLine]:
    services = counted.services
    for place in sorted({*counted.rows, *owed}):
        row, duty = counted.rows.get(place), owed.get(place) or _Owed()
        service, department = place
        yield UsageLine(
            service=service,
            department=department,
            registered=service in services and services[service].registered,
            users=len(row.users) if row else 0,
            first_seen_us=row.first_seen_us if row else duty.first_us,
            last_seen_us=row.last_seen_us if row else duty.last_us,
            requests=row.requests if row else 0,
            refused=row.refused if row else 0,
            bytes_sent=row.bytes_sent if row else 0,
            bytes_received=row.bytes_received if row else 0,
            feedback_due=duty.due,
            feedback_given=duty.given,
        )


def is_off_hours(at_us: int) -> bool:
    """Say whether offices are closed at an instant."""
    day = jst_date(at_us)
    since_us = at_us - jst_us(day)
    return not is_business_day(day) or not _OPENS_US <= since_us < _CLOSES_US


def review_counts(seen: Iterable[Seen]) -> dict[str, Counts]:
    """Count a span for its review sheets, service by service."""
    counting = ReviewCounting()
    for each in seen:
        counting.add(each)
    return counting.done()


class ReviewCounting:
    """A span while it is counted; erased records are of no service any more."""

    def __init__(self) -> None:
        self._services: dict[str, _Counting] = {}

    def add(self, each: Seen) -> None:
        """Count one use."""
        if not each.erased:
            self._services.setdefault(each.service or UNKNOWN, _Counting()).add(each)

    def done(self) -> dict[str, Counts]:
        """Give the counts by service."""
        return {service: counting.done() for service, counting in self._services.items()}


class _Counting:
    """The counts of one service while they grow."""

    def __init__(self) -> None:
        self.requests = self.off_hours = 0
        self.refused: dict[str, int] = {}
        self.users: dict[str, int] = {}

    def add(self, each: Seen) -> None:
        """Count one use; a refusal counts under the reason that decided, which stands first."""
        self.requests += 1
        self.off_hours += is_off_hours(each.at_us)
        if each.user:
            name = canonical_name(each.user)
            self.users[name] = self.users.get(name, 0) + 1
        if not each.allowed:
            reason = each.reasons[0] if each.reasons else ""
            self.refused[reason] = self.refused.get(reason, 0) + 1

    def done(self) -> Counts:
        """Give them."""
        return Counts(
            requests=self.requests, refused=self.refused, off_hours=self.off_hours, users=self.users
        )
