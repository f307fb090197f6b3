"""Documents that leave: who may hand out what, and what is never handed out."""

from typing import Any

import msgspec
import pytest

from sekimori.governance.actors import CLOCK_ROLE, Actor
from sekimori.governance.application import Application
from sekimori.governance.form import submission, working_copy
from sekimori.governance.issued import IssuedDocument, IssueDocument, copies, month_of
from sekimori.governance.plan import with_fields
from sekimori.governance.plan_paper import KIND as PLAN
from sekimori.governance.register_paper import KIND as REGISTER
from sekimori.governance.usage_report import KIND as USAGE
from support.forms import C4, SIGNED
from support.offices import (
    AOI,
    CONTRACTED,
    HANAKO,
    JIRO,
    KEN,
    MIKI,
    OTHER_SHA,
    RIN,
    SAKI,
    SHA,
    TARO,
    checklist,
    class_two,
)
from support.using_offices import UsingOffice


def with_plan(**fields):
    office = UsingOffice("gov").ready(CONTRACTED).advised()
    office.submit(with_fields(class_two(checklist=checklist(c4_risk_assessment=SIGNED)), **fields)).assessed()
    return office


def plan_document(office, **fields):
    form = working_copy(office.get(Application, "a1"), office.state, office.at_us, office.rules)
    made: dict[str, Any] = {
        "id": "d1",
        "kind": PLAN,
        "about": "a1",
        "format": "pdf",
        "sha256": SHA,
        "size": 10,
        "for_submission": True,
        "basis": form.application_hash,
    }
    return IssueDocument(**(made | fields))


@pytest.mark.req("MOU-2-10", "FORM-11")
def test_the_hash_of_a_form_for_submission_is_an_event_that_can_be_found_again():
    office = with_plan()
    form = submission(office.get(Application, "a1"), office.state, office.at_us, office.rules)
    assert form.for_submission
    (event,) = office.do(HANAKO, plan_document(office)).events
    assert (event.kind, event.facts["sha256"]) == ("issued_document.issue", SHA)
    (found,) = copies(office.state, SHA.upper())
    assert (found.about, found.issued_by, found.for_submission) == ("a1", "hanako", True)
    assert not list(copies(office.state, OTHER_SHA))


@pytest.mark.req("MOU-2-10", "FORM-11", "MOU-2-6")
def test_a_form_that_lacks_evidence_is_handed_out_by_nobody_and_by_no_other_door():
    answers = tuple(each for each in checklist(c4_risk_assessment=SIGNED) if each.item != C4)
    unproven = msgspec.structs.replace(SIGNED, evidence=None)
    office = with_plan(checklist=(*answers, unproven))
    for somebody in (HANAKO, TARO, KEN):
        assert office.refused(somebody, plan_document(office)) == "incomplete"
        assert C4 in office.missing(somebody, plan_document(office))
    office.do(HANAKO, plan_document(office, for_submission=False))


def test_what_was_changed_since_is_not_handed_out_as_it_was():
    office = with_plan()
    assert office.refused(HANAKO, plan_document(office, basis=OTHER_SHA)) == "stale"


@pytest.mark.parametrize(
    ("kind", "about", "actor", "code"),
    [
        pytest.param(PLAN, "a1", MIKI, "not-yours", id="somebody else's application"),
        pytest.param(REGISTER, "2026-06-01", HANAKO, "role", id="the register for staff"),
        pytest.param(USAGE, "2026-06", HANAKO, "role", id="the usage report for staff"),
        pytest.param("sekimori.other/1", "x", SAKI, "incomplete", id="no document of ours"),
        pytest.param(REGISTER, " ", SAKI, "incomplete", id="about nothing"),
        pytest.param(PLAN, "a2", SAKI, "not-found", id="an application that there is not"),
        pytest.param(REGISTER, "x", Actor("clock", frozenset({CLOCK_ROLE})), "role", id="the clock"),
    ],
)
def test_who_may_not_hand_it_out(kind, about, actor, code):
    office = with_plan()
    assert office.refused(actor, plan_document(office, kind=kind, about=about)) == code


@pytest.mark.req("UK-423-2c", "MOU-0-1")
@pytest.mark.parametrize("actor", [TARO, JIRO, RIN, AOI, SAKI, KEN], ids=lambda actor: actor.name)
def test_officers_hand_out_register_and_report(actor):
    office = with_plan()
    for place, kind in enumerate((REGISTER, USAGE)):
        office.do(actor, plan_document(office, id=f"d{place}", kind=kind, about="2026-06", basis=""))
    assert len(list(office.state.all(IssuedDocument))) == 2


@pytest.mark.parametrize("fields", [{"sha256": "x"}, {"sha256": SHA.upper()}, {"size": 0}])
def test_a_document_has_a_hash_and_bytes(fields):
    office = with_plan()
    assert office.missing(HANAKO, plan_document(office, **fields)) == {"sha256"}


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "2026/01", "", "２０２６-01"])
def test_a_month_is_written_in_one_way(text):
    with pytest.raises(ValueError, match="month"):
        month_of(text)
