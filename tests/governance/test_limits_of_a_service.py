"""Limits of a service: what they refuse, and who may set them [UK-423-2d]."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.governance.calendar import jst_us
from sekimori.governance.limiting import (
    ConfirmLimits,
    RefuseLimits,
    ResumeUse,
    ServiceLimits,
    SetLimits,
    SuspendUse,
    service_findings,
)
from sekimori.governance.limits import Ask, Limits, Window, limit_findings, loosens
from sekimori.governance.state import digest
from sekimori.policy.codes import Reason
from support.offices import HANAKO, HOUR, JIRO, KAORU, NOW, SAKI, SHO, TARO
from support.using_offices import UsingOffice

OFFICE_HOURS = (Window(start=9 * 60, end=18 * 60),)
ALWAYS = frozenset(range(7))


def ask(**fields):
    return Ask(**({"at_us": NOW} | fields))


@pytest.mark.req("UK-423-2d")
@pytest.mark.parametrize(
    ("limits", "request_", "codes"),
    [
        pytest.param(Limits(), ask(size=10**9, user_day=10**6, attachments=9), [], id="no limits"),
        pytest.param(Limits(max_bytes=10), ask(size=10), [], id="at the size"),
        pytest.param(Limits(max_bytes=10), ask(size=11), ["DENY_LIMIT_SIZE"], id="over the size"),
        pytest.param(Limits(user_per_minute=2), ask(user_minute=1), [], id="the last of a minute"),
        pytest.param(Limits(user_per_minute=2), ask(user_minute=2), ["DENY_LIMIT_RATE"], id="one too many"),
        pytest.param(Limits(user_per_day=2), ask(user_day=2), ["DENY_LIMIT_RATE"], id="one too many a day"),
        pytest.param(
            Limits(service_per_minute=2), ask(service_minute=3), ["DENY_LIMIT_RATE"], id="all together"
        ),
        pytest.param(Limits(uploads=False), ask(), [], id="no attachment"),
        pytest.param(Limits(uploads=False), ask(attachments=1), ["DENY_LIMIT"], id="an attachment"),
        pytest.param(Limits(models=("gpt-*",)), ask(model="GPT-4"), [], id="a listed model"),
        pytest.param(Limits(models=("gpt-*",)), ask(model="o1"), ["DENY_MODEL_NOT_ALLOWED"], id="another"),
        pytest.param(Limits(models=("gpt-*",)), ask(), ["DENY_MODEL_NOT_ALLOWED"], id="no model named"),
        pytest.param(Limits(models=("gpt-*",)), ask(operation="model-list"), [], id="needs no model"),
        pytest.param(
            Limits(max_bytes=1, uploads=False, models=("a",)),
            ask(size=2, attachments=1, model="b"),
            ["DENY_LIMIT_SIZE", "DENY_LIMIT", "DENY_MODEL_NOT_ALLOWED"],
            id="everything that stands against it",
        ),
    ],
)
def test_a_limit_refuses_what_goes_beyond_it(limits, request_, codes):
    assert [each.code for each in limit_findings(limits, request_)] == codes


@pytest.mark.req("UK-423-2d")
@pytest.mark.parametrize(
    ("at", "windows", "open_"),
    [
        pytest.param((date(2026, 6, 1), 9, 0), OFFICE_HOURS, True, id="as it opens"),
        pytest.param((date(2026, 6, 1), 8, -1), OFFICE_HOURS, False, id="before it opens"),
        pytest.param((date(2026, 6, 1), 18, -1), OFFICE_HOURS, True, id="the last instant"),
        pytest.param((date(2026, 6, 1), 18, 0), OFFICE_HOURS, False, id="as it closes"),
        pytest.param((date(2026, 6, 6), 10, 0), OFFICE_HOURS, False, id="Saturday"),
        pytest.param((date(2026, 7, 20), 10, 0), OFFICE_HOURS, False, id="海の日, a Monday"),
        pytest.param(
            (date(2026, 7, 20), 10, 0), (Window(540, 1080, ALWAYS, True),), True, id="with holidays"
        ),
        pytest.param((date(2026, 12, 29), 10, 0), OFFICE_HOURS, False, id="年末"),
        pytest.param((date(2026, 6, 1), 10, 0), (Window(600, 600),), False, id="a window without a minute"),
        pytest.param((date(2026, 6, 1), 0, 0), (), True, id="no windows"),
    ],
)
def test_hours_of_use_are_those_of_japan(at, windows, open_):
    day, hour, us = at
    found = limit_findings(Limits(windows=windows), ask(at_us=jst_us(day, hour) + us))
    assert (not found) == open_


# --- loosening ---------------------------------------------------------------------------------------

AT_MOST = st.none() | st.integers(1, 4)
WINDOWS = st.lists(
    st.builds(
        Window,
        st.sampled_from([0, 540, 600]),
        st.sampled_from([540, 600, 1080, 1440]),
        st.frozensets(st.integers(0, 6)),
        st.booleans(),
    ),
    max_size=2,
).map(tuple)
LIMITS = st.builds(
    Limits,
    max_bytes=AT_MOST,
    user_per_minute=AT_MOST,
    user_per_day=AT_MOST,
    service_per_minute=AT_MOST,
    models=st.lists(st.sampled_from(["a", "b", "*"]), max_size=2).map(tuple),
    uploads=st.booleans(),
    windows=WINDOWS,
    mask_personal=st.booleans(),
    warn=st.booleans(),
)
# A week with a holiday in it: 2026-07-20 is one.
MOMENTS = st.builds(
    lambda day, minute: jst_us(date(2026, 7, 18 + day)) + minute * 60_000_000,
    st.integers(0, 8),
    st.sampled_from([0, 539, 540, 599, 600, 1079, 1080, 1439]),
)
ASKS = st.builds(
    Ask,
    at_us=MOMENTS,
    size=st.integers(0, 5),
    model=st.sampled_from([None, "a", "b", "c"]),
    attachments=st.integers(0, 1),
    user_minute=st.integers(0, 5),
    user_day=st.integers(0, 5),
    service_minute=st.integers(0, 5),
)


@pytest.mark.req("UK-423-2d")
@given(LIMITS, LIMITS, ASKS)
def test_what_does_not_loosen_lets_nothing_through_that_was_refused(before, after, request_):
    if not loosens(before, after):
        assert not limit_findings(before, request_) or limit_findings(after, request_)


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        pytest.param(Limits(max_bytes=2), Limits(max_bytes=1), False, id="smaller"),
        pytest.param(Limits(max_bytes=2), Limits(max_bytes=3), True, id="larger"),
        pytest.param(Limits(user_per_day=2), Limits(), True, id="no limit any more"),
        pytest.param(Limits(models=("a", "b")), Limits(models=("a",)), False, id="fewer models"),
        pytest.param(Limits(models=("a",)), Limits(), True, id="every model"),
        pytest.param(Limits(uploads=False), Limits(), True, id="uploads again"),
        pytest.param(Limits(warn=True), Limits(), True, id="no warning"),
        pytest.param(Limits(mask_personal=True), Limits(), True, id="no masking"),
        pytest.param(Limits(windows=OFFICE_HOURS), Limits(), True, id="at any time"),
        pytest.param(
            Limits(windows=OFFICE_HOURS), Limits(windows=(Window(600, 660),)), False, id="an hour of it"
        ),
        pytest.param(
            Limits(windows=OFFICE_HOURS),
            Limits(windows=(Window(540, 1080, holidays=True),)),
            True,
            id="on holidays",
        ),
    ],
)
def test_what_is_looser_needs_a_second_person(before, after, looser):
    assert loosens(before, after) is looser


@given(LIMITS)
def test_the_same_limits_are_no_looser_and_none_are_the_loosest(limits):
    assert not loosens(limits, limits)
    assert not loosens(Limits(), limits)


# --- who sets them -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def granted():
    return UsingOffice("enterprise").ready().granted()


@pytest.fixture
def office(granted):
    fresh = UsingOffice("enterprise")
    fresh.state = granted.state
    return fresh


def held(office):
    return office.get(ServiceLimits, "chat")


TIGHT = Limits(max_bytes=10, uploads=False)
LOOSE = Limits(max_bytes=20, uploads=False)


@pytest.mark.req("UK-423-2d")
def test_an_administrator_tightens_alone_and_loosens_with_another(office):
    office.do(JIRO, SetLimits("chat", TIGHT, "試行"))
    office.do(JIRO, SetLimits("chat", LOOSE, "要望"))
    assert (held(office).limits, held(office).proposed) == (TIGHT, LOOSE)
    assert office.refused(JIRO, ConfirmLimits("chat", digest(LOOSE))) == "own-change"
    assert office.refused(SAKI, ConfirmLimits("chat", digest(TIGHT))) == "no-proposal"
    office.do(SAKI, ConfirmLimits("chat", digest(LOOSE)))
    assert (held(office).limits, held(office).proposed) == (LOOSE, None)
    office.do(JIRO, SetLimits("chat", Limits(), "要望"))
    office.do(SAKI, RefuseLimits("chat", "不可"))
    assert (held(office).limits, held(office).proposed) == (LOOSE, None)


@pytest.mark.req("UK-423-2d")
def test_tightening_drops_what_was_proposed_before(office):
    office.do(JIRO, SetLimits("chat", TIGHT, "試行"), SetLimits("chat", Limits(), "要望"))
    office.do(JIRO, SetLimits("chat", Limits(max_bytes=1, uploads=False), "事故"))
    assert held(office).proposed is None
    assert office.refused(SAKI, ConfirmLimits("chat", digest(Limits()))) == "transition"


@pytest.mark.req("UK-423-2d")
@pytest.mark.parametrize(
    ("actor", "service", "code"),
    [
        pytest.param(KAORU, "chat", "not-administrator", id="of another service"),
        pytest.param(HANAKO, "chat", "role", id="a user"),
        pytest.param(JIRO, "unheard-of", "not-found", id="an unknown service"),
    ],
)
def test_nobody_else_sets_limits(office, actor, service, code):
    assert office.refused(actor, SetLimits(service, TIGHT, "試行")) == code
    assert office.refused(actor, SuspendUse(service, "事故")) == code


@pytest.mark.req("UK-423-2d")
def test_the_switch_stops_every_use_at_once_and_another_lets_it_go_on(office):
    assert service_findings(office.state, "chat", ask()) == []
    office.do(JIRO, SuspendUse("chat", "事故"))
    (found,) = service_findings(office.state, "chat", ask())
    assert (found.code, found.detail) == (Reason.SUSPENDED, "事故")
    assert office.refused(JIRO, ResumeUse("chat", "復旧")) == "own-change"
    assert office.refused(SHO, ResumeUse("chat", " ")) == "reason-missing"
    office.do(TARO, ResumeUse("chat", "復旧"))
    assert service_findings(office.state, "chat", ask()) == []
    assert office.refused(TARO, ResumeUse("chat", "復旧")) == "transition"


def test_a_suspended_service_stays_so_when_its_limits_change(office):
    office.do(JIRO, SuspendUse("chat", "事故"), SetLimits("chat", TIGHT, "試行"))
    assert [each.code for each in service_findings(office.state, "chat", ask())] == [Reason.SUSPENDED]


@pytest.mark.req("UK-423-2d")
def test_every_measure_says_why_and_is_an_event(office):
    assert office.refused(JIRO, SetLimits("chat", TIGHT, "")) == "reason-missing"
    office.do(JIRO, SetLimits("chat", TIGHT, "試行"))
    event = office.events[-1]
    assert (event.kind, event.by, event.facts["reason"]) == ("service_limits.set", "jiro", "試行")
    assert event.changed["limits"]["max_bytes"] == 10


def test_outside_its_hours_a_service_is_closed(office):
    office.do(JIRO, SetLimits("chat", Limits(windows=OFFICE_HOURS), "勤務時間"))
    assert service_findings(office.state, "chat", ask()) == []
    assert [f.code for f in service_findings(office.state, "chat", ask(at_us=NOW + 9 * HOUR))] == [
        Reason.LIMIT_WINDOW
    ]
