"""Nobody decides alone: each pair of roles that must be two people, asked as one person."""

from datetime import date, timedelta

import msgspec
import pytest

from sekimori.governance import (
    advice,
    applying,
    appointment,
    assessment,
    authority,
    consent,
    operating_rules,
    registering,
    rereading,
    risks,
    scope,
)
from sekimori.governance.actors import Actor
from sekimori.governance.application import Application
from sekimori.governance.authority import ApprovalAuthority, Deputy, roles_of
from sekimori.governance.grant import ResumeGrant, SuspendGrant
from sekimori.governance.registering import fact_faults
from sekimori.governance.service import FOUR_EYES, ContractType, RegisteredService, Summary
from sekimori.governance.state import digest
from support.offices import (
    AOI,
    CONTRACT,
    CONTRACTED,
    FACTS,
    FLAGGED,
    HANAKO,
    JIRO,
    KEN,
    LOG_PLAN,
    MIKI,
    NEW_TERMS,
    NOW,
    PARTS,
    PROOF,
    RIN,
    SAKI,
    SECTIONS,
    SHO,
    TARO,
    TODAY,
    YUKI,
    Office,
    class_two,
    facts,
    person,
    plan,
)

ALMIGHTY = (
    *("approval_authority", "cloud_service_administrator", "reviewer", "security_officer"),
    "system_administrator",
)


def almighty(name):
    """Give somebody with every role there is: the number of roles never makes one person two."""
    return person(name, *ALMIGHTY)


# --- applications ----------------------------------------------------------------------------------------


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize("spelling", ["taro", "TARO", " taro ", "ｔａｒｏ"])
def test_an_applicant_never_decides_on_their_own_application_however_the_name_is_written(spelling):
    office = Office("gov").ready()
    applicant = almighty(spelling)
    office.submit(plan(users=("miki",)), by=applicant)
    assert office.refused(almighty("taro"), applying.TakeUpApplication("a1")) == "own-application"
    office.do(RIN, applying.TakeUpApplication("a1"))
    assert office.refused(almighty("taro"), office.review()) == "own-application"
    for command in (
        office.approval(),
        applying.RejectApplication("a1", "理由", office.hash()),
        applying.ReturnApplication("a1", "理由", office.hash()),
    ):
        assert office.refused(almighty("taro"), command) == "own-application"


@pytest.mark.req("MOU-1-5")
def test_whoever_is_among_the_users_does_not_decide():
    office = Office("gov").ready().submit(plan(users=("hanako", "Ｔaro"))).examine()
    assert office.refused(TARO, office.approval()) == "own-use"


@pytest.mark.req("MOU-1-5")
@pytest.mark.parametrize(
    "actor", [HANAKO, MIKI, YUKI, JIRO, RIN, SAKI, KEN, AOI], ids=lambda actor: actor.name
)
def test_only_the_authority_for_the_service_and_unit_decides(actor):
    office = Office("gov").ready().submit().examine()
    assert office.refused(actor, office.approval()) in {"role", "not-authority", "own-application"}


@pytest.mark.req("UK-423-1a-イ")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"service": "chat"}, None, id="this service"),
        pytest.param({"unit": "soumu"}, None, id="this unit"),
        pytest.param({"service": "other"}, "no-authority", id="another service"),
        pytest.param({"unit": "zaimu"}, "no-authority", id="another unit"),
        pytest.param({"end": TODAY}, None, id="on its last day"),
        pytest.param({"end": TODAY - timedelta(days=1)}, "no-authority", id="the day after"),
    ],
)
def test_an_authority_is_for_a_service_and_a_unit_and_a_time(fields, code):
    office = Office("gov").risks().scope().service().authority(**fields)
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    if code:
        assert office.refused(HANAKO, applying.SubmitApplication("a1")) == code
    else:
        office.do(HANAKO, applying.SubmitApplication("a1"))


@pytest.mark.req("UK-423-1a-イ")
@pytest.mark.parametrize(
    ("start", "end", "decides"),
    [
        pytest.param(TODAY, TODAY, True, id="in their days"),
        pytest.param(TODAY + timedelta(days=1), TODAY + timedelta(days=9), False, id="before"),
        pytest.param(TODAY - timedelta(days=9), TODAY - timedelta(days=1), False, id="after"),
    ],
)
def test_a_deputy_decides_in_their_days_and_the_decision_says_so(start, end, decides):
    office = Office("gov").ready()
    office.do(TARO, authority.DelegateAuthority("auth-taro", (Deputy(name="yuki", start=start, end=end),)))
    office.submit().examine(by=YUKI)
    if not decides:
        assert office.refused(YUKI, office.approval()) == "not-authority"
        return
    office.do(YUKI, office.approval())
    decision = office.get(Application, "a1").decision
    assert (decision.by, decision.delegated, decision.authority) == ("yuki", True, "auth-taro")


@pytest.mark.req("MOU-1-5", "UK-423-1a-イ")
@pytest.mark.parametrize(
    "of",
    [
        pytest.param({"by": person("Ｔaro"), "users": ("miki",)}, id="the applicant"),
        pytest.param({"by": HANAKO, "users": ("hanako", "TARO")}, id="a user"),
    ],
)
def test_a_deputy_does_not_decide_about_whoever_they_stand_in_for(of):
    office = Office("gov").ready()
    office.do(TARO, authority.DelegateAuthority("auth-taro", (Deputy(name="yuki", start=TODAY, end=TODAY),)))
    office.submit(plan(users=of["users"]), by=of["by"]).examine(by=YUKI)
    for command in (office.approval(), applying.RejectApplication("a1", "理由", office.hash())):
        assert office.refused(YUKI, command) == "own-deputy"
    office.authority(RIN)
    office.do(RIN, authority.DelegateAuthority("auth-rin", (Deputy(name="yuki", start=TODAY, end=TODAY),)))
    office.do(YUKI, office.approval())
    assert office.get(Application, "a1").decision.authority == "auth-rin"


@pytest.mark.req("MOU-1-5")
def test_no_officer_alone_makes_somebody_decide():
    office = Office("gov").ready()
    deputy = (Deputy(name="yuki", start=TODAY, end=TODAY),)
    for officer in (almighty("saki"), almighty("ken")):
        assert office.refused(officer, authority.DelegateAuthority("auth-taro", deputy)) == "not-yours"


def test_a_grant_is_not_resumed_by_the_deputy_of_its_applicant():
    office = Office("gov").ready().granted(plan(users=("hanako",))).authority(HANAKO)
    office.do(SAKI, SuspendGrant("g-a1", "確認"), authority.EndAuthority("auth-taro", "異動"))
    deputy = (Deputy(name="yuki", start=TODAY, end=TODAY),)
    office.do(person("hanako"), authority.DelegateAuthority("auth-hanako", deputy))
    assert office.refused(YUKI, ResumeGrant("g-a1", "再開")) == "own-deputy"


def test_nobody_makes_themself_the_deputy():
    office = Office("gov").ready()
    own = (Deputy(name="saki", start=TODAY, end=TODAY),)
    assert office.refused(SAKI, authority.DelegateAuthority("auth-taro", own)) == "own-role"
    assert office.refused(HANAKO, authority.DelegateAuthority("auth-taro", own)) == "not-yours"


def test_whoever_decides_does_not_become_the_administrator():
    office = Office("gov").ready().submit().examine()
    assert office.refused(TARO, office.approval(administrator="Taro")) == "own-appointment"
    office.do(TARO, office.approval())
    office.do(JIRO, appointment.DeclineAppointment("p-a1", "異動"))
    assert office.refused(TARO, appointment.Nominate("p2", "a1", "taro")) == "own-appointment"


def test_a_second_authority_does_not_appoint_the_one_who_decided():
    office = Office("gov").ready().authority(YUKI).approved()
    office.do(JIRO, appointment.DeclineAppointment("p-a1", "異動"))
    assert office.refused(YUKI, appointment.Nominate("p2", "a1", "taro")) == "own-appointment"


@pytest.mark.req("MOU-2-6", "FORM-C4")
def test_the_assessor_is_not_the_applicant():
    office = Office("gov").ready(CONTRACTED).submit(class_two(users=("miki",)), by=almighty("hanako"))
    assert office.refused(almighty("Hanako"), assessment.Assess("ra", "a1", PARTS)) == "own-assessment"


def test_nobody_signs_what_another_assessed():
    office = Office("gov").ready(CONTRACTED).submit(class_two())
    office.do(RIN, assessment.Assess("ra", "a1", PARTS))
    assert office.refused(SAKI, assessment.SignAssessment("ra")) == "not-yours"


def test_the_consent_is_not_recorded_by_the_applicant():
    office = Office("gov").ready(CONTRACTED).submit(class_two(users=("miki",)), by=almighty("hanako"))
    office.do(HANAKO, consent.DraftConsent("c", "a1"), consent.SubmitConsent("c", "報告1"))
    record = consent.RecordConsent("c", "CONSENTED", "回答1", TODAY, PROOF)
    assert office.refused(almighty("hanako"), record) == "own-application"


def test_a_grant_is_not_resumed_by_its_applicant_or_a_user():
    office = Office("gov").ready().granted(plan(users=("hanako", "yuki"))).authority(YUKI)
    office.do(SAKI, SuspendGrant("g-a1", "確認"))
    assert office.refused(YUKI, ResumeGrant("g-a1", "再開")) == "own-use"
    assert office.refused(JIRO, ResumeGrant("g-a1", "再開")) == "role"


# --- the register ----------------------------------------------------------------------------------------


@pytest.mark.req("MOU-1-1")
def test_a_new_service_is_terms_of_service_whatever_is_entered():
    office = Office("gov")
    office.do(KEN, registering.RegisterService("chat", CONTRACTED))
    entered = office.get(RegisteredService, "chat").facts
    assert (entered.contract_type, entered.contract) == (ContractType.TERMS_OF_SERVICE, None)


@pytest.mark.req("MOU-1-1")
def test_the_editor_of_a_contract_type_does_not_approve_it():
    office = Office("gov").risks().scope().service()
    office.do(almighty("ken"), registering.ProposeFacts("chat", CONTRACTED, "契約の締結"))
    proposal = digest(office.get(RegisteredService, "chat").proposal)
    assert office.refused(almighty("KEN"), registering.ApproveFacts("chat", proposal)) == "own-change"
    assert office.refused(SAKI, registering.ApproveFacts("chat", "f" * 64)) == "stale"
    office.do(SAKI, registering.ApproveFacts("chat", proposal))
    assert office.get(RegisteredService, "chat").facts.contract_type is ContractType.INDIVIDUAL_CONTRACT


@pytest.mark.req("MOU-1-1", "DSN-1-2", "DSN-5-2")
@pytest.mark.parametrize("field", sorted(FOUR_EYES))
def test_no_fact_that_decisions_hang_on_is_changed_by_one_person(field):
    other = {
        "provider": "Other AI",
        "hosts": ("other.example.com",),
        "models": ("other-*",),
        "contract_type": ContractType.ORG_OPERATED,
        "contract": CONTRACT,
        "data_locations": ("US",),
        "governing_law": ("US",),
        "training_use": "none",
        "flags": (),
        "audience": "PUBLIC",
        "class_floor": 2,
        "interception": "mixed",
        "decrypt_mixed": True,
    }
    office = Office("gov").risks().scope().service(FLAGGED)
    changed = msgspec.structs.replace(FLAGGED, **{field: other[field]})
    assert office.refused(almighty("ken"), registering.DescribeService("chat", changed)) == "own-change"
    assert office.missing(KEN, registering.DescribeService("chat", changed)) == {field}


def test_whoever_brought_the_facts_does_not_activate_them_though_another_edited_something_since():
    office = Office("gov").risks().scope()
    one, other = almighty("saki"), almighty("sho")
    office.do(one, registering.RegisterService("chat", FACTS), registering.SetLogPlan("chat", LOG_PLAN))
    office.do(other, registering.DescribeService("chat", msgspec.structs.replace(FACTS, name="Chat")))
    for either in (one, other):
        assert office.refused(either, registering.ActivateService("chat")) == "own-change"
    office.do(TARO, registering.ActivateService("chat"))


def test_the_advice_on_a_service_is_not_recorded_by_whoever_applies_for_it():
    office = Office("gov").ready(FLAGGED)
    office.do(almighty("hanako"), applying.DraftApplication("a1", plan(users=("miki",))))
    office.do(HANAKO, advice.AskAdvice("v", "chat", next(iter(office.rules.book.advice_bodies))))
    record = advice.RecordAdvice("v", "回答1", TODAY, "問題なし", PROOF)
    assert office.refused(almighty("Hanako"), record) == "own-application"
    office.do(HANAKO, applying.WithdrawApplication("a1"))
    office.do(almighty("hanako"), record)


def test_whoever_described_a_service_does_not_activate_it():
    office = Office("gov").risks().scope()
    one = almighty("saki")
    office.do(one, registering.RegisterService("chat", FACTS), registering.SetLogPlan("chat", LOG_PLAN))
    assert office.refused(one, registering.ActivateService("chat")) == "own-change"


@pytest.mark.req("MOU-1-1", "MOU-2-1")
@pytest.mark.parametrize(
    "field",
    ["number", "counterparty", "start", "end", "training_clause", "deletion_clause", "evidence"],
)
def test_an_individual_contract_says_all_that_it_must(field):
    office = Office("gov").risks().scope().service()
    lacking = msgspec.structs.replace(
        CONTRACT, **{field: None if field in ("start", "end", "evidence") else ""}
    )
    of = msgspec.structs.replace(CONTRACTED, contract=lacking)
    assert office.missing(KEN, registering.ProposeFacts("chat", of, "契約")) == {f"contract.{field}"}


@pytest.mark.req("DSN-1-1")
@pytest.mark.parametrize(
    ("reviewer", "enough"),
    [pytest.param("", False, id="nobody"), pytest.param("KEN", False, id="the author"), ("rin", True)],
)
def test_a_policy_without_japanese_needs_a_summary_checked_by_somebody_else(reviewer, enough):
    summary = Summary(text="要約", author="ken", reviewer=reviewer)
    faults = {each.field for each in fact_faults(facts(policy_languages=("zh", "en"), ja_summary=summary))}
    assert faults == (set() if enough else {"ja_summary"})


def test_what_a_file_owns_is_not_edited_by_hand():
    office = Office("gov")
    office.do(KEN, registering.RegisterService("chat", FACTS, owner_file="services.yaml"))
    assert office.refused(KEN, registering.DescribeService("chat", FACTS)) == "owned-by-file"
    assert office.refused(KEN, registering.ProposeFacts("chat", CONTRACTED, "契約")) == "owned-by-file"


@pytest.mark.req("DSN-A2-8")
def test_whoever_handed_in_changed_terms_does_not_confirm_them():
    office = Office("gov").ready()
    office.do(almighty("taro"), rereading.ReportTerms("t1", "chat", NEW_TERMS))
    assert office.refused(almighty("taro"), rereading.ConfirmTerms("t1", "問題なし")) == "own-change"


def test_whoever_wrote_a_scope_or_rules_does_not_publish_them():
    office = Office("gov").risks().scope().authority()
    rule = scope.ScopeRule(service="*", verdict="ALLOWED", risk_note="公開情報のみ")
    office.do(SAKI, scope.WriteScope("draft", "下書き", (rule,)))
    assert office.refused(SAKI, scope.PublishScope("draft")) == "own-change"
    office.do(SAKI, operating_rules.DraftRules("r1", SECTIONS, TODAY, date(2027, 1, 1)))
    assert office.refused(SAKI, operating_rules.PublishRules("r1")) == "own-change"
    office.do(SHO, operating_rules.PublishRules("r1"))


# --- roles ---------------------------------------------------------------------------------------------


@pytest.mark.req("MOU-1-5")
def test_nobody_approves_their_own_role_or_the_one_they_proposed():
    office = Office("gov")
    office.do(KEN, authority.ProposeRole("r1", "saki", "approval_authority"))
    assert office.refused(SAKI, authority.ConfirmRole("r1")) == "own-role"
    assert office.refused(KEN, authority.ConfirmRole("r1")) == "own-change"
    assert roles_of(office.state, "saki") == frozenset()
    office.do(SHO, authority.ConfirmRole("r1"))
    assert roles_of(office.state, "SAKI") == {"approval_authority"}


@pytest.mark.req("MOU-1-5")
def test_nobody_confirms_their_own_authority_nor_one_in_which_they_deputise():
    office = Office("gov")
    deputies = (Deputy(name="sho", start=TODAY, end=TODAY),)
    office.do(KEN, authority.ProposeAuthority("x", "saki", TODAY, deputies=deputies))
    assert office.refused(SAKI, authority.ConfirmAuthority("x")) == "own-role"
    assert office.refused(SHO, authority.ConfirmAuthority("x")) == "own-role"
    assert office.refused(KEN, authority.ConfirmAuthority("x")) == "own-change"
    assert office.get(ApprovalAuthority, "x").status == "PROPOSED"


def test_an_authority_that_was_only_proposed_decides_nothing():
    office = Office("gov").risks().scope().service()
    office.do(KEN, authority.ProposeAuthority("x", "taro", TODAY))
    office.do(HANAKO, applying.DraftApplication("a1", plan()))
    assert office.refused(HANAKO, applying.SubmitApplication("a1")) == "no-authority"


@pytest.mark.parametrize(
    "roles", [frozenset({"clock"}), frozenset({"staff", "root"})], ids=["clock", "unknown"]
)
def test_an_account_cannot_hold_a_role_that_is_none(roles):
    office = Office("gov").ready()
    assert office.refused(Actor("hanako", roles), applying.DraftApplication("a1", plan())) == "role"
    assert office.at_us == NOW


# --- what the register, the catalogue and the roles refuse beside ----------------------------------------


@pytest.mark.parametrize(
    ("of", "field"),
    [
        pytest.param(facts(name=""), "name", id="no name"),
        pytest.param(facts(class_floor=4), "class_floor", id="no such class"),
        pytest.param(msgspec.structs.replace(CONTRACTED, contract=None), "contract", id="no contract"),
        pytest.param(
            msgspec.structs.replace(CONTRACTED, subprocessors=()), "subprocessors", id="no sub-contractors"
        ),
        pytest.param(
            msgspec.structs.replace(
                CONTRACTED, contract=msgspec.structs.replace(CONTRACT, end=date(2026, 3, 31))
            ),
            "contract.end",
            id="backwards",
        ),
    ],
)
@pytest.mark.req("MOU-2-1", "DSN-A3-1")
def test_a_proposal_says_all_that_a_service_must_say(of, field):
    office = Office("gov").risks().scope().service()
    assert office.missing(KEN, registering.ProposeFacts("chat", of, "契約")) == {field}


@pytest.mark.parametrize(
    "command",
    [
        registering.ProposeFacts("chat", CONTRACTED, " "),
        registering.SuspendService("chat", ""),
        registering.RetireService("chat", "　"),
    ],
)
def test_what_stops_or_changes_a_service_says_why(command):
    office = Office("gov").risks().scope().service()
    actor = KEN if isinstance(command, registering.ProposeFacts) else SAKI
    assert office.refused(actor, command) == "reason-missing"


def test_a_service_without_its_facts_is_not_activated():
    office = Office("gov").risks().scope()
    office.do(KEN, registering.RegisterService("chat", facts(governing_law=(), data_locations=())))
    office.do(JIRO, registering.SetLogPlan("chat", LOG_PLAN))
    assert office.missing(SAKI, registering.ActivateService("chat")) == {"governing_law", "data_locations"}


def test_there_is_nothing_to_approve_without_a_proposal():
    office = Office("gov").risks().scope().service()
    assert office.refused(SAKI, registering.ApproveFacts("chat", "")) == "transition"
    assert office.refused(SAKI, registering.RefuseFacts("chat", "不要")) == "transition"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"risk_note": " "}, {"rules.*"}, id="no risk note"),
        pytest.param({"verdict": "CONDITIONAL"}, {"rules.*"}, id="no condition"),
    ],
)
@pytest.mark.req("MOU-1-3")
def test_a_scope_says_its_risk_and_its_condition(fields, told):
    office = Office("gov").risks()
    rule = scope.ScopeRule(**{"service": "*", "verdict": "ALLOWED", "risk_note": "公開情報のみ"} | fields)
    office.do(SAKI, scope.WriteScope("draft", "下書き", (rule,)), scope.WriteScope("empty", "空", ()))
    assert office.missing(SHO, scope.PublishScope("draft")) == told
    assert office.missing(SHO, scope.PublishScope("empty")) == {"rules"}
    assert office.refused(SAKI, scope.WriteScope("x", " ", ())) == "incomplete"


def test_a_disposition_names_a_risk_a_measure_and_an_owner():
    office = Office("gov")
    wrong = risks.Disposition(risk="weather", disposition="REDUCED", measure="傘", owner="saki", on=TODAY)
    assert office.missing(SAKI, risks.DisposeRisks((wrong,))) == {"weather"}


def test_a_role_is_one_of_the_roles_and_a_deputy_is_somebody_else():
    office = Office("gov")
    assert office.refused(KEN, authority.ProposeRole("r", "saki", "king")) == "incomplete"
    own = (Deputy(name="TARO", start=TODAY, end=TODAY),)
    assert office.refused(KEN, authority.ProposeAuthority("x", "taro", TODAY, deputies=own)) == "incomplete"
    backwards = (Deputy(name="yuki", start=TODAY, end=TODAY - timedelta(days=1)),)
    assert (
        office.refused(KEN, authority.ProposeAuthority("x", "taro", TODAY, deputies=backwards))
        == "incomplete"
    )


def test_a_risk_analysis_is_about_one_application():
    office = Office("gov").ready(CONTRACTED).submit(class_two()).submit(class_two(), id_="a2")
    office.do(RIN, assessment.Assess("ra", "a1", PARTS))
    assert office.refused(RIN, assessment.Assess("ra", "a2", PARTS)) == "exists"


def test_a_confirmation_of_terms_says_something():
    office = Office("gov").ready()
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    assert office.refused(TARO, rereading.ConfirmTerms("t1", " ")) == "reason-missing"
