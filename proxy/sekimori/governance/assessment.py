"""Risk analysis: three parts, likelihood × impact, treatment, signed by somebody who does not apply.

It is bound to what it was made about (service, models, work scopes, class): when that changes, or a year
passes, it has to be made again [MOU-2-6, FORM-C4].
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import REVIEWER, SECURITY_OFFICER, Actor, same
from sekimori.governance.application import Application
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State, Value

PARTS = ("training_data", "prompts", "social_impact")
_DAY_US = 86_400_000_000


class RiskPart(Value, frozen=True):
    """One part: what could happen, how likely and how bad (1 to 5), what is done, what remains."""

    part: Literal["training_data", "prompts", "social_impact"]
    text: str
    likelihood: int
    impact: int
    treatment: Literal["ACCEPT", "REDUCE", "AVOID", "TRANSFER"]
    residual: int


class RiskAssessment(Aggregate, frozen=True, kw_only=True):
    """A risk analysis for one application; ``basis`` is the fingerprint of what it is about."""

    noun: ClassVar[str] = "risk_assessment"

    application: str
    applicant: str
    basis: str
    parts: tuple[RiskPart, ...] = ()
    assessor: str = ""
    signed_us: int = 0

    def holds(self, basis: str, at_us: int, days: int) -> bool:
        """Whether it is signed, about the same thing, and young enough."""
        young = at_us < self.signed_us + days * _DAY_US
        return self.status == "SIGNED" and self.basis == basis and young


class Assess(msgspec.Struct, frozen=True):
    """Write a risk analysis, or change an unsigned one."""

    id: str
    application: str
    parts: tuple[RiskPart, ...]


class SignAssessment(msgspec.Struct, frozen=True):
    """Sign a risk analysis."""

    id: str


def _is_not_the_applicant(case: Case[RiskAssessment]) -> None:
    if same(case.subject.applicant, case.actor.name):
        raise refuse("own-assessment")


def _is_the_assessor(case: Case[RiskAssessment]) -> None:
    if not same(case.subject.assessor, case.actor.name):
        raise refuse("not-yours", who=case.subject.assessor)


def _has_three_parts(case: Case[RiskAssessment]) -> None:
    written = {each.part: each for each in case.subject.parts if each.text.strip()}
    missing = [Missing(part, "記載してください。", "is missing") for part in PARTS if part not in written]
    missing += [
        Missing(part.part, "1〜5で評価してください。", "rate from 1 to 5, and what remains to 25")
        for part in written.values()
        if not (1 <= part.likelihood <= 5 and 1 <= part.impact <= 5 and 1 <= part.residual <= 25)
    ]
    if missing:
        raise refuse("incomplete", missing=missing)


_ASSESSORS = (REVIEWER, SECURITY_OFFICER)
MACHINE = Machine(
    RiskAssessment.noun,
    [
        Transition(START, "assess", "DRAFT", ("is_not_the_applicant",), _ASSESSORS),
        Transition("DRAFT", "assess", "DRAFT", ("is_not_the_applicant",), _ASSESSORS),
        Transition(
            "DRAFT",
            "sign",
            "SIGNED",
            ("is_not_the_applicant", "is_the_assessor", "has_three_parts"),
            _ASSESSORS,
        ),
    ],
    {
        "is_not_the_applicant": _is_not_the_applicant,
        "is_the_assessor": _is_the_assessor,
        "has_three_parts": _has_three_parts,
    },
)


def assess(state: State, command: Assess, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Write a risk analysis of an application as it stands."""
    application = state.get(Application, command.application)
    fields: dict[str, Any] = {
        **msgspec.structs.asdict(command),
        "applicant": application.applicant,
        "basis": application.plan.basis,
        "assessor": actor.name,
    }
    before = state.find(RiskAssessment, command.id) or RiskAssessment(
        tenant=state.tenant, status=START, **fields
    )
    status = MACHINE.move("assess", Case(state, before, command, actor, at_us, rules))
    if before.application != command.application:
        raise refuse("exists", noun=RiskAssessment.noun, id=command.id)
    changing = Changing(state, actor, at_us)
    changing.edit("assess", before, status=status, **fields)
    return changing.done()


def sign_assessment(state: State, command: SignAssessment, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Sign what one wrote."""
    before = state.get(RiskAssessment, command.id)
    status = MACHINE.move("sign", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("sign", before, status=status, signed_us=at_us)
    return changing.done()
