"""Usage reports that a recount gives again; review sheets that are prepared, signed, escalated."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.anomalies import Anomaly, Counts, Oddity, anomalies
from sekimori.governance.calendar import jst_us
from sekimori.governance.review_sheet import (
    Remark,
    ReviewSheet,
    SignSheet,
    prepare_sheet,
    sheet_id,
    signed_sheets,
    span_before,
)
from sekimori.governance.usage import Use, count, joined
from sekimori.governance.use_rules import use_rules_for
from support.offices import HANAKO, JIRO, NOW, RIN, SAKI, TODAY
from support.using_offices import CLOCK, UsingOffice

RULES = use_rules_for("gov", NOW).reviews
DAY = timedelta(days=1)

# --- usage -------------------------------------------------------------------------------------------

USES = st.lists(
    st.builds(
        Use,
        at_us=st.integers(jst_us(TODAY - DAY), jst_us(TODAY + 4 * DAY)),
        service=st.sampled_from(["chat", "other"]),
        user=st.sampled_from(["hanako", "ＨＡＮＡＫＯ", "miki", ""]),
        department=st.sampled_from(["soumu", "zaimu", ""]),
        registered=st.booleans(),
        allowed=st.booleans(),
        bytes_sent=st.integers(0, 99),
        bytes_received=st.integers(0, 99),
    ),
    max_size=30,
)


@pytest.mark.req("MOU-0-1")
@given(USES)
def test_the_totals_of_a_report_are_those_of_a_recount(uses):
    totals = count(uses, TODAY, TODAY + DAY).totals
    seen = [use for use in uses if jst_us(TODAY) <= use.at_us < jst_us(TODAY + 2 * DAY)]
    assert totals.requests == len(seen)
    assert totals.refused == len([use for use in seen if not use.allowed])
    assert totals.services == len({use.service for use in seen})
    assert totals.users == len({use.user.replace("ＨＡＮＡＫＯ", "hanako") for use in seen} - {""})
    assert totals.departments == len({use.department for use in seen} - {""})
    assert (totals.bytes_sent, totals.bytes_received) == (
        sum(use.bytes_sent for use in seen),
        sum(use.bytes_received for use in seen),
    )
    services = count(uses, TODAY, TODAY + DAY).services
    for name, row in services.items():
        times = [(use.at_us, use.registered) for use in seen if use.service == name]
        assert (row.first_seen_us, (row.last_seen_us, row.registered)) == (min(times)[0], max(times))


@pytest.mark.req("MOU-0-1")
@given(USES)
def test_days_add_up_to_their_span(uses):
    whole = count(uses, TODAY, TODAY + DAY)
    days = count(uses, TODAY, TODAY), count(uses, TODAY + DAY, TODAY + DAY)
    assert joined(*days) == joined(*reversed(days)) == whole


def test_a_day_is_not_counted_twice():
    with pytest.raises(ValueError, match="2026-06-01"):
        joined(count([], TODAY, TODAY), count([], TODAY, TODAY))


@pytest.mark.req("MOU-0-1")
def test_a_service_that_nobody_registered_is_in_the_report():
    found = count([Use(NOW, "unheard-of", "hanako", "soumu", False, False)], TODAY, TODAY)
    assert (found.totals.unregistered, found.services["unheard-of"].refused) == (1, 1)


# --- anomalies ---------------------------------------------------------------------------------------

QUIET = Counts(requests=10, users={"hanako": 10})


@pytest.mark.req("UPD-U5-1")
@pytest.mark.parametrize(
    ("now", "before", "found"),
    [
        pytest.param(Counts(), [], [], id="no use"),
        pytest.param(QUIET, [], ["NEW_SERVICE:"], id="a new service"),
        pytest.param(QUIET, [QUIET], [], id="as usual"),
        pytest.param(Counts(requests=30), [QUIET], [], id="three times as much"),
        pytest.param(Counts(requests=31), [QUIET], ["VOLUME:"], id="more than that"),
        pytest.param(Counts(requests=19), [Counts()], [], id="below the floor"),
        pytest.param(
            Counts(requests=40, users={"miki": 35, "a": 2, "b": 3}),
            [Counts(requests=40, users={"a": 40})],
            ["USER_VOLUME:miki"],
            id="a user without a past",
        ),
        pytest.param(
            Counts(requests=40, users={"hanako": 40}),
            [Counts(requests=40, users={"hanako": 1})],
            ["USER_VOLUME:hanako"],
            id="a user unlike before",
        ),
        pytest.param(
            Counts(requests=30, refused={"DENY_MY_NUMBER": 20}),
            [Counts(requests=30)],
            ["REFUSED:DENY_MY_NUMBER"],
            id="refusals",
        ),
        pytest.param(Counts(requests=10, off_hours=3), [QUIET], ["OFF_HOURS:"], id="off hours, at the share"),
        pytest.param(Counts(requests=10, off_hours=2), [QUIET], [], id="off hours, below it"),
    ],
)
def test_what_is_unlike_the_weeks_before_is_odd(now, before, found):
    assert [each.key for each in anomalies(now, before, RULES)] == found


@given(
    st.builds(
        Counts,
        requests=st.integers(0, 500),
        off_hours=st.integers(0, 500),
        users=st.dictionaries(st.text(max_size=4), st.integers(0, 300), max_size=20),
        refused=st.dictionaries(st.text(max_size=4), st.integers(0, 300), max_size=20),
    ),
    st.lists(st.builds(Counts, requests=st.integers(0, 500)), max_size=12),
)
def test_anomalies_are_bounded_and_said_once(now, before):
    found = anomalies(now, before, RULES)
    assert len(found) <= 23
    for each in found:
        assert each.count > 0
    assert found == anomalies(now, before[-RULES.history :], RULES)


# --- sheets ------------------------------------------------------------------------------------------

MONDAY = date(2026, 6, 8)
LOUD = Counts(requests=100, users={"rin": 95, "a": 2, "b": 3})


@pytest.fixture
def office():
    office = UsingOffice(at_us=jst_us(MONDAY, 1))
    office.take(prepare(office))
    return office


BEFORE = (Counts(requests=100),)


def prepare(office, service="chat", cycle="WEEKLY", counts=LOUD, before=BEFORE):
    return prepare_sheet(office.state, service, cycle, counts, before, CLOCK, office.at_us, office.rules)


ID = sheet_id("chat", "WEEKLY", date(2026, 6, 1))
KEYS = ["USER_VOLUME:rin"]


def remarks(**fields):
    given_ = {"anomaly": KEYS[0], "verdict": "EXPLAINED", "note": "業務のため"}
    return (Remark(**(given_ | fields)),)


@pytest.mark.req("UPD-U5-1")
@pytest.mark.parametrize(
    ("cycle", "day", "span"),
    [
        pytest.param("WEEKLY", MONDAY, (date(2026, 6, 1), date(2026, 6, 7)), id="on Monday"),
        pytest.param("WEEKLY", date(2026, 6, 14), (date(2026, 6, 1), date(2026, 6, 7)), id="on Sunday"),
        pytest.param("DAILY", MONDAY, (date(2026, 6, 7), date(2026, 6, 7)), id="daily"),
    ],
)
def test_a_sheet_is_about_the_last_whole_span(cycle, day, span):
    assert span_before(day, cycle) == span


@pytest.mark.req("UPD-U5-1")
def test_a_sheet_is_prepared_once_with_its_anomalies(office):
    sheet = office.get(ReviewSheet, ID)
    assert (sheet.start, sheet.end, sheet.due_on) == (date(2026, 6, 1), date(2026, 6, 7), date(2026, 6, 10))
    assert [each.key for each in sheet.anomalies] == KEYS
    assert not prepare(office, counts=QUIET).events


@pytest.mark.req("UPD-U5-1")
@pytest.mark.parametrize(
    ("given_", "code"),
    [
        pytest.param((), "anomaly-unanswered", id="no finding"),
        pytest.param(remarks(note=" "), "anomaly-unanswered", id="an empty finding"),
        pytest.param(remarks(verdict="FOLLOWED_UP"), "anomaly-unanswered", id="followed up in no report"),
        pytest.param((*remarks(), *remarks(anomaly="x")), "anomaly-unanswered", id="of what is not there"),
    ],
)
def test_a_sheet_is_signed_with_a_finding_on_each_anomaly(office, given_, code):
    assert office.refused(SAKI, SignSheet(ID, given_)) == code
    assert office.missing(SAKI, SignSheet(ID, given_)) in ({KEYS[0]}, {"x"})


@pytest.mark.req("UPD-U5-1")
def test_nobody_signs_the_review_of_their_own_anomaly(office):
    assert office.refused(RIN, SignSheet(ID, remarks())) == "own-anomaly"
    assert office.refused(HANAKO, SignSheet(ID, remarks())) == "role"
    office.do(JIRO, SignSheet(ID, remarks(verdict="FOLLOWED_UP", report="i1")))
    assert office.refused(SAKI, SignSheet(ID, remarks())) == "transition"
    assert [(each.id, each.signed_by) for each in signed_sheets(office.state, "chat")] == [(ID, "jiro")]


@pytest.mark.req("UPD-U5-1")
def test_a_missed_review_is_reminded_of_after_a_day_and_escalated_after_three(office):
    steps = [
        (jst_us(date(2026, 6, 11)) - 1, "PREPARED"),
        (jst_us(date(2026, 6, 11)), "REMINDED"),
        (jst_us(date(2026, 6, 13)) - 1, "REMINDED"),
        (jst_us(date(2026, 6, 13)), "ESCALATED"),
    ]
    for at_us, status in steps:
        office.pass_to(at_us)
        assert office.get(ReviewSheet, ID).status == status
    assert not office.pass_to(jst_us(date(2026, 7, 1))).events
    assert office.refused(JIRO, SignSheet(ID, remarks())) == "role"
    office.do(SAKI, SignSheet(ID, remarks()))


@pytest.mark.req("UPD-U5-1")
def test_after_an_outage_a_sheet_is_escalated_without_a_reminder(office):
    office.pass_to(jst_us(date(2026, 7, 1)))
    assert office.get(ReviewSheet, ID).status == "ESCALATED"


def test_a_refusal_code_that_reads_like_a_name_is_nobody():
    office = UsingOffice(at_us=jst_us(MONDAY))
    odd = Counts(requests=100, refused={"rin": 50})
    office.take(prepare(office, counts=odd))
    assert office.get(ReviewSheet, ID).anomalies == (Anomaly(Oddity.REFUSED, "rin", 50, 0),)
    office.do(RIN, SignSheet(ID, remarks(anomaly="REFUSED:rin")))
