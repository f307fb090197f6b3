"""What a provider supplied and does: documents that are kept, training that caps the class, risks to answer."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from sekimori.governance import applying, scope
from sekimori.governance.admitted import grants_document
from sekimori.governance.calendar import jst_us
from sekimori.governance.provided import (
    REMINDED_DAYS,
    KeepDocument,
    ProvidedDocument,
    SupersedeDocument,
    documents_of,
)
from sekimori.governance.reports import OpenReport, Report
from sekimori.governance.risks import TEN_RISKS, RiskRegister
from sekimori.governance.service import RegisteredService
from support.offices import (
    CONTRACTED,
    HANAKO,
    JIRO,
    NOW,
    RIN,
    SAKI,
    SHA,
    SHO,
    TODAY,
    Office,
    class_two,
)
from support.using_offices import UsingOffice

ENDS = TODAY + timedelta(days=90)


def keep(**fields):
    made: dict[str, Any] = {
        "id": "d1",
        "service": "chat",
        "what": "ATTESTATION",
        "title": "ISMAP 登録通知",
        "reference": "文書第2号",
        "sha256": SHA,
        "received_on": TODAY,
        "expires_on": ENDS,
    }
    return KeepDocument(**(made | fields))


@pytest.fixture
def office():
    return UsingOffice("enterprise").ready(CONTRACTED)


# --- documents ---------------------------------------------------------------------------------------


@pytest.mark.req("ABG-U7-4")
def test_a_providers_document_is_kept_with_its_hash_and_found_again(office):
    (event,) = office.do(JIRO, keep()).events
    assert event.facts["sha256"] == SHA
    office.do(JIRO, keep(id="d2", received_on=TODAY - timedelta(days=3), expires_on=None))
    assert [each.id for each in documents_of(office.state, "chat")] == ["d1", "d2"]
    assert not list(documents_of(office.state, "other"))


@pytest.mark.req("ABG-U7-4")
def test_somebody_is_reminded_once_30_days_before_a_document_ends(office):
    office.do(JIRO, keep())
    steps = [
        (jst_us(ENDS - timedelta(days=REMINDED_DAYS)) - 1, "KEPT", 0),
        (jst_us(ENDS - timedelta(days=REMINDED_DAYS)), "REMINDED", 1),
        (jst_us(ENDS), "REMINDED", 0),
        (jst_us(ENDS + timedelta(days=1)), "EXPIRED", 1),
        (jst_us(ENDS + timedelta(days=9)), "EXPIRED", 0),
    ]
    for at_us, status, events in steps:
        told = [event for event in office.pass_to(at_us).events if event.noun == "provided_document"]
        assert (office.get(ProvidedDocument, "d1").status, len(told)) == (status, events)
        assert all(tuple(event.facts["to"]) == ("jiro",) for event in told)
    office.do(SAKI, SupersedeDocument("d1", "更新版を受領"))
    assert office.get(ProvidedDocument, "d1").reason == "更新版を受領"


@pytest.mark.req("ABG-U7-4")
@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        pytest.param({"title": " "}, "title", id="without a title"),
        pytest.param({"reference": ""}, "title", id="kept nowhere"),
        pytest.param({"sha256": "abc"}, "sha256", id="without a hash"),
        pytest.param({"received_on": TODAY + timedelta(days=1)}, "received_on", id="from tomorrow"),
        pytest.param({"expires_on": TODAY - timedelta(days=1)}, "expires_on", id="over before it came"),
    ],
)
def test_a_document_that_proves_nothing_is_not_kept(office, fields, missing):
    assert office.missing(JIRO, keep(**fields)) == {missing}


def test_staff_keep_no_documents_and_none_of_a_service_that_there_is_not(office):
    assert office.refused(HANAKO, keep()) == "role"
    assert office.refused(JIRO, keep(service="nothing")) == "not-found"
    office.do(JIRO, keep())
    assert office.refused(JIRO, SupersedeDocument("d1", " ")) == "reason-missing"


# --- a provider that trains ---------------------------------------------------------------------------


@pytest.mark.req("DSN-A2-1")
def test_class_2_is_applied_for_by_nobody_where_the_provider_trains_on_it():
    trains = msgspec.structs.replace(CONTRACTED, training_use="used")
    office = Office("enterprise").ready(trains)
    office.do(HANAKO, applying.DraftApplication("a1", class_two()))
    assert office.refused(HANAKO, applying.SubmitApplication("a1")) == "training-use"


@pytest.mark.req("DSN-A2-1")
@pytest.mark.parametrize(("training", "klass"), [("none", 2), ("opt_out", 2), ("unknown", 2), ("used", 1)])
def test_a_service_that_begins_to_train_is_capped_at_class_1_at_once(training, klass):
    office = Office("enterprise").ready(CONTRACTED)
    office.granted_class_two()
    service = office.get(RegisteredService, "chat")
    facts = msgspec.structs.replace(service.facts, training_use=training)
    office.state = office.state.put(msgspec.structs.replace(service, facts=facts))
    document = grants_document(office.state, NOW, office.rules)
    assert [grant.max_class for grant in document.grants.values()] == [klass]


# --- the ten risks, one by one --------------------------------------------------------------------------


@pytest.mark.req(
    *("DSN-A2-1", "DSN-A2-2", "DSN-A2-3", "DSN-A2-4", "DSN-A2-5", "DSN-A2-6", "DSN-A2-7"),
    *("DSN-A2-8", "DSN-A2-9", "DSN-A2-10"),
)
@pytest.mark.parametrize("risk", TEN_RISKS, ids=lambda risk: risk.row)
def test_no_scope_is_published_while_this_risk_is_open(risk):
    office = Office("gov").risks()
    register = next(iter(office.state.all(RiskRegister)))
    left = tuple(each for each in register.dispositions if each.risk != risk.key)
    office.state = office.state.put(msgspec.structs.replace(register, dispositions=left))
    rule = scope.ScopeRule(service="*", verdict="ALLOWED", risk_note="公開情報のみ")
    office.do(SAKI, scope.WriteScope("summary", "要約", (rule,)))
    assert office.refused(SHO, scope.PublishScope("summary")) == "risks-open"
    assert office.missing(SHO, scope.PublishScope("summary")) == {risk.key}


@pytest.mark.req("DSN-A2-10")
def test_whoever_meets_a_problem_asks_in_the_house_and_is_answered_in_three_business_days():
    office = Office("gov")
    office.do(HANAKO, OpenReport("q1", "INQUIRY", "削除を依頼したい", service="chat"))
    assert office.get(Report, "q1").due_on == date(2026, 6, 4)
    assert office.refused(RIN, OpenReport("q1", "INQUIRY", "同じ番号")) == "exists"
