"""Setting the limits of a service: its administrator tightens and suspends alone, and loosens with another.

``SuspendUse`` is the switch that stops every use of a service now; letting it go on is for somebody else
than whoever stopped it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    CLOUD_SERVICE_ADMINISTRATOR,
    SECURITY_OFFICER,
    Actor,
    same,
)
from sekimori.governance.change import Change, Changing
from sekimori.governance.grant import Grant
from sekimori.governance.limits import Ask, Limits, limit_findings, loosens
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State, digest
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules
from sekimori.policy.admission import Finding

_SETTERS = (CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER)
_SECONDS = (SECURITY_OFFICER, APPROVAL_AUTHORITY, CLOUD_SERVICE_ADMINISTRATOR)


class ServiceLimits(Aggregate, frozen=True, kw_only=True):
    """The limits of the service whose id it has; ``proposed`` are looser ones that wait for a second person."""

    noun: ClassVar[str] = "service_limits"

    limits: Limits = Limits()
    proposed: Limits | None = None
    editor: str = ""
    suspended: str = ""
    suspended_by: str = ""


class SetLimits(msgspec.Struct, frozen=True):
    """Set all limits of a service."""

    service: str
    limits: Limits
    reason: str


class ConfirmLimits(msgspec.Struct, frozen=True):
    """Agree to looser limits; ``sha256`` is the digest of those that were read."""

    service: str
    sha256: str


class RefuseLimits(msgspec.Struct, frozen=True):
    """Refuse them."""

    service: str
    reason: str


class SuspendUse(msgspec.Struct, frozen=True):
    """Stop every use of the service now."""

    service: str
    reason: str


class ResumeUse(msgspec.Struct, frozen=True):
    """Let it be used again."""

    service: str
    reason: str


def _administers_it(case: Case[ServiceLimits]) -> None:
    if case.actor.has(SECURITY_OFFICER, APPROVAL_AUTHORITY):
        return
    grants = case.state.matching(Grant, service=case.subject.id)
    living = (each for each in grants if each.status not in ("REVOKED", "EXPIRED"))
    if not any(same(each.administrator, case.actor.name) for each in living):
        raise refuse_use("not-administrator")


def _gives_a_reason(case: Case[ServiceLimits]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def _did_not_propose_it(case: Case[ServiceLimits]) -> None:
    if same(case.subject.editor, case.actor.name):
        raise refuse("own-change")


def _was_read(case: Case[ServiceLimits]) -> None:
    proposed = case.subject.proposed
    if proposed is None or digest(proposed) != case.command.sha256:
        raise refuse_use("no-proposal")


def _is_suspended(case: Case[ServiceLimits]) -> None:
    if not case.subject.suspended:
        raise refuse("transition", status=case.subject.status, verb="resume")


def _did_not_suspend_it(case: Case[ServiceLimits]) -> None:
    if same(case.subject.suspended_by, case.actor.name):
        raise refuse("own-change")


_SET = ("administers_it", "gives_a_reason")
_RESUMED = ("administers_it", "gives_a_reason", "is_suspended", "did_not_suspend_it")
MACHINE = Machine(
    ServiceLimits.noun,
    [
        Transition(START, "set", "SET", _SET, _SETTERS),
        Transition("SET", "set", "PROPOSED", _SET, _SETTERS, when="it_loosens"),
        Transition("SET", "set", "SET", _SET, _SETTERS),
        Transition("PROPOSED", "set", "PROPOSED", _SET, _SETTERS, when="it_loosens"),
        Transition("PROPOSED", "set", "SET", _SET, _SETTERS),
        Transition(
            "PROPOSED", "confirm", "SET", ("administers_it", "did_not_propose_it", "was_read"), _SECONDS
        ),
        Transition("PROPOSED", "refuse", "SET", _SET, _SECONDS),
        Transition(START, "suspend", "SET", _SET, _SETTERS),
        *(Transition(status, "suspend", status, _SET, _SETTERS) for status in ("SET", "PROPOSED")),
        *(Transition(status, "resume", status, _RESUMED, _SECONDS) for status in ("SET", "PROPOSED")),
    ],
    {
        "administers_it": _administers_it,
        "gives_a_reason": _gives_a_reason,
        "did_not_propose_it": _did_not_propose_it,
        "was_read": _was_read,
        "is_suspended": _is_suspended,
        "did_not_suspend_it": _did_not_suspend_it,
    },
    {"it_loosens": lambda case: loosens(case.subject.limits, case.command.limits)},
)


def set_limits(state: State, command: SetLimits, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Set limits: tighter ones hold at once, looser ones wait for a second person."""
    before = _limits(state, command.service)
    status = MACHINE.move("set", Case(state, before, command, actor, at_us, rules))
    held: dict[str, Any] = {"limits": command.limits, "proposed": None}
    if status == "PROPOSED":
        held = {"proposed": command.limits}
    changing = Changing(state, actor, at_us)
    changing.edit("set", before, {"reason": command.reason}, status=status, editor=actor.name, **held)
    return changing.done()


def _limits(state: State, service: str) -> ServiceLimits:
    state.get(RegisteredService, service)
    fresh = ServiceLimits(tenant=state.tenant, id=service, status=START)
    return state.find(ServiceLimits, service) or fresh


def confirm_limits(state: State, command: ConfirmLimits, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Let looser limits hold."""
    looser = _limits(state, command.service).proposed
    return _move("confirm", state, command, actor, at_us, rules, limits=looser, proposed=None)


def refuse_limits(state: State, command: RefuseLimits, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Drop looser limits."""
    return _move("refuse", state, command, actor, at_us, rules, proposed=None)


def suspend_use(state: State, command: SuspendUse, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Stop every use of the service now."""
    fields = {"suspended": command.reason, "suspended_by": actor.name}
    return _move("suspend", state, command, actor, at_us, rules, **fields)


def resume_use(state: State, command: ResumeUse, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Let the service be used again."""
    return _move("resume", state, command, actor, at_us, rules, suspended="", suspended_by="")


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: UseRules, **fields: Any
) -> Change:
    before = _limits(state, command.service)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, before, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()


def service_findings(state: State, service: str, ask: Ask) -> list[Finding]:
    """Say what the limits of a service have against a request."""
    held = state.find(ServiceLimits, service)
    return [] if held is None else limit_findings(held.limits, ask, suspended=held.suspended)
