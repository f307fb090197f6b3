"""The cloud service administrator (クラウドサービス管理者): appointed with the approval, bound by accepting.

The acceptance is what issues the grant: before it there is none, and everything the law asks is asked
once more [UK-423-1a-ウ, UK-423-2c]. An administrator who resigns leaves a suspended grant behind until
another accepts.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import APPROVAL_AUTHORITY, Actor, same
from sekimori.governance.application import Application
from sekimori.governance.approving import ask_legal
from sekimori.governance.authority import deciding
from sekimori.governance.calendar import business_days_later, jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import MACHINE as GRANT_MACHINE
from sekimori.governance.grant import Grant, suspend_for
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State

_MEASURE_DAYS = 10


class Appointment(Aggregate, frozen=True, kw_only=True):
    """That somebody is to see to the safe use of what was approved [UK-423-2d]."""

    noun: ClassVar[str] = "appointment"

    application: str
    administrator: str
    appointed_by: str
    appointed_us: int
    accepted_us: int = 0
    measures_due_on: date | None = None
    measures: tuple[str, ...] = ()


class Nominate(msgspec.Struct, frozen=True):
    """Appoint somebody else: the first declined, or the one who served resigned or is replaced."""

    id: str
    application: str
    administrator: str


class AcceptAppointment(msgspec.Struct, frozen=True):
    """Accept; ``grant`` is the id of the grant that comes of it, or that there is."""

    id: str
    grant: str


class DeclineAppointment(msgspec.Struct, frozen=True):
    """Decline."""

    id: str
    reason: str


class ResignAppointment(msgspec.Struct, frozen=True):
    """Stop serving: the grant is suspended until another accepts."""

    id: str
    reason: str


class CompleteMeasures(msgspec.Struct, frozen=True):
    """Keep the checklist of measures (措置チェックリスト) as done."""

    id: str
    measures: tuple[str, ...]


def _is_the_nominee(case: Case[Appointment]) -> None:
    if not same(case.subject.administrator, case.actor.name):
        raise refuse("not-yours", who=case.subject.administrator)


def _gives_a_reason(case: Case[Appointment]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def _application_is_approved(case: Case[Appointment]) -> None:
    application = case.state.get(Application, case.subject.application)
    if application.status != "APPROVED" or application.decision is None:
        raise refuse("transition", status=application.status, verb="accept")
    if application.appointment != case.subject.id:
        raise refuse("stale")
    if same(application.decision.by, case.actor.name):
        raise refuse("own-appointment")


def _everything_still_holds(case: Case[Appointment]) -> None:
    application = case.state.get(Application, case.subject.application)
    decision = application.decision
    if decision is None or decision.application_hash != application.plan_hash:
        raise refuse("stale")
    ask_legal(Case(case.state, application, case.command, case.actor, case.at_us, case.rules))


def _is_not_whoever_decides(case: Case[Appointment]) -> None:
    application = case.state.get(Application, case.subject.application)
    plan = application.plan
    about = (application.applicant, *plan.users)
    deciding(case.state, case.actor, plan.external_service, application.unit, case.at_us, about=about)
    decided = application.decision.by if application.decision else ""
    if same(case.subject.administrator, case.actor.name) or same(case.subject.administrator, decided):
        raise refuse("own-appointment")
    if same(application.applicant, case.actor.name):
        raise refuse("own-application")


def _nobody_is_asked_already(case: Case[Appointment]) -> None:
    application = case.state.get(Application, case.subject.application)
    current = case.state.find(Appointment, application.appointment)
    if application.status != "APPROVED" or (current is not None and current.status == "NOMINATED"):
        raise refuse("transition", status="NOMINATED" if current else application.status, verb="nominate")
    if not case.subject.administrator.strip():
        raise refuse("administrator-missing")


MACHINE = Machine(
    Appointment.noun,
    [
        Transition(
            START,
            "nominate",
            "NOMINATED",
            ("nobody_is_asked_already", "is_not_whoever_decides"),
            (APPROVAL_AUTHORITY,),
        ),
        Transition(
            "NOMINATED",
            "accept",
            "ACCEPTED",
            ("is_the_nominee", "application_is_approved", "everything_still_holds"),
        ),
        Transition("NOMINATED", "decline", "DECLINED", ("is_the_nominee", "gives_a_reason")),
        Transition("ACCEPTED", "complete_measures", "ACCEPTED", ("is_the_nominee",)),
        Transition("ACCEPTED", "resign", "ENDED", ("is_the_nominee", "gives_a_reason")),
    ],
    {
        "is_the_nominee": _is_the_nominee,
        "gives_a_reason": _gives_a_reason,
        "application_is_approved": _application_is_approved,
        "everything_still_holds": _everything_still_holds,
        "is_not_whoever_decides": _is_not_whoever_decides,
        "nobody_is_asked_already": _nobody_is_asked_already,
    },
)


def nomination(
    changing: Changing, id_: str, application: str, administrator: str, actor: Actor, at_us: int
) -> None:
    """Enter a nomination that belongs to a decision."""
    changing.new("nominate", _appointment(changing.state, id_, application, administrator, actor, at_us))


def nominate(state: State, command: Nominate, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Appoint another administrator for what was approved; whoever served serves until they accept."""
    value = _appointment(state, command.id, command.application, command.administrator, actor, at_us)
    unasked = msgspec.structs.replace(value, status=START)
    MACHINE.move("nominate", Case(state, unasked, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("nominate", value)
    changing.edit("nominate", state.get(Application, command.application), appointment=command.id)
    return changing.done()


def _appointment(
    state: State, id_: str, application: str, administrator: str, actor: Actor, at_us: int
) -> Appointment:
    return Appointment(
        tenant=state.tenant,
        id=id_,
        status="NOMINATED",
        application=application,
        administrator=administrator,
        appointed_by=actor.name,
        appointed_us=at_us,
    )


def accept_appointment(
    state: State, command: AcceptAppointment, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Accept: this issues the grant, or takes over the one there is."""
    before = state.get(Appointment, command.id)
    case = Case(state, before, command, actor, at_us, rules)
    status = MACHINE.move("accept", case)
    application = state.get(Application, before.application)
    changing = Changing(state, actor, at_us)
    due = business_days_later(jst_date(at_us), _MEASURE_DAYS)
    accepted = changing.edit("accept", before, status=status, accepted_us=at_us, measures_due_on=due)
    if application.grant:
        _take_over(changing, state.get(Grant, application.grant), accepted)
    else:
        _issue(changing, application, accepted, case)
    return changing.done()


def _take_over(changing: Changing, grant: Grant, accepted: Appointment) -> None:
    if grant.status in ("REVOKED", "EXPIRED"):
        raise refuse("transition", status=grant.status, verb="accept")
    served = changing.state.find(Appointment, grant.appointment)
    if served is not None and served.status == "ACCEPTED" and served.id != accepted.id:
        changing.edit("end", served, status="ENDED")
    changing.edit("administrator", grant, administrator=accepted.administrator, appointment=accepted.id)


def _issue(changing: Changing, application: Application, accepted: Appointment, case: Case[Any]) -> None:
    decision, plan = application.decision, application.plan
    if decision is None or plan.usage_period is None:  # both were asked by the guards
        raise refuse("stale")
    grant = Grant(
        tenant=application.tenant,
        id=case.command.grant,
        status=START,
        application=application.id,
        report_no=application.report_no,
        service=plan.external_service,
        unit=application.unit,
        applicant=application.applicant,
        purpose=plan.purpose,
        work_scopes=plan.work_scopes,
        users=plan.users,
        groups=plan.groups,
        max_class=plan.information_confidentiality,
        information_types=plan.information_types,
        models=plan.models,
        operations=plan.operations,
        unparsed=plan.unparsed,
        period=plan.usage_period,
        administrator=accepted.administrator,
        appointment=accepted.id,
        decided_by=decision.by,
        decided_on=jst_date(decision.at_us),
        checklist=plan.done,
        consent=decision.consent,
        risk_assessment=decision.risk_assessment,
        secondary_use_owner=plan.secondary_use_owner,
        conditions=decision.conditions,
    )
    status = GRANT_MACHINE.move(
        "issue", Case(case.state, grant, case.command, case.actor, case.at_us, case.rules)
    )
    changing.new("issue", msgspec.structs.replace(grant, status=status))
    changing.edit("grant", application, grant=grant.id)


def decline_appointment(
    state: State, command: DeclineAppointment, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Decline: nothing is granted before another accepts."""
    return _move("decline", state, command, actor, at_us, rules).done()


def resign_appointment(
    state: State, command: ResignAppointment, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Stop serving, which suspends the grant."""
    changing = _move("resign", state, command, actor, at_us, rules)
    appointment = state.get(Appointment, command.id)
    grant = state.find(Grant, state.get(Application, appointment.application).grant)
    if grant is not None and grant.appointment == appointment.id:
        left = changing.edit("administrator", grant, administrator="", appointment="")
        suspend_for(changing, left, "administrator", command.reason)
    return changing.done()


def complete_measures(
    state: State, command: CompleteMeasures, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Keep the measures that the administrator took."""
    return _move("complete_measures", state, command, actor, at_us, rules, measures=command.measures).done()


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Changing:
    before = state.get(Appointment, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, before, {"reason": reason} if reason else None, status=status, **fields)
    return changing
