"""A grant (利用承認): what the gate enforces, from its first day to the end of its last.

Suspended and resumed, revoked for good, expired at 00:00 JST of the day after; a renewal in progress
changes nothing about its end. Time moves it through ``clock``; policy never waits for that, as it knows
the period itself.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOCK_ROLE,
    SECURITY_OFFICER,
    STAFF,
    Actor,
    among,
    same,
)
from sekimori.governance.authority import deciding
from sekimori.governance.calendar import jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State
from sekimori.governance.terms import stopped
from sekimori.policy.model import Period

LIVE = ("SCHEDULED", "ACTIVE", "RENEWAL_IN_PROGRESS")
Cause = Literal["", "hand", "terms", "administrator"]


class Grant(Aggregate, frozen=True, kw_only=True):
    """What was granted on which decision; the evidence stays where it is and is looked up again."""

    noun: ClassVar[str] = "grant"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("service",),)

    application: str
    report_no: str
    service: str
    unit: str
    applicant: str
    purpose: str
    work_scopes: tuple[str, ...]
    users: tuple[str, ...]
    groups: tuple[str, ...]
    max_class: int
    information_types: tuple[str, ...]
    models: tuple[str, ...]
    operations: tuple[str, ...]
    unparsed: bool
    period: Period
    administrator: str
    appointment: str
    decided_by: str
    decided_on: date
    checklist: tuple[str, ...] = ()
    consent: str = ""
    risk_assessment: str = ""
    secondary_use_owner: str = ""
    conditions: tuple[str, ...] = ()
    renewal: str = ""
    warned: tuple[int, ...] = ()
    suspended_for: Cause = ""
    suspended_by: str = ""
    reason: str = ""


class RegisterRow(msgspec.Struct, frozen=True):
    """A row of the 承認クラウドサービス台帳: it is the grant itself, so that neither is there without the other."""

    report_no: str
    service: str
    approver: str
    administrator: str
    work_scopes: tuple[str, ...]
    period: Period
    max_class: int
    status: str


class SuspendGrant(msgspec.Struct, frozen=True):
    """Stop a grant now."""

    id: str
    reason: str


class ResumeGrant(msgspec.Struct, frozen=True):
    """Let a suspended grant be used again."""

    id: str
    reason: str


class RevokeGrant(msgspec.Struct, frozen=True):
    """End a grant for good."""

    id: str
    reason: str


def _may_stop_it(case: Case[Grant]) -> None:
    named = same(case.subject.administrator, case.actor.name)
    if not named and not case.actor.has(SECURITY_OFFICER):
        _decides_on_it(case)


def _may_end_it(case: Case[Grant]) -> None:
    if not case.actor.has(SECURITY_OFFICER):
        _decides_on_it(case)


def _decides_on_it(case: Case[Grant]) -> None:
    deciding(case.state, case.actor, case.subject.service, case.subject.unit, case.at_us)


def _decides_for_somebody_else(case: Case[Grant]) -> None:
    grant = case.subject
    about = (grant.applicant, *grant.users)
    deciding(case.state, case.actor, grant.service, grant.unit, case.at_us, about=about)


def _is_not_the_applicant(case: Case[Grant]) -> None:
    if same(case.subject.applicant, case.actor.name):
        raise refuse("own-application")


def _is_not_among_the_users(case: Case[Grant]) -> None:
    if among(case.actor.name, case.subject.users):
        raise refuse("own-use")


def _gives_a_reason(case: Case[Grant]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def _has_an_administrator(case: Case[Grant]) -> None:
    if not case.subject.administrator:
        raise refuse("administrator-missing")


def _terms_are_accepted(case: Case[Grant]) -> None:
    if stopped(case.state, case.subject.service, case.at_us):
        raise refuse("terms-pending")


def _has_begun(case: Case[Grant]) -> bool:
    return case.at_us >= case.subject.period.start_us


def _is_renewed(case: Case[Grant]) -> bool:
    return bool(case.subject.renewal)


def _may_renew_it(case: Case[Grant]) -> None:
    grant = case.subject
    if not among(case.actor.name, (grant.applicant, grant.administrator, *grant.users)):
        raise refuse("not-yours", who=grant.applicant)
    if grant.renewal:
        raise refuse("renewal-open")


def _it_is_time(case: Case[Grant]) -> None:
    if not _has_begun(case):
        raise refuse("period")


def _period_is_over(case: Case[Grant]) -> None:
    if case.at_us < case.subject.period.end_us:
        raise refuse("period")


def _period_is_not_over(case: Case[Grant]) -> None:
    if case.at_us >= case.subject.period.end_us:
        raise refuse("period-over")


_CLOCK = (CLOCK_ROLE,)
_OVER, _NOT_OVER, _WHY = "period_is_over", "period_is_not_over", "gives_a_reason"
_RESUME = (
    *("decides_on_it", "is_not_the_applicant", "is_not_among_the_users", "has_an_administrator"),
    *("terms_are_accepted", _NOT_OVER, _WHY),
)
_AUTHORITY = (APPROVAL_AUTHORITY,)
MACHINE = Machine(
    Grant.noun,
    [
        Transition(START, "issue", "ACTIVE", (_NOT_OVER, "has_an_administrator"), when="begun"),
        Transition(START, "issue", "SCHEDULED", (_NOT_OVER, "has_an_administrator")),
        Transition("SCHEDULED", "start", "ACTIVE", ("it_is_time", _NOT_OVER), _CLOCK),
        *(Transition(name, "expire", "EXPIRED", (_OVER,), _CLOCK) for name in (*LIVE, "SUSPENDED")),
        *(Transition(name, "warn", name, (_NOT_OVER,), _CLOCK) for name in (*LIVE, "SUSPENDED")),
        *(Transition(name, "suspend", "SUSPENDED", ("may_stop_it", _WHY)) for name in LIVE),
        Transition("SUSPENDED", "resume", "RENEWAL_IN_PROGRESS", _RESUME, _AUTHORITY, when="renewed"),
        Transition("SUSPENDED", "resume", "ACTIVE", _RESUME, _AUTHORITY, when="begun"),
        Transition("SUSPENDED", "resume", "SCHEDULED", _RESUME, _AUTHORITY),
        *(Transition(name, "revoke", "REVOKED", ("may_end_it", _WHY)) for name in (*LIVE, "SUSPENDED")),
        Transition("ACTIVE", "begin_renewal", "RENEWAL_IN_PROGRESS", ("may_renew_it", _NOT_OVER), (STAFF,)),
        Transition("RENEWAL_IN_PROGRESS", "drop_renewal", "ACTIVE"),
        Transition("SUSPENDED", "drop_renewal", "SUSPENDED"),
    ],
    {
        "may_stop_it": _may_stop_it,
        "may_end_it": _may_end_it,
        "decides_on_it": _decides_for_somebody_else,
        "is_not_the_applicant": _is_not_the_applicant,
        "is_not_among_the_users": _is_not_among_the_users,
        "gives_a_reason": _gives_a_reason,
        "has_an_administrator": _has_an_administrator,
        "terms_are_accepted": _terms_are_accepted,
        "may_renew_it": _may_renew_it,
        "it_is_time": _it_is_time,
        "period_is_over": _period_is_over,
        "period_is_not_over": _period_is_not_over,
    },
    {"begun": _has_begun, "renewed": _is_renewed},
)


def suspend_grant(state: State, command: SuspendGrant, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Stop a grant now: its administrator, its authority or a security officer may."""
    fields = {"suspended_for": "hand", "suspended_by": actor.name, "reason": command.reason}
    return _move("suspend", state, command, actor, at_us, rules, **fields)


def resume_grant(state: State, command: ResumeGrant, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Let a grant go on: its authority decides, under the same four eyes as the grant itself."""
    fields = {"suspended_for": "", "suspended_by": "", "reason": command.reason}
    return _move("resume", state, command, actor, at_us, rules, **fields)


def revoke_grant(state: State, command: RevokeGrant, actor: Actor, at_us: int, rules: Rules) -> Change:
    """End a grant for good."""
    return _move("revoke", state, command, actor, at_us, rules, reason=command.reason)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Change:
    before = state.get(Grant, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, **fields)
    return changing.done()


def suspend_for(changing: Changing, grant: Grant, cause: Cause, reason: str) -> None:
    """Suspend a live grant because of something else that happened."""
    if grant.status in LIVE:
        changing.edit(
            "suspend", grant, status="SUSPENDED", suspended_for=cause, suspended_by="", reason=reason
        )


def resume_from(changing: Changing, grant: Grant, cause: Cause, at_us: int) -> None:
    """Let a grant go on that was suspended for ``cause`` and nothing else."""
    if grant.status != "SUSPENDED" or grant.suspended_for != cause or not grant.administrator:
        return
    begun = "RENEWAL_IN_PROGRESS" if grant.renewal else "ACTIVE"
    status = begun if at_us >= grant.period.start_us else "SCHEDULED"
    changing.edit("resume", grant, status=status, suspended_for="", reason="")


def warning_instants(grant: Grant, rules: Rules) -> dict[int, int]:
    """Give the instant of each warning, by the days that are left: so many days before the last, 09:00 JST."""
    end = grant.period.end
    return {days: jst_us(end - timedelta(days=days), rules.warning_hour) for days in rules.warning_days}


def register_row(grant: Grant) -> RegisterRow:
    """Give the row of the register of approved cloud services."""
    return RegisterRow(
        report_no=grant.report_no,
        service=grant.service,
        approver=grant.decided_by,
        administrator=grant.administrator,
        work_scopes=grant.work_scopes,
        period=grant.period,
        max_class=grant.max_class,
        status=grant.status,
    )
