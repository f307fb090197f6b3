"""The way of an application: drafted, submitted, examined, returned, decided, withdrawn.

Approving gives nobody access: it appoints an administrator, and the grant comes with their acceptance
(``appointment``).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, REVIEWER, SECURITY_OFFICER, STAFF, Actor
from sekimori.governance.advice import advice_on
from sekimori.governance.application import Application, Counter, Decision, Review
from sekimori.governance.appointment import Appointment, nomination
from sekimori.governance.approving import GUARDS, LEGAL, assessment_for
from sekimori.governance.authority import deciding
from sekimori.governance.calendar import fiscal_year, jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.consent import consent_for
from sekimori.governance.grant import Grant
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.operating_rules import rules_in_force
from sekimori.governance.plan import UsagePlan
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.renewal import drop_renewal
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.rules import Rules
from sekimori.governance.state import State


class DraftApplication(msgspec.Struct, frozen=True):
    """Begin an application."""

    id: str
    plan: UsagePlan = UsagePlan()


class EditApplication(msgspec.Struct, frozen=True):
    """Change the plan; ``version`` is that of the application as it was read."""

    id: str
    plan: UsagePlan
    version: int


class SubmitApplication(msgspec.Struct, frozen=True):
    """Hand an application in."""

    id: str


class WithdrawApplication(msgspec.Struct, frozen=True):
    """Take an application back."""

    id: str
    reason: str = ""


class TakeUpApplication(msgspec.Struct, frozen=True):
    """Begin to examine an application."""

    id: str


class ReviewApplication(msgspec.Struct, frozen=True):
    """Say what one found: which of the ten risks one went through, and what one thinks."""

    id: str
    risks: tuple[str, ...]
    plan_hash: str
    opinion: Literal["FOR", "AGAINST", "NONE"] = "NONE"
    note: str = ""
    foreign_law_acknowledged: bool = False
    foreign_law_note: str = ""


class ReturnApplication(msgspec.Struct, frozen=True):
    """Give an application back to be changed (差戻し)."""

    id: str
    reason: str
    plan_hash: str


class ReopenApplication(msgspec.Struct, frozen=True):
    """Begin to change a returned application."""

    id: str


class RejectApplication(msgspec.Struct, frozen=True):
    """Refuse an application (却下)."""

    id: str
    reason: str
    plan_hash: str


class ApproveApplication(msgspec.Struct, frozen=True):
    """Approve an application and appoint its administrator (指名)."""

    id: str
    plan_hash: str
    administrator: str
    appointment: str
    reason: str = ""
    advice_reflected: str = ""
    conditions: tuple[str, ...] = ()


_EXAMINERS = (APPROVAL_AUTHORITY, REVIEWER, SECURITY_OFFICER)
_OWN = ("is_the_applicant",)
_OTHER = ("is_not_the_applicant", "is_not_among_the_users")
_DECIDES = ("holds_authority", *_OTHER, "decides_on_what_was_read")
MACHINE = Machine(
    Application.noun,
    [
        Transition(START, "draft", "DRAFT", _OWN, (STAFF,)),
        Transition("DRAFT", "edit", "DRAFT", _OWN, (STAFF,)),
        Transition(
            "DRAFT",
            "submit",
            "SUBMITTED",
            (*_OWN, "class_is_possible", "plan_is_complete", "an_authority_lives"),
            (STAFF,),
        ),
        *(
            Transition(name, "withdraw", "WITHDRAWN", _OWN, (STAFF,))
            for name in ("DRAFT", "SUBMITTED", "UNDER_REVIEW", "RETURNED", "APPROVED")
        ),
        Transition("SUBMITTED", "take_up", "UNDER_REVIEW", ("is_not_the_applicant",), _EXAMINERS),
        Transition(
            "UNDER_REVIEW",
            "review",
            "UNDER_REVIEW",
            ("is_not_the_applicant", "decides_on_what_was_read"),
            _EXAMINERS,
        ),
        Transition(
            "UNDER_REVIEW", "return", "RETURNED", (*_DECIDES, "gives_a_reason"), (APPROVAL_AUTHORITY,)
        ),
        Transition("RETURNED", "reopen", "DRAFT", _OWN, (STAFF,)),
        Transition(
            "UNDER_REVIEW", "reject", "REJECTED", (*_DECIDES, "gives_a_reason"), (APPROVAL_AUTHORITY,)
        ),
        Transition(
            "UNDER_REVIEW",
            "approve",
            "APPROVED",
            (
                *_DECIDES,
                *LEGAL,
                "has_gone_through_the_ten_risks",
                "nominates_an_administrator",
                "says_how_advice_was_reflected",
            ),
            (APPROVAL_AUTHORITY,),
        ),
    ],
    GUARDS,
)


def draft_application(
    state: State, command: DraftApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Begin an application; whoever begins it is the applicant."""
    value = Application(
        tenant=state.tenant,
        id=command.id,
        status=START,
        applicant=actor.name,
        unit=actor.unit,
        plan=command.plan,
    )
    status = MACHINE.move("draft", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("draft", msgspec.structs.replace(value, status=status))
    return changing.done()


def edit_application(
    state: State, command: EditApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Change the plan; two people at it lose nothing, as the second must read again."""
    if state.get(Application, command.id).version != command.version:
        raise refuse("stale")
    return _move("edit", state, command, actor, at_us, rules, plan=command.plan).done()


def submit_application(
    state: State, command: SubmitApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Hand in a complete plan: it gets its report number, once and for all [FORM-01, FORM-03]."""
    before = state.get(Application, command.id)
    status = MACHINE.move("submit", Case(state, before, command, actor, at_us, rules))
    changing, day = Changing(state, actor, at_us), jst_date(at_us)
    fields: dict[str, Any] = {"revised_on": day}
    if before.report_no:
        fields["revision"] = before.revision + 1
    else:
        fields |= {"report_no": _number(changing, at_us), "first_report_date": day}
    changing.edit("submit", before, status=status, **fields)
    return changing.done()


def _number(changing: Changing, at_us: int) -> str:
    """Take the next report number of the fiscal year; the counter and the application change together."""
    year = fiscal_year(jst_date(at_us)) - 2018
    id_ = f"report-{year:02}"
    tenant = changing.state.tenant
    counter = changing.state.find(Counter, id_) or Counter(tenant=tenant, id=id_, status="KEPT")
    counter = changing.edit("count", counter, last=counter.last + 1)
    return f"{tenant}-{year:02}-{counter.last:04}"


def withdraw_application(
    state: State, command: WithdrawApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Take an application back, as long as nothing was granted on it."""
    before = state.get(Application, command.id)
    if before.grant:
        raise refuse("grant-exists")
    changing = _move("withdraw", state, command, actor, at_us, rules)
    appointment = state.find(Appointment, before.appointment)
    if appointment is not None and appointment.status == "NOMINATED":
        changing.edit("end", appointment, status="ENDED")
    drop_renewal(changing, before)
    return changing.done()


def take_up_application(
    state: State, command: TakeUpApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Begin to examine an application of somebody else."""
    return _move("take_up", state, command, actor, at_us, rules).done()


def review_application(
    state: State, command: ReviewApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Add what an examiner found."""
    if unknown := [key for key in command.risks if key not in RISK_KEYS]:
        raise refuse(
            "incomplete",
            missing=[Missing(key, "ありません。", "is none of the ten risks") for key in unknown],
        )
    before = state.get(Application, command.id)
    fields = {key: value for key, value in msgspec.structs.asdict(command).items() if key != "id"}
    review = Review(reviewer=actor.name, at_us=at_us, **fields)
    return _move("review", state, command, actor, at_us, rules, reviews=(*before.reviews, review)).done()


def return_application(
    state: State, command: ReturnApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Give an application back with a reason; it keeps its number."""
    return _decide("return", "RETURNED", state, command, actor, at_us, rules).done()


def reopen_application(
    state: State, command: ReopenApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Begin to change what was returned."""
    return _move("reopen", state, command, actor, at_us, rules).done()


def reject_application(
    state: State, command: RejectApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Refuse an application with a reason, for good; its number is never used again."""
    changing = _decide("reject", "REJECTED", state, command, actor, at_us, rules)
    drop_renewal(changing, state.get(Application, command.id))
    return changing.done()


def approve_application(
    state: State, command: ApproveApplication, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Approve an application and appoint its administrator, in one step [UK-423-2c]."""
    changing = _decide(
        "approve", "APPROVED", state, command, actor, at_us, rules, appointment=command.appointment
    )
    nomination(changing, command.appointment, command.id, command.administrator, actor, at_us)
    return changing.done()


def _decide(
    verb: str,
    verdict: Literal["APPROVED", "REJECTED", "RETURNED"],
    state: State,
    command: Any,
    actor: Actor,
    at_us: int,
    rules: Rules,
    **fields: Any,
) -> Changing:
    before = state.get(Application, command.id)
    case = Case(state, before, command, actor, at_us, rules)
    status = MACHINE.move(verb, case)
    decision = _decision(case, verdict)
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, decisions=(*before.decisions, decision), **fields)
    return changing


def _decision(case: Case[Application], verdict: Literal["APPROVED", "REJECTED", "RETURNED"]) -> Decision:
    state, application, at_us = case.state, case.subject, case.at_us
    plan = application.plan
    about = (application.applicant, *plan.users)
    by = deciding(state, case.actor, plan.external_service, application.unit, at_us, about=about)
    held = rules_in_force(state, at_us)
    consent = consent_for(state, application)
    assessment = assessment_for(state, application, at_us, case.rules)
    advice = advice_on(state, application.plan.external_service)
    return Decision(
        verdict=verdict,
        by=case.actor.name,
        at_us=at_us,
        reason=case.command.reason,
        authority=by.authority,
        delegated=by.delegated,
        policy_version=case.rules.policy_version,
        operating_rules=held.id if held else "",
        application_hash=application.plan_hash,
        advice=tuple(sorted(each.id for each in advice.values())),
        advice_reflected=getattr(case.command, "advice_reflected", ""),
        consent=consent.id if consent else "",
        risk_assessment=assessment.id if assessment else "",
        conditions=getattr(case.command, "conditions", ()),
    )


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Changing:
    before = state.get(Application, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, **fields)
    return changing


def grant_of(state: State, application: Application) -> Grant | None:
    """Find the grant that came of an application."""
    return state.find(Grant, application.grant)
