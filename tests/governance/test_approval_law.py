"""The truth table at the desk of the authority: which class on which contract with which evidence."""

import itertools
from datetime import date

import msgspec
import pytest

from sekimori.governance import advice, applying, assessment, consent
from sekimori.governance.application import Application
from sekimori.governance.approving import assessment_for
from sekimori.governance.calendar import jst_us
from sekimori.governance.consent import consent_needed
from sekimori.governance.grant import Grant
from sekimori.governance.plan import Answer
from sekimori.governance.registering import ApproveFacts, ProposeFacts, RegisterService
from sekimori.governance.rules import rules_for
from sekimori.governance.service import ContractType, Flag, RegisteredService
from sekimori.governance.state import digest
from sekimori.policy.model import CHECKLIST
from support.offices import (
    CONTRACTED,
    DAY,
    FACTS,
    FLAGGED,
    HANAKO,
    JIRO,
    KEN,
    NOW,
    PARTS,
    PROOF,
    RIN,
    SAKI,
    TARO,
    TODAY,
    Office,
    checklist,
    class_two,
    person,
    plan,
)

FLAG = (Flag(code="advisory_required", source="事務連絡"),)
OWN = msgspec.structs.replace(CONTRACTED, contract_type=ContractType.ORG_OPERATED, contract=None)
CONTRACTS = {"terms_of_service": FACTS, "individual": CONTRACTED, "org_operated": OWN}


def filed(profile, of, asked):
    """Bring an application to the desk with all evidence, whatever the register would have said before."""
    office = Office(profile).ready(of)
    office.submit(plan())
    before = office.get(Application, "a1")
    office.state = office.state.put(msgspec.structs.replace(before, plan=asked))
    office.advised()
    if asked.information_confidentiality >= 2:
        office.assessed()
        if consent_needed(office.get(Application, "a1"), office.rules):
            office.consented()
    return office.examine()


@pytest.mark.req("MOU-1-2", "MOU-1-13", "MOU-2-11", "MOU-2-12", "UK-421-1", "DSN-2-1", "FORM-07")
@pytest.mark.parametrize(
    ("profile", "contract", "klass", "flagged"),
    list(itertools.product(("gov", "local_gov", "enterprise"), CONTRACTS, (1, 2, 3), (False, True))),
)
def test_every_cell_of_the_truth_table(profile, contract, klass, flagged):
    of = msgspec.structs.replace(CONTRACTS[contract], flags=FLAG if flagged else ())
    asked = class_two(information_confidentiality=klass) if klass > 1 else plan()
    office = filed(profile, of, asked)
    if klass == 3:
        assert office.refused(TARO, office.approval()) == "class-3"
    elif klass == 2 and contract == "terms_of_service":
        assert office.refused(TARO, office.approval()) == "tos-confidential"
    else:
        office.do(TARO, office.approval())
        office.accept()
        assert office.get(Grant, "g-a1").max_class == klass


@pytest.mark.req("MOU-1-2")
def test_no_heap_of_roles_approves_confidential_information_on_terms_of_service():
    office = filed("enterprise", FACTS, class_two())
    everything = person("taro", "approval_authority", "security_officer", "system_administrator", "reviewer")
    assert office.refused(everything, office.approval()) == "tos-confidential"


@pytest.mark.req("MOU-1-2", "FORM-07")
@pytest.mark.parametrize(("klass", "code"), [(2, "tos-confidential"), (3, "class-3"), (0, "class-3")])
def test_such_an_application_is_not_even_submitted(klass, code):
    office = Office("gov").ready()
    office.do(HANAKO, applying.DraftApplication("a1", class_two(information_confidentiality=klass)))
    assert office.refused(HANAKO, applying.SubmitApplication("a1")) == code


@pytest.mark.req("MOU-1-2")
def test_a_service_that_becomes_terms_of_service_again_is_not_approved():
    office = filed("enterprise", CONTRACTED, class_two())
    office.propose(msgspec.structs.replace(FACTS, hosts=CONTRACTED.hosts))
    assert office.refused(TARO, office.approval()) == "tos-confidential"


@pytest.mark.req("DSN-1-2")
@pytest.mark.parametrize(
    ("locations", "chosen"),
    [
        pytest.param(("JP", "CN"), {}, id="CN"),
        pytest.param(("XX",), {"caution_locations": ["XX"]}, id="own list"),
    ],
)
def test_data_in_a_country_of_caution_caps_the_class(locations, chosen):
    office = Office("enterprise", **chosen)
    of = msgspec.structs.replace(CONTRACTED, data_locations=locations)
    office.ready(of).submit(plan())
    office.state = office.state.put(msgspec.structs.replace(office.get(Application, "a1"), plan=class_two()))
    office.assessed().examine()
    assert office.refused(TARO, office.approval()) == "class-cap"


# --- what class 2 needs -------------------------------------------------------------------------------


def at_the_desk(profile="gov", asked=None, *, assessed=True, consented=True):
    office = Office(profile).ready(CONTRACTED).submit(asked or class_two())
    if assessed:
        office.assessed()
    if consented and office.rules.consent_required:
        office.consented()
    return office.examine()


@pytest.mark.req("MOU-2-2", "MOU-2-10", "MOU-2-11", "FORM-11")
def test_class_two_is_approved_with_everything():
    office = at_the_desk()
    office.do(TARO, office.approval())
    decision = office.get(Application, "a1").decision
    assert (decision.consent, decision.risk_assessment) == ("c-a1", "ra-a1")
    office.accept()
    assert office.get(Grant, "g-a1").checklist == CHECKLIST


@pytest.mark.req("MOU-2-10", "FORM-11", "FORM-C1", "FORM-C2", "FORM-C3", "FORM-C4", "FORM-C5", "FORM-C6")
@pytest.mark.parametrize("item", CHECKLIST)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="not answered"),
        pytest.param("NO", id="いいえ"),
        pytest.param("YES", id="はい without evidence"),
    ],
)
def test_class_two_needs_each_item_with_its_evidence(item, answer):
    made = Answer(item=item, answer=answer) if answer else None
    office = at_the_desk(asked=class_two(checklist=checklist(**{item: made})))
    assert office.refused(TARO, office.approval()) == "checklist-incomplete"
    assert office.missing(TARO, office.approval()) == {item}


@pytest.mark.req("FORM-C6", "MOU-2-9")
@pytest.mark.parametrize("item", CHECKLIST)
def test_only_the_trial_notice_may_not_apply(item):
    asked = class_two(checklist=checklist(**{item: Answer(item=item, answer="NOT_APPLICABLE")}))
    office = at_the_desk(asked=asked)
    if item == "c6_trial_notice_and_consent":
        office.do(TARO, office.approval())
    else:
        assert office.missing(TARO, office.approval()) == {item}


@pytest.mark.req("FORM-C6", "MOU-2-9")
def test_for_the_public_the_trial_notice_applies():
    public = msgspec.structs.replace(CONTRACTED, audience="PUBLIC")
    office = Office("local_gov").ready(public).submit(class_two()).assessed().examine()
    assert office.missing(TARO, office.approval()) == {"c6_trial_notice_and_consent"}


@pytest.mark.req("FORM-C1", "MOU-2-3")
def test_item_one_needs_the_label_switched_on():
    office = Office("local_gov").ready(msgspec.structs.replace(CONTRACTED, ai_label=False))
    office.submit(class_two()).assessed().examine()
    assert office.missing(TARO, office.approval()) == {"c1_disclosure_of_genai"}


@pytest.mark.req("FORM-C2", "FORM-C3", "MOU-2-4", "MOU-2-5")
@pytest.mark.parametrize(
    ("item", "fields"),
    [
        ("c2_secondary_use_responsibility", {"responsible": "somebody"}),
        ("c3_limited_initial_audience", {"groups": ("zaimu",)}),
    ],
)
def test_an_item_agrees_with_the_rest_of_the_plan(item, fields):
    answer = Answer(item=item, answer="YES", evidence=PROOF, **fields)
    office = at_the_desk(asked=class_two(checklist=checklist(**{item: answer})))
    assert office.missing(TARO, office.approval()) == {item}


@pytest.mark.req("FORM-C5", "MOU-2-7")
@pytest.mark.parametrize(
    ("tested_us", "young"),
    [
        pytest.param(NOW - DAY, True, id="24 hours ago"),
        pytest.param(NOW - DAY - 1, False, id="longer ago"),
        pytest.param(NOW + 1, False, id="in the future"),
    ],
)
def test_the_self_test_is_at_most_a_day_old(tested_us, young):
    office = at_the_desk(asked=class_two(checklist=checklist(tested_us)))
    if young:
        office.do(TARO, office.approval())
    else:
        assert office.missing(TARO, office.approval()) == {"c5_logging_and_feedback"}


def test_an_acceptance_some_days_later_does_not_ask_for_a_new_self_test():
    office = at_the_desk()
    office.do(TARO, office.approval())
    office.at_us += 5 * DAY
    office.accept()
    assert office.get(Grant, "g-a1").status == "ACTIVE"


@pytest.mark.req("MOU-2-11")
@pytest.mark.parametrize("types", [(), (" ",)])
def test_class_two_lists_its_types(types):
    office = at_the_desk()
    asked = class_two(information_types=types)
    office.state = office.state.put(msgspec.structs.replace(office.get(Application, "a1"), plan=asked))
    office.do(TARO, office.review())
    assert office.refused(TARO, office.approval()) == "information-types"


@pytest.mark.req("MOU-2-6", "MOU-2-11")
def test_class_two_needs_a_signed_risk_analysis():
    office = at_the_desk(assessed=False)
    assert office.refused(TARO, office.approval()) == "risk-analysis"
    office.do(RIN, assessment.Assess("ra", "a1", PARTS))
    assert office.refused(TARO, office.approval()) == "risk-analysis"
    office.do(RIN, assessment.SignAssessment("ra"))
    office.do(TARO, office.approval())


@pytest.mark.req("MOU-2-6")
@pytest.mark.parametrize(
    ("days", "holds"), [pytest.param(365, True, id="a year"), pytest.param(366, False, id="a day more")]
)
def test_a_risk_analysis_holds_for_a_year(days, holds):
    office = at_the_desk()
    analysis = next(office.state.all(assessment.RiskAssessment))
    assert analysis.holds(analysis.basis, NOW + days * DAY - 1, 365) is holds


@pytest.mark.req("MOU-2-6")
@pytest.mark.parametrize(
    "fields",
    [
        {"models": ("example-2",)},
        {"work_scopes": ("summary", "draft")},
        {"information_types": ("照会文書", "契約書")},
        {"operations": ("generate", "agent")},
        {"phase": "GENERAL"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_risk_analysis_and_a_consent_of_another_use_do_not_count(fields):
    office = at_the_desk().scope("draft")
    asked = class_two(**fields)
    office.state = office.state.put(msgspec.structs.replace(office.get(Application, "a1"), plan=asked))
    assert consent.consent_for(office.state, office.get(Application, "a1")) is None
    rules = office.rules
    assert assessment_for(office.state, office.get(Application, "a1"), NOW, rules) is None


@pytest.mark.req("MOU-2-6")
@pytest.mark.parametrize("part", assessment.PARTS)
def test_a_risk_analysis_has_three_parts(part):
    office = Office("gov").ready(CONTRACTED).submit(class_two())
    office.do(RIN, assessment.Assess("ra", "a1", tuple(each for each in PARTS if each.part != part)))
    assert office.missing(RIN, assessment.SignAssessment("ra")) == {part}


@pytest.mark.req("MOU-2-2")
@pytest.mark.parametrize("answer", [None, "CONDITIONAL", "REFUSED"])
def test_class_two_needs_the_consent_of_the_body_in_gov(answer):
    office = at_the_desk(consented=False)
    if answer:
        office.consented(answer=answer)
    assert office.refused(TARO, office.approval()) == "consent-missing"


@pytest.mark.req("MOU-2-2")
def test_a_conditional_consent_counts_when_its_conditions_are_met():
    office = at_the_desk(consented=False).consented(answer="CONDITIONAL")
    office.do(SAKI, consent.MeetConditions("c-a1", PROOF))
    office.do(TARO, office.approval())


@pytest.mark.req("MOU-2-2")
def test_a_consent_needs_a_reference_a_day_and_a_document():
    office = at_the_desk(consented=False)
    office.do(HANAKO, consent.DraftConsent("c", "a1"), consent.SubmitConsent("c", "報告1"))
    bare = msgspec.structs.replace(PROOF, sha256="")
    record = consent.RecordConsent("c", "CONSENTED", "", date(2026, 6, 2), bare)
    assert office.missing(SAKI, record) == {"evidence", "reference", "on"}


@pytest.mark.req("MOU-1-13", "MOU-2-12")
@pytest.mark.parametrize("of", [FACTS, CONTRACTED], ids=["terms of service", "individual"])
def test_for_class_one_the_report_is_absent_not_skipped(of):
    office = Office("gov").ready(of).submit()
    assert office.refused(HANAKO, consent.DraftConsent("c", "a1")) == "transition"
    office.examine()
    office.do(TARO, office.approval())


@pytest.mark.parametrize("profile", ["local_gov", "enterprise"])
def test_outside_the_ministries_class_two_needs_no_report_unless_chosen(profile):
    office = at_the_desk(profile)
    office.do(TARO, office.approval())
    chosen = Office(profile, consent_required=True).ready(CONTRACTED).submit(class_two()).assessed().examine()
    assert chosen.refused(TARO, chosen.approval()) == "consent-missing"


# --- advice ---------------------------------------------------------------------------------------------


@pytest.mark.req("DSN-5-1", "DSN-5-2", "DSN-3-1")
def test_a_flagged_provider_needs_the_advice_of_both_bodies_even_when_free():
    office = Office("gov").ready(FLAGGED).submit().examine()
    assert office.get(RegisteredService, "chat").facts.procurement == "none"
    assert office.refused(TARO, office.approval()) == "advice-missing"
    office.do(HANAKO, advice.AskAdvice("x", "chat", "digital_agency"))
    assert office.refused(TARO, office.approval()) == "advice-missing"
    office.do(SAKI, advice.RecordAdvice("x", "回答1", TODAY, "留意", PROOF))
    assert office.refused(TARO, office.approval()) == "advice-missing"
    office.do(HANAKO, advice.AskAdvice("y", "chat", "cyber_advice_body"))
    office.do(SAKI, advice.RecordAdvice("y", "回答2", TODAY, "留意", PROOF))
    assert office.refused(TARO, office.approval(advice_reflected=" ")) == "advice-unreflected"
    office.do(TARO, office.approval())
    assert office.get(Application, "a1").decision.advice == ("x", "y")


@pytest.mark.req("DSN-1-2", "DSN-5-2", "DSN-A3-2")
def test_data_in_a_country_of_caution_is_a_flag_of_its_own():
    office = Office("gov").ready(
        msgspec.structs.replace(FACTS, data_locations=("CN",), governing_law=("CN",))
    )
    office.submit().examine()
    assert office.refused(TARO, office.approval()) == "advice-missing"
    office.advised()
    office.do(TARO, office.approval())


@pytest.mark.req("DSN-5-2")
def test_one_body_under_two_names_is_one_body():
    office = Office("gov", at_us=jst_us(date(2025, 6, 30), 10))
    office.risks().scope()
    office.do(KEN, RegisterService("chat", FLAGGED))
    for id_, at in (("x", date(2025, 6, 30)), ("y", date(2025, 7, 1))):
        office.at_us = jst_us(at, 10)
        office.rules = rules_for("gov", office.at_us)
        office.do(HANAKO, advice.AskAdvice(id_, "chat", "cyber_advice_body"))
        office.do(SAKI, advice.RecordAdvice(id_, "回答", at, "留意", PROOF))
    names = {office.get(advice.AdviceRecord, id_).body for id_ in ("x", "y")}
    assert names == {"内閣サイバーセキュリティセンター", "国家サイバー統括室"}
    service = office.get(RegisteredService, "chat")
    assert advice.advice_missing(office.state, service, office.rules) == ["デジタル庁"]


def test_advice_that_is_withdrawn_no_longer_counts():
    office = Office("gov").ready(FLAGGED).advised().submit().examine()
    office.do(SAKI, advice.WithdrawAdvice("chat-digital_agency", "誤り"))
    assert office.refused(TARO, office.approval()) == "advice-missing"


@pytest.mark.req("MOU-1-1", "DSN-5-2")
def test_a_proposal_in_waiting_holds_approvals_up():
    office = Office("gov").ready().submit().examine()
    office.do(KEN, ProposeFacts("chat", FLAGGED, "事務連絡"))
    assert office.refused(TARO, office.approval()) == "register-incomplete"
    office.do(SAKI, ApproveFacts("chat", digest(office.get(RegisteredService, "chat").proposal)))
    assert office.refused(TARO, office.approval()) == "advice-missing"
    assert office.refused(JIRO, office.approval()) == "role"
