"""Time and a grant: first day, last day, warnings, suspension, changed terms, renewal."""

from datetime import date

import msgspec
import pytest

from sekimori.governance import applying, renewal, rereading
from sekimori.governance.actors import clock
from sekimori.governance.application import Application
from sekimori.governance.appointment import AcceptAppointment
from sekimori.governance.calendar import jst_us
from sekimori.governance.grant import MACHINE, Grant, ResumeGrant, RevokeGrant, SuspendGrant, warning_instants
from sekimori.governance.machine import Case
from sekimori.governance.refusals import Forbidden
from sekimori.governance.tick import tick
from sekimori.policy.model import Period
from support.offices import (
    DAY,
    HANAKO,
    HOUR,
    JIRO,
    KAORU,
    KEN,
    MIKI,
    NEW_TERMS,
    NOW,
    SAKI,
    TARO,
    TERMS,
    TODAY,
    YUKI,
    Office,
    person,
    plan,
)

LAST = date(2026, 8, 31)
END = jst_us(date(2026, 9, 1))
PERIOD = Period(start=TODAY, end=LAST)


def office_with(period=PERIOD, **fields):
    return Office("gov").ready().granted(plan(usage_period=period, **fields))


def status(office, id_="g-a1"):
    return office.get(Grant, id_).status


def warnings(change):
    return [event.facts["days"] for event in change.events if event.kind == "grant.warn"]


@pytest.mark.req("FORM-08")
def test_a_grant_ends_at_midnight_in_japan_after_its_last_day():
    office = office_with()
    office.pass_to(END - 1)
    assert status(office) == "ACTIVE"
    office.pass_to(END)
    assert status(office) == "EXPIRED"


@pytest.mark.req("FORM-08")
def test_a_grant_opens_at_midnight_in_japan_of_its_first_day():
    office = office_with(Period(start=date(2026, 7, 1), end=LAST))
    assert status(office) == "SCHEDULED"
    office.pass_to(jst_us(date(2026, 7, 1)) - 1)
    assert status(office) == "SCHEDULED"
    office.pass_to(jst_us(date(2026, 7, 1)))
    assert status(office) == "ACTIVE"


@pytest.mark.req("FORM-08")
@pytest.mark.parametrize(
    ("days", "instant"),
    [
        (30, jst_us(date(2026, 8, 1), 9)),
        (14, jst_us(date(2026, 8, 17), 9)),
        (7, jst_us(date(2026, 8, 24), 9)),
        (1, jst_us(date(2026, 8, 30), 9)),
    ],
)
def test_warnings_fall_due_at_nine_in_japan(days, instant):
    office = office_with()
    assert warning_instants(office.get(Grant, "g-a1"), office.rules)[days] == instant
    assert days not in warnings(office.pass_to(instant - 1))
    change = office.pass_to(instant)
    assert warnings(change) == [days]
    assert change.events[-1].facts["to"] == {
        "users": ("hanako",),
        "groups": ("soumu",),
        "administrator": ("jiro",),
        "authority": ("taro",),
    }
    assert warnings(office.pass_to(instant + 1)) == []


def test_after_an_outage_there_is_one_warning_and_not_three():
    office = office_with()
    assert warnings(office.pass_to(jst_us(date(2026, 8, 25), 12))) == [7]
    assert warnings(office.pass_to(jst_us(date(2026, 8, 30), 9))) == [1]


@pytest.mark.parametrize("step", [HOUR, 7 * HOUR, DAY, 45 * DAY], ids=["hourly", "7 h", "daily", "45 days"])
def test_how_often_the_clock_is_asked_changes_nothing_in_the_end(step):
    office = office_with()
    at = NOW
    while at < END:
        at = min(at + step, END)
        office.state = tick(office.state, at, office.rules).state
    grant = office.get(Grant, "g-a1")
    assert grant.status == "EXPIRED"
    assert tick(office.state, END + DAY, office.rules).events == ()


def test_a_suspended_grant_expires_too():
    office = office_with()
    office.do(JIRO, SuspendGrant("g-a1", "確認"))
    office.pass_to(END)
    assert status(office) == "EXPIRED"
    assert office.refused(TARO, ResumeGrant("g-a1", "再開")) == "transition"


@pytest.mark.req("UK-423-2d")
@pytest.mark.parametrize(
    ("actor", "code"),
    [
        pytest.param(JIRO, None, id="its administrator"),
        pytest.param(TARO, None, id="its authority"),
        pytest.param(SAKI, None, id="a security officer"),
        pytest.param(HANAKO, "not-authority", id="a user"),
        pytest.param(KAORU, "not-authority", id="another administrator"),
        pytest.param(YUKI, "not-authority", id="another authority"),
        pytest.param(KEN, "not-authority", id="a system administrator"),
    ],
)
def test_who_may_stop_a_grant(actor, code):
    office = office_with()
    if code:
        assert office.refused(actor, SuspendGrant("g-a1", "確認")) == code
    else:
        office.do(actor, SuspendGrant("g-a1", "確認"))
        assert status(office) == "SUSPENDED"


def test_only_the_authority_lets_a_grant_go_on():
    office = office_with()
    office.do(SAKI, SuspendGrant("g-a1", "確認"))
    assert office.refused(SAKI, ResumeGrant("g-a1", "再開")) == "role"
    assert office.refused(TARO, ResumeGrant("g-a1", " ")) == "reason-missing"
    office.do(TARO, ResumeGrant("g-a1", "問題なし"))
    assert status(office) == "ACTIVE"


def test_a_revoked_grant_stays_revoked():
    office = office_with()
    assert office.refused(JIRO, RevokeGrant("g-a1", "違反")) == "not-authority"
    office.do(TARO, RevokeGrant("g-a1", "違反"))
    assert office.refused(TARO, ResumeGrant("g-a1", "再開")) == "transition"
    office.pass_to(END)
    assert status(office) == "REVOKED"


# --- changed terms -----------------------------------------------------------------------------------


@pytest.mark.req("DSN-A2-8")
def test_changed_terms_stop_every_grant_when_the_grace_period_ends():
    office = office_with(Period(start=TODAY, end=date(2027, 3, 31)))
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    due = jst_us(date(2026, 7, 2))
    office.pass_to(due - 1)
    assert status(office) == "ACTIVE"
    office.pass_to(due)
    assert (status(office), office.get(Grant, "g-a1").suspended_for) == ("SUSPENDED", "terms")
    assert office.refused(TARO, ResumeGrant("g-a1", "再開")) == "terms-pending"
    office.do(TARO, rereading.ConfirmTerms("t1", "変更点は問題なし"))
    assert status(office) == "ACTIVE"


@pytest.mark.req("DSN-A2-8")
def test_terms_confirmed_in_time_stop_nothing():
    office = office_with(Period(start=TODAY, end=date(2027, 3, 31)))
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    office.do(TARO, rereading.ConfirmTerms("t1", "問題なし"))
    office.pass_to(NOW + 40 * DAY)
    assert status(office) == "ACTIVE"


@pytest.mark.req("DSN-A2-8")
def test_terms_that_are_refused_stop_everything_at_once():
    office = office_with()
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    office.do(TARO, rereading.RejectTerms("t1", "学習に利用される"))
    assert status(office) == "SUSPENDED"


@pytest.mark.req("DSN-A2-8")
def test_confirmed_terms_resume_nothing_that_was_stopped_by_hand():
    office = office_with()
    office.do(SAKI, SuspendGrant("g-a1", "事故"))
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    office.do(TARO, rereading.RejectTerms("t1", "不可"))
    assert office.refused(TARO, ResumeGrant("g-a1", "再開")) == "terms-pending"
    office.do(TARO, rereading.ConfirmTerms("t1", "撤回"))
    assert status(office) == "SUSPENDED"
    office.do(TARO, ResumeGrant("g-a1", "再開"))


@pytest.mark.req("DSN-A2-8")
def test_while_changed_terms_wait_nothing_is_approved_or_accepted():
    office = Office("gov").ready().approved()
    office.submit(id_="a2").examine("a2")
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    assert office.refused(TARO, office.approval("a2")) == "terms-pending"
    assert office.refused(JIRO, AcceptAppointment("p-a1", "g")) == "terms-pending"
    office.do(TARO, rereading.ConfirmTerms("t1", "問題なし"))
    assert office.refused(TARO, office.approval("a2")) == "terms-differ"


def test_the_same_terms_again_are_no_change():
    office = office_with()
    assert office.refused(KEN, rereading.ReportTerms("t1", "chat", TERMS)) == "exists"


# --- renewal -----------------------------------------------------------------------------------------


def test_a_renewal_is_a_new_application_and_the_old_grant_keeps_its_end():
    office = office_with()
    office.do(HANAKO, renewal.RenewGrant("g-a1", "a2"))
    fresh = office.get(Application, "a2")
    assert (fresh.status, fresh.renewal_of, fresh.plan.purpose) == ("DRAFT", "g-a1", plan().purpose)
    assert (fresh.plan.usage_period, fresh.plan.checklist, fresh.plan.terms_check.risks) == (None, (), ())
    assert status(office) == "RENEWAL_IN_PROGRESS"
    office.pass_to(END)
    assert status(office) == "EXPIRED"


def test_a_renewal_goes_the_whole_way_again():
    office = office_with()
    office.do(HANAKO, renewal.RenewGrant("g-a1", "a2"))
    again = plan(usage_period=Period(start=date(2026, 9, 1), end=date(2027, 3, 31)))
    office.do(HANAKO, applying.EditApplication("a2", again, office.get(Application, "a2").version))
    office.do(HANAKO, applying.SubmitApplication("a2"))
    office.examine("a2")
    office.do(TARO, office.approval("a2"))
    office.accept("a2")
    assert (status(office, "g-a1"), status(office, "g-a2")) == ("RENEWAL_IN_PROGRESS", "SCHEDULED")
    office.pass_to(END)
    assert (status(office, "g-a1"), status(office, "g-a2")) == ("EXPIRED", "ACTIVE")


def test_a_grant_is_renewed_once_at_a_time_and_by_its_own_people():
    office = office_with()
    assert office.refused(MIKI, renewal.RenewGrant("g-a1", "a2")) == "not-yours"
    office.do(JIRO, renewal.RenewGrant("g-a1", "a2"))
    assert office.refused(HANAKO, renewal.RenewGrant("g-a1", "a3")) == "transition"


@pytest.mark.parametrize("how", ["withdrawn", "rejected"])
def test_a_renewal_that_comes_to_nothing_leaves_the_grant_as_it_was(how):
    office = office_with()
    office.do(HANAKO, renewal.RenewGrant("g-a1", "a2"))
    if how == "withdrawn":
        office.do(HANAKO, applying.WithdrawApplication("a2"))
    else:
        again = office.get(Application, "a2")
        full = msgspec.structs.replace(again, plan=plan())
        office.state = office.state.put(full)
        office.do(HANAKO, applying.SubmitApplication("a2"))
        office.examine("a2")
        office.do(TARO, applying.RejectApplication("a2", "不要", office.hash("a2")))
    assert (status(office), office.get(Grant, "g-a1").renewal) == ("ACTIVE", "")


def test_nobody_resumes_the_grant_that_they_applied_for():
    office = Office("gov").ready()
    own = person("yuki", "approval_authority")
    office.authority(own).submit(plan(users=("hanako",)), by=own).examine()
    office.do(TARO, office.approval())
    office.accept()
    office.do(SAKI, SuspendGrant("g-a1", "確認"))
    assert office.refused(own, ResumeGrant("g-a1", "再開")) == "own-application"


@pytest.mark.req("FORM-08")
def test_nothing_is_approved_or_accepted_for_a_period_that_is_over():
    office = Office("gov").ready()
    short = plan(usage_period=Period(start=TODAY, end=TODAY))
    office.submit(short).submit(short, id_="a2").examine().examine("a2")
    office.do(TARO, office.approval())
    office.at_us = jst_us(date(2026, 6, 2))
    assert office.refused(TARO, office.approval("a2")) == "period-over"
    assert office.refused(JIRO, AcceptAppointment("p-a1", "g")) == "period-over"


@pytest.mark.parametrize("verb", ["start", "expire"])
def test_the_clock_does_nothing_before_its_time(verb):
    office = office_with(Period(start=date(2026, 7, 1), end=LAST))
    case = Case(office.state, office.get(Grant, "g-a1"), None, clock(), NOW, office.rules)
    with pytest.raises(Forbidden, match="not time"):
        MACHINE.move(verb, case)
