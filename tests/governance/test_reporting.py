"""From recorded uses to the monthly report and the review sheets: every total is one of a recount."""

from collections import Counter
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.anomalies import Counts
from sekimori.governance.calendar import jst_us
from sekimori.governance.preparing import cycle_of, due_sheets
from sekimori.governance.reporting import (
    ERASED,
    is_off_hours,
    month_span,
    registered_services,
    review_counts,
    usage_report,
    uses_of,
)
from sekimori.governance.review_sheet import ReviewSheet
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State
from sekimori.governance.usage_report import SUMS, usage_paper
from sekimori.store.uses import RecordedUse
from support.offices import HANAKO, LOG_PLAN, NOW
from support.using_offices import CLOCK, UsingOffice

MONTH = date(2026, 6, 1)
START, END = month_span(MONTH)
DEPARTMENTS = {"hanako": "総務部", "miki": "財務部"}


def department(name):
    return DEPARTMENTS.get(name, "")


def use(at_us=NOW, service="chat", user="hanako", *, allowed=True, **fields):
    return RecordedUse(at_us, service, user, "", allowed, **fields)


USES = st.lists(
    st.builds(
        RecordedUse,
        at_us=st.integers(START, END - 1),
        service=st.sampled_from(["chat", "other.example.net", ""]),
        user=st.sampled_from(["hanako", "ＨＡＮＡＫＯ", "miki", "stranger", ""]),
        grant=st.just(""),
        allowed=st.booleans(),
        reasons=st.sampled_from([(), ("DENY_NO_GRANT",), ("DENY_MY_NUMBER", "DENY_NO_GRANT")]),
        bytes_sent=st.integers(0, 9999),
        bytes_received=st.integers(0, 9999),
        erased=st.booleans(),
    ),
    max_size=25,
)


def recounted(seen):
    return {
        "requests": len(seen),
        "refused": sum(not each.allowed for each in seen),
        "bytes_sent": sum(each.bytes_sent for each in seen),
        "bytes_received": sum(each.bytes_received for each in seen),
    }


@pytest.mark.req("MOU-0-1")
@given(USES)
def test_the_lines_of_a_month_add_up_to_the_recount_whatever_was_recorded(seen):
    uses = uses_of(seen, department, {"chat"})
    report = usage_report(State(), MONTH, "関守市", uses, recounted(seen), department)
    for name in SUMS:
        assert sum(getattr(line, name) for line in report.lines) == getattr(report.recount, name)
    usage_paper(report)
    services = {each.service or "（不明）" for each in seen if not each.erased}
    assert {line.service for line in report.lines} == services | (
        {ERASED} if Counter(each.erased for each in seen)[True] else set()
    )
    assert {line.registered for line in report.lines if line.service == "other.example.net"} <= {False}


@pytest.mark.req("MOU-0-1", "MOU-2-8")
def test_feedback_that_is_owed_and_given_stands_in_the_report_by_department():
    office = UsingOffice("enterprise").ready().granted()
    talks = [office.exchanges("hanako", conversation=name) for name in "ab"]
    office.exchanges("miki")
    office.exchanges("bot-1", owner="hanako")
    office.answer(HANAKO, talks[0])
    report = usage_report(office.state, MONTH, "o", (), recounted([]), department)
    assert [(line.department, line.feedback_due, line.feedback_given) for line in report.lines] == [
        ("総務部", 2, 1),
        ("財務部", 1, 0),
    ]
    assert (report.recount.feedback_due, report.recount.feedback_given) == (3, 1)
    usage_paper(report)


def test_an_erased_record_counts_and_names_nobody():
    (found,) = uses_of([use(erased=True, service="", user="")], department, {"chat"})
    assert (found.service, found.user, found.department, found.registered) == (ERASED, "", "", False)


def test_a_service_that_is_only_drafted_is_not_registered():
    office = UsingOffice("enterprise").ready()
    assert registered_services(office.state) == {"chat"}
    draft = msgspec.structs.replace(office.get(RegisteredService, "chat"), status="DRAFT")
    assert registered_services(office.state.put(draft)) == frozenset()


@pytest.mark.req("UPD-U5-1")
@pytest.mark.parametrize(
    ("at_us", "off"),
    [
        pytest.param(jst_us(date(2026, 6, 1), 9), False, id="a Monday morning"),
        pytest.param(jst_us(date(2026, 6, 1), 8), True, id="before the office opens"),
        pytest.param(jst_us(date(2026, 6, 1), 19), True, id="in the evening"),
        pytest.param(jst_us(date(2026, 6, 6), 10), True, id="a Saturday"),
        pytest.param(jst_us(date(2026, 5, 4), 10), True, id="a holiday"),
        pytest.param(jst_us(date(2026, 12, 30), 10), True, id="年末"),
    ],
)
def test_off_hours_are_those_of_an_office_in_japan(at_us, off):
    assert is_off_hours(at_us) is off


@pytest.mark.req("UPD-U5-1")
def test_a_span_is_counted_by_service_with_the_reason_that_decided():
    seen = [
        use(),
        use(user="ＨＡＮＡＫＯ"),
        use(allowed=False, reasons=("DENY_MY_NUMBER", "DENY_NO_GRANT")),
        use(service="other", user="", at_us=jst_us(date(2026, 6, 6))),
        use(erased=True),
    ]
    assert review_counts(seen) == {
        "chat": Counts(requests=3, refused={"DENY_MY_NUMBER": 1}, users={"hanako": 3}),
        "other": Counts(requests=1, off_hours=1),
    }


# --- which sheets are due --------------------------------------------------------------------------

MONDAY = date(2026, 6, 8)
WEEK = timedelta(days=7)


class Log:
    """Counts by span, and which spans were asked for."""

    def __init__(self, **services):
        self.services = services
        self.asked = []

    def __call__(self, start, end):
        self.asked.append((start, end))
        return {name: Counts(requests=count) for name, count in self.services.items()}


def office_at(day=MONDAY, **plan):
    office = UsingOffice("enterprise").ready()
    office.at_us = jst_us(day, 9)
    if plan:
        service = office.get(RegisteredService, "chat")
        log_plan = msgspec.structs.replace(LOG_PLAN, **plan)
        office.state = office.state.put(msgspec.structs.replace(service, log_plan=log_plan))
    return office


def due(office, log, begins=date(2026, 5, 1)):
    return list(due_sheets(office.state, office.at_us, office.rules, log, begins))


def prepared(office, found):
    for each in found:
        office.take(each.prepare(office.state, CLOCK, office.at_us, office.rules))


@pytest.mark.req("UPD-U5-1")
def test_every_registered_service_and_every_one_that_was_used_gets_a_sheet_once():
    office, log = office_at(), Log(unheard=30)
    found = due(office, log)
    assert [(each.service, each.cycle, each.counts.requests) for each in found] == [
        ("chat", "WEEKLY", 0),
        ("unheard", "WEEKLY", 30),
    ]
    prepared(office, found)
    assert due(office, log) == []
    sheet = office.get(ReviewSheet, "unheard:weekly:2026-06-01")
    assert (sheet.start, sheet.end) == (date(2026, 6, 1), date(2026, 6, 7))


@pytest.mark.req("UPD-U5-1")
def test_what_was_counted_for_an_earlier_sheet_is_not_counted_again():
    office, log = office_at(), Log(chat=10)
    first = due(office, log)
    assert len(first[0].before) == len(log.asked) - 2  # the weeks since the log began; yesterday is asked too
    prepared(office, first)
    office.at_us = jst_us(MONDAY + WEEK, 9)
    log.asked.clear()
    (second,) = due(office, log)
    assert (MONDAY - WEEK, MONDAY - timedelta(days=1)) not in log.asked
    assert second.before[-1] == Counts(requests=10)


@pytest.mark.req("UPD-U5-1")
@pytest.mark.parametrize("word", ["daily", "DAILY ", "毎日", "日次"])
def test_a_service_whose_log_plan_says_so_is_reviewed_every_day(word):
    office = office_at(date(2026, 6, 10), review_cycle=word)
    assert cycle_of(office.get(RegisteredService, "chat")) == "DAILY"
    (found,) = due(office, Log(chat=5))
    assert (found.service, found.cycle) == ("chat", "DAILY")
    prepared(office, [found])
    assert office.get(ReviewSheet, "chat:daily:2026-06-09")


def test_nothing_is_due_before_the_log_begins():
    assert due(office_at(), Log(), None) == []
    assert due(office_at(), Log(), MONDAY) == []


def test_a_retired_service_is_reviewed_only_if_it_was_used():
    office = office_at()
    retired = msgspec.structs.replace(office.get(RegisteredService, "chat"), status="RETIRED")
    office.state = office.state.put(retired)
    assert due(office, Log()) == []
    assert [each.service for each in due(office, Log(chat=1))] == ["chat"]
