"""From an application to a grant: what happens, in which order, and what each step leaves behind."""

from datetime import date

import msgspec
import pytest

from sekimori.governance import applying, appointment, registering, scope
from sekimori.governance.application import Application
from sekimori.governance.appointment import Appointment
from sekimori.governance.change import Changing
from sekimori.governance.commands import NOUNS, perform
from sekimori.governance.grant import Grant, ResumeGrant, RevokeGrant, register_row
from sekimori.governance.operating_rules import (
    DraftRules,
    OperatingRules,
    PublishRules,
    Sections,
    review_overdue,
)
from sekimori.governance.refusals import Forbidden
from sekimori.governance.service import LogPlan
from sekimori.governance.state import Aggregate, State
from support.offices import (
    FACTS,
    HANAKO,
    JIRO,
    KAORU,
    KEN,
    LOG_PLAN,
    NOW,
    SAKI,
    SECTIONS,
    SHO,
    TARO,
    TODAY,
    Office,
    everything_there_is,
    plan,
)


def kinds(office):
    return [event.kind for event in office.events]


@pytest.mark.req("MOU-1-5", "UK-423-2b", "UK-423-2c", "DSN-2-2")
def test_an_application_becomes_a_grant_when_its_administrator_accepts():
    office = Office("gov").ready().approved()
    assert list(office.state.all(Grant)) == []
    office.accept()
    grant = office.get(Grant, "g-a1")
    assert (grant.status, grant.applicant, grant.decided_by, grant.administrator) == (
        "ACTIVE",
        "hanako",
        "taro",
        "jiro",
    )
    assert kinds(office)[-3:] == ["appointment.accept", "grant.issue", "application.grant"]


@pytest.mark.req("MOU-1-5", "DSN-5-3")
def test_a_decision_keeps_what_it_was_taken_on():
    office = Office("gov").ready().approved()
    application = office.get(Application, "a1")
    decision = application.decision
    assert decision.verdict == "APPROVED"
    assert (decision.by, decision.authority, decision.delegated) == ("taro", "auth-taro", False)
    assert (decision.policy_version, decision.operating_rules) == ("p1", "r1")
    assert decision.application_hash == application.plan_hash
    assert decision.at_us == NOW


@pytest.mark.req("UK-423-2c")
def test_the_register_of_approved_services_is_the_grant_itself():
    office = Office("gov").ready().granted()
    row = register_row(office.get(Grant, "g-a1"))
    assert (row.report_no, row.service, row.approver, row.administrator) == (
        "default-08-0001",
        "chat",
        "taro",
        "jiro",
    )


@pytest.mark.req("UK-423-2c")
def test_an_approval_names_an_administrator():
    office = Office("gov").ready().submit().examine()
    assert office.refused(TARO, office.approval(administrator=" ")) == "administrator-missing"


@pytest.mark.req("UK-423-1a-ウ")
def test_an_administrator_who_declines_leaves_no_grant_and_another_is_appointed():
    office = Office("gov").ready().approved()
    office.do(JIRO, appointment.DeclineAppointment("p-a1", "異動のため"))
    assert office.refused(JIRO, appointment.AcceptAppointment("p-a1", "g")) == "transition"
    office.do(TARO, appointment.Nominate("p2", "a1", "kaoru"))
    office.do(KAORU, appointment.AcceptAppointment("p2", "g-a1"))
    assert office.get(Grant, "g-a1").administrator == "kaoru"


def test_nobody_else_accepts_for_the_administrator():
    office = Office("gov").ready().approved()
    assert office.refused(KAORU, appointment.AcceptAppointment("p-a1", "g")) == "not-yours"


def test_what_changed_between_approval_and_acceptance_is_asked_again():
    office = Office("gov").ready().approved()
    office.do(SAKI, registering.SuspendService("chat", "事故"))
    assert office.refused(JIRO, appointment.AcceptAppointment("p-a1", "g")) == "service-inactive"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"status": "REJECTED"}, "transition", id="not approved"),
        pytest.param({"decisions": ()}, "transition", id="not decided"),
        pytest.param({"appointment": "p2"}, "stale", id="somebody else was asked"),
        pytest.param({"plan": plan(free_text="後から")}, "stale", id="another plan than was decided on"),
    ],
)
def test_an_appointment_is_worth_no_more_than_the_decision_behind_it(fields, code):
    office = Office("gov").ready().approved()
    office.state = office.state.put(msgspec.structs.replace(office.get(Application, "a1"), **fields))
    assert office.refused(JIRO, appointment.AcceptAppointment("p-a1", "g")) == code


def test_whoever_decided_does_not_accept_an_appointment_that_got_there_some_other_way():
    office = Office("gov").ready().approved()
    forged = msgspec.structs.replace(office.get(Appointment, "p-a1"), administrator="taro")
    office.state = office.state.put(forged)
    assert office.refused(TARO, appointment.AcceptAppointment("p-a1", "g")) == "own-appointment"


@pytest.mark.req("UK-423-2d")
def test_measures_are_due_ten_business_days_after_the_acceptance():
    office = Office("gov").ready().granted()
    assert office.get(Appointment, "p-a1").measures_due_on == date(2026, 6, 15)
    office.do(JIRO, appointment.CompleteMeasures("p-a1", ("マスキング",)))
    assert office.get(Appointment, "p-a1").measures == ("マスキング",)


def test_an_administrator_who_resigns_leaves_a_suspended_grant_until_another_accepts_and_it_is_resumed():
    office = Office("gov").ready().granted()
    office.do(JIRO, appointment.ResignAppointment("p-a1", "異動"))
    grant = office.get(Grant, "g-a1")
    assert (grant.status, grant.suspended_for, grant.administrator) == ("SUSPENDED", "administrator", "")
    assert office.refused(TARO, ResumeGrant("g-a1", "再開")) == "administrator-missing"
    office.do(TARO, appointment.Nominate("p2", "a1", "kaoru"))
    office.do(KAORU, appointment.AcceptAppointment("p2", "ignored"))
    office.do(TARO, ResumeGrant("g-a1", "後任が受諾した"))
    assert office.get(Grant, "g-a1").status == "ACTIVE"


def test_a_successor_takes_over_from_a_serving_administrator():
    office = Office("gov").ready().granted()
    office.do(TARO, appointment.Nominate("p2", "a1", "kaoru"))
    assert office.get(Grant, "g-a1").administrator == "jiro"
    office.do(KAORU, appointment.AcceptAppointment("p2", "ignored"))
    assert office.get(Grant, "g-a1").administrator == "kaoru"
    assert office.get(Appointment, "p-a1").status == "ENDED"
    assert len(list(office.state.all(Grant))) == 1


# --- numbers and versions ------------------------------------------------------------------------------


@pytest.mark.req("FORM-01", "FORM-03")
def test_report_numbers_have_no_gaps_and_are_never_used_twice():
    office = Office("gov").ready()
    for id_ in ("a1", "a2", "a3"):
        office.submit(id_=id_)
    office.do(HANAKO, applying.WithdrawApplication("a2"))
    office.submit(id_="a4")
    numbers = [office.get(Application, id_).report_no for id_ in ("a1", "a2", "a3", "a4")]
    assert numbers == [f"default-08-{number:04}" for number in (1, 2, 3, 4)]


@pytest.mark.req("FORM-01")
def test_a_new_fiscal_year_counts_from_one():
    office = Office("gov").ready()
    office.submit()
    office.at_us = NOW + 365 * 86_400_000_000
    fresh = plan()
    sheet = msgspec.structs.replace(fresh.terms_check, retrieved_on=date(2027, 6, 1))
    period = msgspec.structs.replace(fresh.usage_period, start=date(2027, 6, 1), end=date(2027, 12, 31))
    office.submit(plan(terms_check=sheet, usage_period=period), id_="a2")
    assert office.get(Application, "a2").report_no == "default-09-0001"


@pytest.mark.req("FORM-01", "FORM-03")
def test_a_returned_application_keeps_its_number_and_first_date_and_gets_a_branch():
    office = Office("gov").ready().submit().examine()
    office.do(TARO, applying.ReturnApplication("a1", "目的が不明確", office.hash()))
    office.do(HANAKO, applying.ReopenApplication("a1"))
    office.at_us += 86_400_000_000
    office.do(HANAKO, applying.SubmitApplication("a1"))
    application = office.get(Application, "a1")
    assert (application.report_no, application.revision) == ("default-08-0001", 1)
    assert (application.first_report_date, application.revised_on) == (TODAY, date(2026, 6, 2))


def test_two_people_editing_the_same_application_lose_nothing():
    office = Office("gov").ready()
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    version = office.get(Application, "a1").version
    office.do(HANAKO, applying.EditApplication("a1", plan(free_text="一つ目"), version))
    assert (
        office.refused(HANAKO, applying.EditApplication("a1", plan(free_text="二つ目"), version)) == "stale"
    )
    assert office.get(Application, "a1").plan.free_text == "一つ目"


def test_a_decision_on_another_version_than_was_read_is_refused():
    office = Office("gov").ready().submit().examine()
    assert office.refused(TARO, office.approval(plan_hash="f" * 64)) == "stale"


@pytest.mark.req("UK-423-2b")
def test_an_approval_needs_each_of_the_ten_risks_gone_through_by_whoever_approves():
    office = Office("gov").ready().submit()
    office.do(TARO, applying.TakeUpApplication("a1"))
    assert office.refused(TARO, office.approval()) == "risks-unreviewed"
    office.do(TARO, office.review(risks=("deletion",)))
    assert "deletion" not in office.missing(TARO, office.approval())
    assert "foreign_law" in office.missing(TARO, office.approval())


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize("command", [applying.RejectApplication, applying.ReturnApplication])
def test_a_rejection_or_return_says_why(command):
    office = Office("gov").ready().submit().examine()
    assert office.refused(TARO, command("a1", " ", office.hash())) == "reason-missing"


# --- what stands before the first application ----------------------------------------------------------


@pytest.mark.req("UPD-U2-3")
@pytest.mark.parametrize("field", LOG_PLAN.__struct_fields__)
def test_a_service_does_not_go_active_before_each_part_of_its_log_plan_is_there(field):
    office = Office("gov").risks().scope()
    office.do(KEN, registering.RegisterService("chat", FACTS))
    empty = getattr(LogPlan(), field)
    office.do(JIRO, registering.SetLogPlan("chat", msgspec.structs.replace(LOG_PLAN, **{field: empty})))
    assert office.refused(SAKI, registering.ActivateService("chat")) == "log-plan"
    assert office.missing(SAKI, registering.ActivateService("chat")) == {f"log_plan.{field}"}


@pytest.mark.req("UPD-U2-3")
def test_an_active_service_keeps_a_complete_log_plan():
    office = Office("gov").risks().scope().service()
    assert office.refused(JIRO, registering.SetLogPlan("chat", LogPlan())) == "log-plan"


@pytest.mark.req("MOU-1-3")
def test_a_service_does_not_go_active_before_a_published_scope_admits_it():
    office = Office("gov").risks().service(active=False)
    assert office.refused(SAKI, registering.ActivateService("chat")) == "scope-missing"
    office.scope(verdict="FORBIDDEN")
    assert office.refused(SAKI, registering.ActivateService("chat")) == "scope-missing"


@pytest.mark.req("DSN-A2-0")
def test_a_scope_is_published_when_all_ten_risks_are_disposed_of():
    office = Office("gov")
    rule = scope.ScopeRule(service="*", verdict="ALLOWED", risk_note="公開情報のみ")
    office.do(SAKI, scope.WriteScope("summary", "要約", (rule,)))
    assert office.refused(SHO, scope.PublishScope("summary")) == "risks-open"


@pytest.mark.req("UK-423-1a-ア", "UK-423-1a-イ", "UK-423-1a-ウ", "UK-423-1a-エ")
@pytest.mark.parametrize(
    ("field", "section"),
    [
        pytest.param("scopes", "ア", id="no scope"),
        pytest.param("authorities", "イ", id="no authority"),
        pytest.param("processing_days", "イ", id="no processing days"),
        pytest.param("appointment", "ウ", id="no appointment"),
        pytest.param("articles", "エ", id="no article"),
    ],
)
def test_operating_rules_are_published_when_each_section_is_there(field, section):
    office = Office("gov").risks().scope().authority()
    lacking = msgspec.structs.replace(SECTIONS, **{field: getattr(Sections(), field)})
    office.do(SAKI, DraftRules("r1", lacking, TODAY, TODAY))
    assert office.missing(SHO, PublishRules("r1")) == {section}


@pytest.mark.req("MOU-0-3")
@pytest.mark.parametrize(
    ("review", "code"),
    [
        pytest.param(date(2027, 6, 1), None, id="after a year"),
        pytest.param(date(2027, 6, 2), "rules-incomplete", id="a day later"),
        pytest.param(date(2026, 5, 31), "rules-incomplete", id="before they hold"),
    ],
)
def test_operating_rules_are_reviewed_within_a_year(review, code):
    office = Office("gov").risks().scope().authority()
    office.do(SAKI, DraftRules("r1", SECTIONS, TODAY, review))
    if code:
        assert office.refused(SHO, PublishRules("r1")) == code
        return
    office.do(SHO, PublishRules("r1"))
    assert not review_overdue(office.state, NOW)
    assert review_overdue(office.state, NOW + 366 * 86_400_000_000)
    assert office.refused(SAKI, DraftRules("r1", SECTIONS, TODAY, review)) == "transition"
    assert office.get(OperatingRules, "r1").sha256


@pytest.mark.req("UK-423-1a-イ")
def test_nobody_applies_where_no_authority_lives():
    office = Office("gov").risks().scope().service()
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    assert office.refused(HANAKO, applying.SubmitApplication("a1")) == "no-authority"


def test_nothing_is_approved_without_operating_rules():
    office = Office("gov").risks().scope().service().authority().submit().examine()
    assert office.refused(TARO, office.approval()) == "rules-missing"


@pytest.mark.req("DSN-4-1")
@pytest.mark.parametrize(("profile", "code"), [("gov", "register-incomplete"), ("enterprise", None)])
def test_a_government_tenant_checks_the_procurement_agreement_before_approval(profile, code):
    office = Office(profile).ready(msgspec.structs.replace(FACTS, it_procurement_check=None))
    office.submit().examine()
    if code:
        assert office.refused(TARO, office.approval()) == code
    else:
        office.do(TARO, office.approval())


def test_what_is_there_is_not_entered_again_and_nothing_has_no_name():
    office = Office("gov").ready().submit()
    assert office.refused(HANAKO, applying.DraftApplication("a1", plan())) == "exists"
    assert office.refused(HANAKO, applying.DraftApplication("", plan())) == "not-found"
    assert office.refused(HANAKO, applying.SubmitApplication("a9")) == "not-found"


def test_an_application_with_a_grant_is_not_withdrawn():
    office = Office("gov").ready().granted()
    assert office.refused(HANAKO, applying.WithdrawApplication("a1")) == "grant-exists"


def test_a_review_speaks_of_the_ten_risks_only():
    office = Office("gov").ready().submit()
    office.do(TARO, applying.TakeUpApplication("a1"))
    assert office.missing(TARO, office.review(risks=("weather",))) == {"weather"}


def test_a_second_administrator_is_not_asked_while_the_first_has_not_answered():
    office = Office("gov").ready().approved()
    assert office.refused(TARO, appointment.Nominate("p2", "a1", "kaoru")) == "transition"
    office.do(JIRO, appointment.DeclineAppointment("p-a1", "異動"))
    assert office.refused(TARO, appointment.Nominate("p2", "a1", " ")) == "administrator-missing"


def test_nobody_takes_over_what_was_revoked():
    office = Office("gov").ready().granted()
    office.do(TARO, appointment.Nominate("p2", "a1", "kaoru"))
    office.do(TARO, RevokeGrant("g-a1", "違反"))
    assert office.refused(KAORU, appointment.AcceptAppointment("p2", "-")) == "transition"


def test_a_plan_that_needs_scopes_outside_the_operating_rules_is_not_approved():
    office = Office("gov").ready().scope("other").submit(plan(work_scopes=("other",))).examine()
    assert office.refused(TARO, office.approval()) == "scope-missing"


@pytest.mark.req("UK-423-1a-ア", "UK-423-1a-イ")
def test_operating_rules_name_scopes_and_authorities_that_there_are():
    office = Office("gov").risks()
    office.do(SAKI, DraftRules("r1", SECTIONS, TODAY, TODAY))
    assert office.missing(SHO, PublishRules("r1")) == {"ア.summary", "イ.auth-taro"}


# --- one organisation ------------------------------------------------------------------------------------


@pytest.mark.req("MOU-0-2")
def test_a_command_of_one_organisation_never_touches_another():
    office = Office("gov").ready().submit()
    stranger = msgspec.structs.replace(TARO, tenant="other")
    assert office.refused(stranger, applying.TakeUpApplication("a1")) == "other-tenant"
    with pytest.raises(Forbidden, match="other-tenant"):
        applying.take_up_application(
            office.state, applying.TakeUpApplication("a1"), stranger, NOW, office.rules
        )
    with pytest.raises(Forbidden, match="other-tenant"):
        Changing(office.state, stranger, NOW)


@pytest.mark.req("MOU-0-2")
@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_state_refuses_what_belongs_to_another_organisation(noun):
    office = everything_there_is()
    values = list(office.state.all(NOUNS[noun]))
    assert values
    for value in values:
        foreign = msgspec.structs.replace(value, tenant="other")
        with pytest.raises(Forbidden, match="other-tenant"):
            office.state.put(foreign)
        poisoned = State("default", {noun: {value.id: foreign}})
        with pytest.raises(Forbidden, match="other-tenant"):
            poisoned.find(NOUNS[noun], value.id)
        with pytest.raises(Forbidden, match="other-tenant"):
            list(poisoned.all(NOUNS[noun]))


def test_a_store_may_hand_in_tables_that_fetch_a_row_when_asked():
    class Rows(dict[str, Aggregate]):
        def __iter__(self):
            raise AssertionError("nobody walks the whole table")

    office = Office("gov").ready().approved()
    walked = {"work_scope", "approval_authority", "operating_rules", "terms_change", "advice_record"}
    tables = {
        noun: (dict if noun in walked else Rows)((each.id, each) for each in office.state.all(kind))
        for noun, kind in NOUNS.items()
    }
    office.state = State("default", tables)
    change = perform(office.state, appointment.AcceptAppointment("p-a1", "g-a1"), JIRO, NOW, office.rules)
    assert change.state.get(Grant, "g-a1").status == "ACTIVE"
