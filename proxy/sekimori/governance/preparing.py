"""Which review sheets are due, with what the log counts for them and for the spans before [UPD-U5-1].

A service is reviewed every week, or every day where its log plan says so; one that was used and stands in no
register is reviewed too. What was counted for an earlier sheet is not counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.anomalies import Counts
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change
from sekimori.governance.review_sheet import Cycle, ReviewSheet, prepare_sheet, sheet_id, span_before
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State
from sekimori.governance.use_rules import UseRules

CountsOf = Callable[[date, date], Mapping[str, Counts]]
_DAILY = frozenset({"daily", "毎日", "日次"})
_CYCLES: tuple[Cycle, ...] = ("WEEKLY", "DAILY")


class DueSheet(msgspec.Struct, frozen=True):
    """A sheet that is to be prepared."""

    service: str
    cycle: Cycle
    counts: Counts
    before: tuple[Counts, ...]

    def prepare(self, state: State, actor: Actor, at_us: int, rules: UseRules) -> Change:
        """Prepare it; ``actor`` is the clock."""
        return prepare_sheet(state, self.service, self.cycle, self.counts, self.before, actor, at_us, rules)


def cycle_of(service: RegisteredService) -> Cycle:
    """Say how often a service is reviewed."""
    plan = service.log_plan
    return "DAILY" if plan.review_cycle.strip().lower() in _DAILY else "WEEKLY"


def due_sheets(
    state: State, at_us: int, rules: UseRules, counts_of: CountsOf, begins: date | None
) -> Iterator[DueSheet]:
    """Yield the sheets of the last whole week and of yesterday that are not there yet.

    ``begins`` is the first day of the log: what lies before it is not asked for.
    """
    cycles = {each.id: cycle_of(each) for each in state.all(RegisteredService) if each.status != "DRAFT"}
    retired = {each.id for each in state.all(RegisteredService) if each.status == "RETIRED"}
    for cycle in _CYCLES:
        start, end = span_before(jst_date(at_us), cycle)
        if begins is None or end < begins:
            continue
        seen = counts_of(start, end)
        wanted = {service for service in (*cycles, *seen) if cycles.get(service, "WEEKLY") == cycle}
        wanted -= retired - seen.keys()
        left = [each for each in sorted(wanted) if not _is_there(state, each, cycle, start)]
        past = _past(state, cycle, start, rules.reviews.history, counts_of, begins) if left else ()
        for service in left:
            before = tuple(counts[service] for counts in past if service in counts)
            yield DueSheet(service, cycle, seen.get(service, Counts()), before)


def _is_there(state: State, service: str, cycle: Cycle, start: date) -> bool:
    return state.find(ReviewSheet, sheet_id(service, cycle, start)) is not None


def _past(
    state: State, cycle: Cycle, start: date, history: int, counts_of: CountsOf, begins: date
) -> tuple[Mapping[str, Counts], ...]:
    """Give the counts of the spans before, the oldest first."""
    length = timedelta(days=1 if cycle == "DAILY" else 7)
    sheets: dict[date, dict[str, Counts]] = {}
    for sheet in state.all(ReviewSheet):
        if sheet.cycle == cycle:
            sheets.setdefault(sheet.start, {})[sheet.service] = sheet.counts
    starts = [start - length * back for back in range(history, 0, -1)]
    return tuple(
        sheets[day] if day in sheets else counts_of(day, day + length - timedelta(days=1))
        for day in starts
        if day + length > begins
    )
