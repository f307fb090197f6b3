"""The grants as policy: what the gate gets, and what it never gets."""

import itertools
from datetime import date

import msgspec
import pytest

from sekimori.governance import advice, registering, rereading
from sekimori.governance.admitted import grants_document, withheld
from sekimori.governance.calendar import jst_us
from sekimori.governance.grant import Grant, ResumeGrant, RevokeGrant, SuspendGrant
from sekimori.governance.service import RegisteredService
from sekimori.policy.decide import decide
from sekimori.policy.facts import Facts
from sekimori.policy.snapshot import compile_snapshot
from support.offices import (
    CONTRACTED,
    DAY,
    FACTS,
    FLAGGED,
    HOUR,
    JIRO,
    KEN,
    NEW_TERMS,
    NOW,
    SAKI,
    SECTIONS,
    TARO,
    TODAY,
    Office,
    class_two,
    plan,
)


def no_flags(_host):
    return ()


def asked(office, at_us, **fields):
    """Ask the gate's own policy, compiled from what governance gives."""
    rules = office.rules
    snapshot = compile_snapshot(
        grants_document(office.state, at_us, rules),
        profile=rules.profile,
        catalogue_flags=no_flags,
        now_us=at_us,
        advice_required=rules.advice_required,
        consent_required=rules.consent_required,
    )
    request = Facts(
        **{"time_us": at_us, "user": "hanako", "host": "chat.example.com", "service": "chat"} | fields
    )
    decision = decide(request, snapshot)
    return decision.reasons[0].code.value if decision.verdict == "deny" else decision.verdict


@pytest.mark.req("MOU-1-5", "MOU-1-7")
def test_before_the_acceptance_the_gate_refuses_and_after_it_admits():
    office = Office("gov").ready().approved()
    assert asked(office, NOW) == "DENY_NO_GRANT"
    office.accept()
    assert asked(office, NOW) == "allow"
    assert asked(office, NOW, user="miki") == "DENY_USER_OUT_OF_SCOPE"
    assert asked(office, NOW, declared_class=2) == "DENY_TOS_CONFIDENTIAL"


@pytest.mark.req("FORM-08")
def test_the_gate_knows_the_end_without_waiting_for_the_clock():
    office = Office("gov").ready().granted()
    end = jst_us(date(2027, 4, 1))
    assert asked(office, end - 1) == "allow"
    assert asked(office, end) == "DENY_PLAN_EXPIRED"
    office.pass_to(end)
    assert asked(office, end) == "DENY_PLAN_EXPIRED"


def test_a_grant_that_is_over_is_forgotten_after_90_days():
    office = Office("gov").ready().granted()
    end = jst_us(date(2027, 4, 1))
    assert asked(office, end + 90 * DAY) == "DENY_NO_GRANT"


@pytest.mark.req("UK-423-2d")
def test_what_is_suspended_or_revoked_says_so():
    office = Office("gov").ready().granted()
    office.do(JIRO, SuspendGrant("g-a1", "確認"))
    assert asked(office, NOW) == "DENY_SUSPENDED"
    office.do(TARO, ResumeGrant("g-a1", "問題なし"))
    assert asked(office, NOW) == "allow"
    office.do(TARO, RevokeGrant("g-a1", "違反"))
    assert asked(office, NOW) == "DENY_NO_GRANT"


@pytest.mark.req("UK-423-2d")
def test_a_suspended_service_admits_nothing():
    office = Office("gov").ready().granted()
    office.do(SAKI, registering.SuspendService("chat", "事故"))
    assert asked(office, NOW) == "DENY_SUSPENDED"


@pytest.mark.req("DSN-A2-8")
def test_lapsed_terms_stop_the_gate_without_waiting_for_the_clock():
    office = Office("gov").ready().granted()
    office.do(KEN, rereading.ReportTerms("t1", "chat", NEW_TERMS))
    assert asked(office, NOW + 30 * DAY) == "allow"
    assert asked(office, NOW + 31 * DAY) == "DENY_SUSPENDED"


@pytest.mark.req("MOU-1-3")
def test_a_grant_for_several_scopes_admits_each_by_its_name():
    office = Office("enterprise").risks().scope().scope("draft").service().authority()
    office.operating_rules(msgspec.structs.replace(SECTIONS, scopes=("summary", "draft")))
    office.granted(plan(work_scopes=("summary", "draft")))
    assert set(grants_document(office.state, NOW, office.rules).grants) == {"g-a1/summary", "g-a1/draft"}
    assert asked(office, NOW, purpose="draft") == "allow"
    assert asked(office, NOW, purpose="summary") == "allow"
    assert asked(office, NOW, purpose="translation") == "DENY_PURPOSE_OUT_OF_SCOPE"


@pytest.mark.req("MOU-2-11")
def test_class_two_passes_for_the_listed_types_only():
    office = Office("gov").ready(CONTRACTED).granted_class_two()
    assert asked(office, NOW, declared_class=2, information_type="照会文書") == "allow"
    assert asked(office, NOW, declared_class=2, information_type="契約書") == "DENY_CLASS_EXCEEDED"
    assert asked(office, NOW, declared_class=3) == "DENY_SECRET_DOC"


@pytest.mark.req("MOU-1-2", "MOU-1-1")
def test_a_class_two_grant_is_withheld_when_its_service_becomes_terms_of_service():
    office = Office("enterprise").ready(CONTRACTED).granted_class_two().granted(id_="a2")
    office.propose(msgspec.structs.replace(FACTS, hosts=CONTRACTED.hosts))
    left = withheld(office.state, NOW, office.rules)
    assert [(each.kind, each.id) for each in left] == [("grant", "g-a1")]
    assert set(grants_document(office.state, NOW, office.rules).grants) == {"g-a2"}
    assert asked(office, NOW) == "allow"
    assert asked(office, NOW, declared_class=2) == "DENY_TOS_CONFIDENTIAL"


@pytest.mark.req("DSN-5-2")
def test_a_grant_is_withheld_when_the_advice_behind_it_is_withdrawn():
    office = Office("gov").ready(FLAGGED).advised().granted()
    assert asked(office, NOW) == "allow"
    office.do(SAKI, advice.WithdrawAdvice("chat-digital_agency", "誤り"))
    assert [each.id for each in withheld(office.state, NOW, office.rules)] == ["g-a1"]
    assert asked(office, NOW) != "allow"


@pytest.mark.req("DSN-0-1", "DSN-5-2")
def test_a_flag_of_the_catalogue_withholds_a_grant_that_nobody_flagged():
    office = Office("gov").ready().granted()

    def flags(_host):
        return {"advisory_required"}

    left = withheld(office.state, NOW, office.rules, catalogue_flags=flags)
    assert [each.id for each in left] == ["g-a1"]
    assert grants_document(office.state, NOW, office.rules, catalogue_flags=flags).grants == {}


def test_two_services_on_one_host_do_not_keep_the_rest_from_compiling():
    office = Office("gov").ready().granted().service(id_="twin")
    left = withheld(office.state, NOW, office.rules)
    assert [(each.kind, each.id) for each in left] == [("service", "twin")]
    assert asked(office, NOW) == "allow"


def test_a_service_that_a_file_owns_is_left_to_the_file():
    office = Office("gov").ready().granted()
    owned = msgspec.structs.replace(office.get(RegisteredService, "chat"), owner_file="services.yaml")
    office.state = office.state.put(owned)
    document = grants_document(office.state, NOW, office.rules)
    assert (set(document.services), set(document.grants)) == (set(), {"g-a1"})


def test_a_draft_service_is_no_policy():
    office = Office("gov").risks().service(active=False)
    assert grants_document(office.state, NOW, office.rules).services == {}


@pytest.mark.req("MOU-2-1")
def test_the_end_of_the_contract_ends_the_grant():
    office = Office("enterprise").ready(CONTRACTED).granted()
    shorter = msgspec.structs.replace(CONTRACTED.contract, end=date(2026, 6, 30))
    office.propose(msgspec.structs.replace(CONTRACTED, contract=shorter))
    assert asked(office, jst_us(date(2026, 7, 1)) - 1) == "allow"
    assert asked(office, jst_us(date(2026, 7, 1))) == "DENY_PLAN_EXPIRED"


@pytest.mark.parametrize("profile", ["gov", "local_gov", "enterprise"])
def test_whatever_was_granted_compiles_under_its_own_profile(profile):
    for of, two in itertools.product((FACTS, CONTRACTED, FLAGGED), (False, True)):
        office = Office(profile).ready(of).advised()
        if two and of is CONTRACTED:
            office.granted_class_two()
        else:
            office.granted()
        assert withheld(office.state, NOW, office.rules) == ()
        assert asked(office, NOW + HOUR) == "allow"
        assert office.get(Grant, "g-a1").decided_on == TODAY
        assert class_two().basis != plan().basis
