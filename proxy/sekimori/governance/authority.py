"""Who may decide: approval authorities (許可権限者) per service and unit, their deputies, and roles.

Both are proposed by one person and confirmed by another, who is not the one it is about: nobody approves
their own role. A deputy (代決者) decides only between two days, and the decision says so; nobody but the holder
names one alone, and a deputy does not decide about whoever they stand in for.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import (
    APPROVAL_AUTHORITY,
    ROLES,
    SECURITY_OFFICER,
    SYSTEM_ADMINISTRATOR,
    Actor,
    among,
    same,
)
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State, Value

ANY = "*"
_OFFICERS = (SECURITY_OFFICER, SYSTEM_ADMINISTRATOR)


class Deputy(Value, frozen=True):
    """Who stands in, and from which day to which (both inclusive, JST)."""

    name: str
    start: date
    end: date


class ApprovalAuthority(Aggregate, frozen=True, kw_only=True):
    """Who decides on applications of a unit for a service; ``*`` is any.

    ``public_key`` (Ed25519, hex) is what the holder signs apply files with.
    """

    noun: ClassVar[str] = "approval_authority"

    holder: str
    service: str = ANY
    unit: str = ANY
    start: date
    end: date | None = None
    deputies: tuple[Deputy, ...] = ()
    public_key: str = ""
    proposed_by: str = ""
    confirmed_by: str = ""

    def living(self, day: date) -> bool:
        """Whether it holds on a day."""
        return self.status == "ACTIVE" and self.start <= day and (self.end is None or day <= self.end)

    def covers(self, service: str, unit: str) -> bool:
        """Whether it is about this service and this unit."""
        return self.service in (ANY, service) and self.unit in (ANY, unit)

    def standing_in(self, name: str, day: date) -> bool:
        """Whether ``name`` is a deputy on that day."""
        return any(same(name, deputy.name) and deputy.start <= day <= deputy.end for deputy in self.deputies)


class RoleAssignment(Aggregate, frozen=True, kw_only=True):
    """That a person holds a role."""

    noun: ClassVar[str] = "role_assignment"

    holder: str
    role: str
    unit: str = ""
    proposed_by: str = ""
    confirmed_by: str = ""


class ProposeAuthority(msgspec.Struct, frozen=True):
    """Ask that somebody become an approval authority."""

    id: str
    holder: str
    start: date
    service: str = ANY
    unit: str = ANY
    end: date | None = None
    deputies: tuple[Deputy, ...] = ()
    public_key: str = ""


class ConfirmAuthority(msgspec.Struct, frozen=True):
    """Confirm a proposed authority."""

    id: str


class DelegateAuthority(msgspec.Struct, frozen=True):
    """Name deputies with their days, replacing those named before."""

    id: str
    deputies: tuple[Deputy, ...]


class EndAuthority(msgspec.Struct, frozen=True):
    """End an authority."""

    id: str
    reason: str


class ProposeRole(msgspec.Struct, frozen=True):
    """Ask that somebody hold a role."""

    id: str
    holder: str
    role: str
    unit: str = ""


class ConfirmRole(msgspec.Struct, frozen=True):
    """Confirm a proposed role."""

    id: str


class EndRole(msgspec.Struct, frozen=True):
    """Take a role away."""

    id: str
    reason: str


def _is_about_somebody_else(case: Case[Any]) -> None:
    if same(case.subject.holder, case.actor.name) or among(case.actor.name, _deputies_of(case.subject)):
        raise refuse("own-role")


def _did_not_propose_it(case: Case[Any]) -> None:
    if same(case.subject.proposed_by, case.actor.name):
        raise refuse("own-change")


def _may_delegate(case: Case[Any]) -> None:
    if among(case.actor.name, tuple(deputy.name for deputy in case.command.deputies)):
        raise refuse("own-role")
    # Of somebody absent, an officer proposes an authority for the days, which a second one confirms.
    if not same(case.subject.holder, case.actor.name):
        raise refuse("not-yours", who=case.subject.holder)


def _deputies_of(subject: Any) -> tuple[str, ...]:
    return tuple(deputy.name for deputy in getattr(subject, "deputies", ()))


_OTHERS = ("is_about_somebody_else", "did_not_propose_it")
_GUARDS = {"is_about_somebody_else": _is_about_somebody_else, "did_not_propose_it": _did_not_propose_it}
MACHINE = Machine(
    ApprovalAuthority.noun,
    [
        Transition(START, "propose", "PROPOSED", (), _OFFICERS),
        Transition("PROPOSED", "confirm", "ACTIVE", _OTHERS, _OFFICERS),
        Transition("ACTIVE", "delegate", "ACTIVE", ("may_delegate",)),
        Transition("PROPOSED", "end", "ENDED", (), _OFFICERS),
        Transition("ACTIVE", "end", "ENDED", (), _OFFICERS),
    ],
    {**_GUARDS, "may_delegate": _may_delegate},
)
ROLE_MACHINE = Machine(
    RoleAssignment.noun,
    [
        Transition(START, "propose", "PROPOSED", (), _OFFICERS),
        Transition("PROPOSED", "confirm", "ACTIVE", _OTHERS, _OFFICERS),
        Transition("PROPOSED", "end", "ENDED", (), _OFFICERS),
        Transition("ACTIVE", "end", "ENDED", (), _OFFICERS),
    ],
    _GUARDS,
)


def propose_authority(
    state: State, command: ProposeAuthority, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Ask for an authority; it decides nothing before somebody else confirms it."""
    _check_deputies(command.holder, command.deputies)
    fields = msgspec.structs.asdict(command)
    value = ApprovalAuthority(tenant=state.tenant, status=START, proposed_by=actor.name, **fields)
    return _propose(MACHINE, state, value, command, actor, at_us, rules)


def confirm_authority(
    state: State, command: ConfirmAuthority, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Confirm an authority that somebody else proposed for somebody else."""
    return _move(
        MACHINE, ApprovalAuthority, "confirm", state, command, actor, at_us, rules, confirmed_by=actor.name
    )


def delegate_authority(
    state: State, command: DelegateAuthority, actor: Actor, at_us: int, rules: Rules
) -> Change:
    """Name deputies; the holder does, nobody else."""
    authority = state.get(ApprovalAuthority, command.id)
    _check_deputies(authority.holder, command.deputies)
    return _move(
        MACHINE, ApprovalAuthority, "delegate", state, command, actor, at_us, rules, deputies=command.deputies
    )


def end_authority(state: State, command: EndAuthority, actor: Actor, at_us: int, rules: Rules) -> Change:
    """End an authority; what it decided stands."""
    return _move(MACHINE, ApprovalAuthority, "end", state, command, actor, at_us, rules)


def propose_role(state: State, command: ProposeRole, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Ask that somebody hold one of the roles."""
    if command.role not in ROLES or not command.holder:
        raise refuse(
            "incomplete",
            missing=[Missing("role", "役割と氏名が必要です。", "name a person and a known role")],
        )
    fields = msgspec.structs.asdict(command)
    value = RoleAssignment(tenant=state.tenant, status=START, proposed_by=actor.name, **fields)
    return _propose(ROLE_MACHINE, state, value, command, actor, at_us, rules)


def confirm_role(state: State, command: ConfirmRole, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Confirm a role that somebody else proposed for somebody else."""
    return _move(
        ROLE_MACHINE, RoleAssignment, "confirm", state, command, actor, at_us, rules, confirmed_by=actor.name
    )


def end_role(state: State, command: EndRole, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Take a role away; one person is enough for less."""
    return _move(ROLE_MACHINE, RoleAssignment, "end", state, command, actor, at_us, rules)


def roles_of(state: State, name: str) -> frozenset[str]:
    """List the roles that were confirmed for a person."""
    held = state.all(RoleAssignment)
    return frozenset(each.role for each in held if each.status == "ACTIVE" and same(each.holder, name))


class Deciding(msgspec.Struct, frozen=True):
    """By which authority somebody decides, and whether as a deputy (代決)."""

    authority: str
    delegated: bool


def authorities_for(state: State, service: str, unit: str, at_us: int) -> list[ApprovalAuthority]:
    """List the living authorities, the closest first: those that name the service, then the unit."""
    day = jst_date(at_us)
    found = [each for each in state.all(ApprovalAuthority) if each.living(day) and each.covers(service, unit)]
    return sorted(found, key=lambda each: (each.service == ANY, each.unit == ANY, each.id))


def deciding(
    state: State, actor: Actor, service: str, unit: str, at_us: int, *, about: tuple[str, ...] = ()
) -> Deciding:
    """Say by which authority ``actor`` may decide; raises ``Forbidden`` if by none.

    ``about`` are the people whom the decision is about: nobody stands in for one of them.
    """
    living = authorities_for(state, service, unit, at_us)
    if not living:
        raise refuse("no-authority")
    day = jst_date(at_us)
    if actor.has(APPROVAL_AUTHORITY):
        for authority in living:
            if same(authority.holder, actor.name):
                return Deciding(authority.id, delegated=False)
        stood_for = [each for each in living if each.standing_in(actor.name, day)]
        for authority in stood_for:
            if not among(authority.holder, about):
                return Deciding(authority.id, delegated=True)
        if stood_for:
            raise refuse("own-deputy")
    raise refuse("not-authority")


def _check_deputies(holder: str, deputies: tuple[Deputy, ...]) -> None:
    wrong = not holder or any(
        not each.name or same(each.name, holder) or each.end < each.start for each in deputies
    )
    if wrong:
        message = "代決者は本人以外で、期間が必要です。"
        raise refuse(
            "incomplete", missing=[Missing("deputies", message, "name somebody else, with a period")]
        )


def _propose(
    machine: Machine, state: State, value: Aggregate, command: Any, actor: Actor, at_us: int, rules: Rules
) -> Change:
    status = machine.move("propose", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("propose", msgspec.structs.replace(value, status=status))
    return changing.done()


def _move[A: Aggregate](
    machine: Machine,
    kind: type[A],
    verb: str,
    state: State,
    command: Any,
    actor: Actor,
    at_us: int,
    rules: Rules,
    **fields: Any,
) -> Change:
    subject = state.get(kind, command.id)
    status = machine.move(verb, Case(state, subject, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, subject, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()
