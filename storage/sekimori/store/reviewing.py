"""Prepares review sheets out of the log, a few hundred records at a time, beside the archivist's other work.

The count of a week of a large organisation takes minutes; whoever follows the spool meanwhile is never kept longer
than a slice takes. Once a day is enough: a sheet that is there is not prepared again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta

from sekimori.errors import SekimoriError
from sekimori.governance.actors import clock as the_clock
from sekimori.governance.anomalies import Counts
from sekimori.governance.calendar import jst_date, jst_us
from sekimori.governance.preparing import DueSheet, due_sheets
from sekimori.governance.reporting import ReviewCounting
from sekimori.governance.review_sheet import ReviewSheet
from sekimori.governance.use_rules import UseRules
from sekimori.policy.period import day_end_us, day_start_us
from sekimori.store.governing import Governing, Step
from sekimori.store.telling import Telling
from sekimori.store.uses import Uses

_MINUTES_US = 10 * 60_000_000
"""After midnight, so that what was recorded last is stored."""
_AGAIN_US = 10 * 60_000_000
"""Until what failed is begun anew: sheets have a day on which they are due."""

Span = tuple[date, date]


class _UncountedError(Exception):
    """A span is needed that was not counted yet."""

    def __init__(self, span: Span) -> None:
        self.span = span


class Reviewing:
    """Prepares what is due; ``step`` is a chore, ``work`` does all of it."""

    def __init__(
        self,
        governing: Governing,
        uses: Uses,
        *,
        rules_of: Callable[[int], UseRules],
        clock: Callable[[], int],
        alarm: Callable[[str], None],
    ) -> None:
        self._governing = governing
        self._uses = uses
        self._rules_of = rules_of
        self._clock = clock
        self._telling = Telling(alarm)
        self._next_us = 0
        self._work: Iterator[ReviewSheet | None] | None = None

    def step(self) -> bool:
        """Do a slice of what is due today; say whether there is more."""
        if self._work is None:
            at_us = self._clock()
            if at_us < self._next_us:
                return False
            self._next_us = jst_us(jst_date(at_us - _MINUTES_US) + timedelta(days=1)) + _MINUTES_US
            self._work = self.work()
        try:
            next(self._work)
        except StopIteration:
            self._work = None
            self._telling.well()
        except SekimoriError as fault:
            # The record comes first: it goes on, and somebody looks at this.
            self._telling.tell(f"Review sheets can't be prepared: {fault}")
            self._begin_anew()
        except BaseException:  # a database that is busy: the archivist waits, and comes back
            self._begin_anew()
            raise
        return self._work is not None

    def _begin_anew(self) -> None:
        self._work = None
        self._next_us = self._clock() + _AGAIN_US

    def work(self) -> Iterator[ReviewSheet | None]:
        """Prepare every sheet that is due; yields each, and nothing after each slice of the log."""
        at_us = self._clock()
        counted: dict[Span, Mapping[str, Counts]] = {}
        due: list[DueSheet] | None = None
        while due is None:
            try:
                due = self._due(at_us, counted)
            except _UncountedError as missing:
                counting = ReviewCounting()
                yield from self._count(missing.span, counting)
                counted[missing.span] = counting.done()
        for sheet in due:
            for value in self._governing.carry_out(_prepares(sheet)).values:
                if isinstance(value, ReviewSheet):
                    yield value

    def _due(self, at_us: int, counted: Mapping[Span, Mapping[str, Counts]]) -> list[DueSheet]:
        def counts_of(start: date, end: date) -> Mapping[str, Counts]:
            if (start, end) not in counted:
                raise _UncountedError((start, end))
            return counted[start, end]

        first_us = self._uses.first_us()
        begins = None if first_us is None else jst_date(first_us)
        with self._governing.state() as state:
            return list(due_sheets(state, at_us, self._rules_of(at_us), counts_of, begins))

    def _count(self, span: Span, counting: ReviewCounting) -> Iterator[None]:
        for page in self._uses.pages(day_start_us(span[0]), day_end_us(span[1])):
            for use in page:
                counting.add(use)
            yield None


def _prepares(sheet: DueSheet) -> Step:
    return lambda state, at_us, rules: sheet.prepare(state, the_clock(state.tenant), at_us, rules)
