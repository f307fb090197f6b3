"""The consent (了解) of the body that class 2 use is reported to: recorded, with reference and evidence.

Which body that is comes from the rulebook of the day; the record keeps the name that it had [MOU-2-2].
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, SECURITY_OFFICER, STAFF, Actor, same
from sekimori.governance.application import Application
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, Evidence, State

_RECORDERS = (APPROVAL_AUTHORITY, SECURITY_OFFICER)


class ExternalConsent(Aggregate, frozen=True, kw_only=True):
    """The consent for one application; ``basis`` is the plan that was reported."""

    noun: ClassVar[str] = "external_consent"

    application: str
    basis: str
    body: str
    reference: str = ""
    on: date | None = None
    evidence: Evidence | None = None
    conditions: str = ""
    recorded_by: str = ""

    @property
    def given(self) -> bool:
        """Whether the body agreed, if only on conditions that are met."""
        return self.status == "CONSENTED"


class DraftConsent(msgspec.Struct, frozen=True):
    """Prepare the report for an application."""

    id: str
    application: str


class SubmitConsent(msgspec.Struct, frozen=True):
    """Say that the report was handed in."""

    id: str
    reference: str


class RecordConsent(msgspec.Struct, frozen=True):
    """Record the answer: CONSENTED, CONDITIONAL or REFUSED."""

    id: str
    answer: str
    reference: str
    on: date
    evidence: Evidence
    conditions: str = ""


class MeetConditions(msgspec.Struct, frozen=True):
    """Record that the conditions are met."""

    id: str
    evidence: Evidence


def _is_proven(case: Case[ExternalConsent]) -> None:
    command = case.command
    missing = []
    if not command.evidence.reference or not command.evidence.sha256:
        missing.append(Missing("evidence", "証拠の添付が必要です。", "needs a document and its hash"))
    if hasattr(command, "reference") and not command.reference.strip():
        missing.append(Missing("reference", "文書番号を記載してください。", "is missing"))
    if hasattr(command, "on") and command.on > jst_date(case.at_us):
        missing.append(Missing("on", "未来の日付です。", "has not come yet"))
    if missing:
        raise refuse("incomplete", missing=missing)


def _is_not_the_applicant(case: Case[ExternalConsent]) -> None:
    application = case.state.get(Application, case.subject.application)
    if same(application.applicant, case.actor.name):
        raise refuse("own-application")


_PROVEN = ("is_not_the_applicant", "is_proven")
MACHINE = Machine(
    ExternalConsent.noun,
    [
        Transition(START, "draft", "DRAFTED", (), (STAFF, *_RECORDERS)),
        Transition("DRAFTED", "submit", "SUBMITTED", (), (STAFF, *_RECORDERS)),
        Transition("SUBMITTED", "record", "CONSENTED", _PROVEN, _RECORDERS, when="consented"),
        Transition("SUBMITTED", "record", "CONDITIONAL", _PROVEN, _RECORDERS, when="conditional"),
        Transition("SUBMITTED", "record", "REFUSED", _PROVEN, _RECORDERS, when="refused"),
        Transition("CONDITIONAL", "meet_conditions", "CONSENTED", _PROVEN, _RECORDERS),
    ],
    {"is_not_the_applicant": _is_not_the_applicant, "is_proven": _is_proven},
    {
        "consented": lambda case: case.command.answer == "CONSENTED",
        "conditional": lambda case: case.command.answer == "CONDITIONAL",
        "refused": lambda case: case.command.answer == "REFUSED",
    },
)


def draft_consent(state: State, command: DraftConsent, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Prepare the report of an application to the body of the day; class 1 needs none [MOU-1-13]."""
    application = state.get(Application, command.application)
    if not consent_needed(application, rules):
        raise refuse("transition", status="not_required", verb="draft")
    value = ExternalConsent(
        tenant=state.tenant,
        id=command.id,
        status=START,
        application=application.id,
        basis=application.plan.basis,
        body=rules.book.consent_body,
    )
    status = MACHINE.move("draft", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("draft", msgspec.structs.replace(value, status=status))
    return changing.done()


def submit_consent(state: State, command: SubmitConsent, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Say that the report was handed in, under which reference."""
    return _move("submit", state, command, actor, at_us, rules, reference=command.reference)


def record_consent(state: State, command: RecordConsent, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Record what the body answered."""
    fields = {name: getattr(command, name) for name in ("reference", "on", "evidence", "conditions")}
    return _move("record", state, command, actor, at_us, rules, recorded_by=actor.name, **fields)


def meet_conditions(state: State, command: MeetConditions, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Record that what the body asked for is done."""
    return _move("meet_conditions", state, command, actor, at_us, rules, evidence=command.evidence)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Change:
    before = state.get(ExternalConsent, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, **fields)
    return changing.done()


def consent_needed(application: Application, rules: Rules) -> bool:
    """Say whether the step exists at all: for class 1 it is absent, not skipped [MOU-1-13, MOU-2-12]."""
    return rules.consent_required and application.plan.information_confidentiality >= 2


def consent_for(state: State, application: Application) -> ExternalConsent | None:
    """Find the consent that was given for the plan as it stands."""
    for consent in state.all(ExternalConsent):
        if (
            consent.given
            and consent.application == application.id
            and consent.basis == application.plan.basis
        ):
            return consent
    return None
