"""What is done about changed terms: handed in, confirmed, refused, or lapsed with the grace period."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOCK_ROLE,
    CLOUD_SERVICE_ADMINISTRATOR,
    REVIEWER,
    SECURITY_OFFICER,
    STAFF,
    SYSTEM_ADMINISTRATOR,
    Actor,
    same,
)
from sekimori.governance.authority import deciding
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import Cause, Grant, resume_from, suspend_for
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.service import RegisteredService, TermsDocument
from sekimori.governance.state import State
from sekimori.governance.terms import TermsChange, stopped
from sekimori.policy.period import day_end_us

TERMS: Cause = "terms"
_FINDERS = (STAFF, CLOUD_SERVICE_ADMINISTRATOR, REVIEWER, SECURITY_OFFICER, SYSTEM_ADMINISTRATOR)


class ReportTerms(msgspec.Struct, frozen=True):
    """Hand in a new copy of a service's terms."""

    id: str
    service: str
    terms: TermsDocument


class ConfirmTerms(msgspec.Struct, frozen=True):
    """Say that the changed terms are acceptable."""

    id: str
    note: str


class RejectTerms(msgspec.Struct, frozen=True):
    """Say that the changed terms are not acceptable: every grant for the service stops now."""

    id: str
    note: str


def _decides_on_the_service(case: Case[TermsChange]) -> None:
    deciding(case.state, case.actor, case.subject.service, case.actor.unit, case.at_us)


def _did_not_hand_them_in(case: Case[TermsChange]) -> None:
    if same(case.subject.found_by, case.actor.name):
        raise refuse("own-change")


def _gives_a_note(case: Case[TermsChange]) -> None:
    if not case.command.note.strip():
        raise refuse("reason-missing")


def _grace_is_over(case: Case[TermsChange]) -> None:
    if case.at_us < case.subject.due_us:
        raise refuse("period")


_DECIDES = ("decides_on_the_service", "did_not_hand_them_in", "gives_a_note")
_BY = (APPROVAL_AUTHORITY,)
MACHINE = Machine(
    TermsChange.noun,
    [
        Transition(START, "report", "CONFIRMED", (), _FINDERS, when="the_first_copy"),
        Transition(START, "report", "PENDING", (), _FINDERS),
        Transition("PENDING", "confirm", "CONFIRMED", _DECIDES, _BY),
        Transition("PENDING", "reject", "REJECTED", _DECIDES, _BY),
        Transition("PENDING", "lapse", "LAPSED", ("grace_is_over",), (CLOCK_ROLE,)),
        Transition("LAPSED", "confirm", "CONFIRMED", _DECIDES, _BY),
        Transition("LAPSED", "reject", "REJECTED", _DECIDES, _BY),
        Transition("REJECTED", "confirm", "CONFIRMED", _DECIDES, _BY),
    ],
    {
        "decides_on_the_service": _decides_on_the_service,
        "did_not_hand_them_in": _did_not_hand_them_in,
        "gives_a_note": _gives_a_note,
        "grace_is_over": _grace_is_over,
    },
    {"the_first_copy": lambda case: case.subject.before is None},
)


def report_terms(state: State, command: ReportTerms, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Keep a new copy; other bytes than before start the grace period."""
    service = state.get(RegisteredService, command.service)
    if service.terms is not None and service.terms.sha256 == command.terms.sha256:
        raise refuse("exists", noun="terms", id=command.terms.sha256)
    value = TermsChange(
        tenant=state.tenant,
        id=command.id,
        status=START,
        service=service.id,
        before=service.terms,
        after=command.terms,
        found_by=actor.name,
        due_us=day_end_us(jst_date(at_us) + timedelta(days=rules.terms_grace_days)),
    )
    status = MACHINE.move("report", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("report", msgspec.structs.replace(value, status=status))
    changing.edit("terms", service, terms=command.terms)
    return changing.done()


def confirm_terms(state: State, command: ConfirmTerms, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Accept changed terms; grants that only their change had stopped go on."""
    changing = _decide("confirm", state, command, actor, at_us, rules)
    service = state.get(TermsChange, command.id).service
    if not stopped(changing.state, service, at_us):
        for grant in _grants(changing.state, service):
            resume_from(changing, grant, TERMS, at_us)
    return changing.done()


def reject_terms(state: State, command: RejectTerms, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Refuse changed terms, which stops every grant for the service."""
    changing = _decide("reject", state, command, actor, at_us, rules)
    for grant in _grants(changing.state, state.get(TermsChange, command.id).service):
        suspend_for(changing, grant, TERMS, command.note)
    return changing.done()


def lapse_terms(changing: Changing, change: TermsChange, case: Case[TermsChange]) -> None:
    """Stop every grant for a service whose changed terms nobody confirmed in time."""
    changing.edit("lapse", change, status=MACHINE.move("lapse", case))
    for grant in _grants(changing.state, change.service):
        suspend_for(changing, grant, TERMS, "the changed terms were not confirmed in time")


def _grants(state: State, service: str) -> list[Grant]:
    return [grant for grant in state.matching(Grant, service=service) if grant.service == service]


def _decide(verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules) -> Changing:
    before = state.get(TermsChange, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, decided_by=actor.name, note=command.note)
    return changing
