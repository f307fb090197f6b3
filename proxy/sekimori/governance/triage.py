"""Triage: what an answer other than "useful" sets going, by its severity, with a day by which it is done.

Whoever gave the feedback doesn't resolve it. A grave one (HIGH) is resolved by two: one proposes, another
confirms. What passes its day is marked once by the clock, for the security officer to see.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    CLOCK_ROLE,
    CLOUD_SERVICE_ADMINISTRATOR,
    SECURITY_OFFICER,
    Actor,
    same,
)
from sekimori.governance.calendar import business_days_later, jst_date, jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import Severity, UseRules

_HANDLERS = (CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER)
_DAY_US = 86_400_000_000
Outcome = Literal["", "FIXED", "INCIDENT", "PROVIDER", "UNFOUNDED"]


class TriageTask(Aggregate, frozen=True, kw_only=True):
    """One task; ``report`` is the incident, near miss or inquiry that came of it."""

    noun: ClassVar[str] = "triage_task"

    feedback: str
    service: str
    severity: Severity
    opened_by: str
    opened_us: int
    due_on: date
    owner: str = ""
    outcome: Outcome = ""
    note: str = ""
    report: str = ""
    resolver: str = ""
    late: bool = False


class TakeTask(msgspec.Struct, frozen=True):
    """Take a task on, or over."""

    id: str


class ResolveTask(msgspec.Struct, frozen=True):
    """Say what came of it; a grave one waits for a second person."""

    id: str
    outcome: Literal["FIXED", "INCIDENT", "PROVIDER", "UNFOUNDED"]
    note: str
    report: str = ""


class ConfirmTask(msgspec.Struct, frozen=True):
    """Agree with what another says came of a grave task."""

    id: str


class ReturnTask(msgspec.Struct, frozen=True):
    """Disagree with it."""

    id: str
    reason: str


def _did_not_give_it(case: Case[TriageTask]) -> None:
    if same(case.subject.opened_by, case.actor.name):
        raise refuse_use("own-feedback")


def _is_its_owner(case: Case[TriageTask]) -> None:
    if not same(case.subject.owner, case.actor.name):
        raise refuse("not-yours", who=case.subject.owner)


def _says_what_came_of_it(case: Case[TriageTask]) -> None:
    if not case.command.note.strip():
        raise refuse("reason-missing")


def _did_not_resolve_it(case: Case[TriageTask]) -> None:
    if same(case.subject.resolver, case.actor.name):
        raise refuse("own-change")


def _gives_a_reason(case: Case[TriageTask]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


_RESOLVED = ("is_its_owner", "did_not_give_it", "says_what_came_of_it")
MACHINE = Machine(
    TriageTask.noun,
    [
        Transition(START, "open", "OPEN"),
        Transition("OPEN", "take", "TAKEN", ("did_not_give_it",), _HANDLERS),
        Transition("TAKEN", "take", "TAKEN", ("did_not_give_it",), _HANDLERS),
        Transition("TAKEN", "resolve", "PROPOSED", _RESOLVED, _HANDLERS, when="it_is_grave"),
        Transition("TAKEN", "resolve", "RESOLVED", _RESOLVED, _HANDLERS),
        Transition("PROPOSED", "confirm", "RESOLVED", ("did_not_resolve_it", "did_not_give_it"), _HANDLERS),
        Transition("PROPOSED", "return", "TAKEN", ("did_not_resolve_it", "gives_a_reason"), _HANDLERS),
        *(Transition(status, "lapse", status, (), (CLOCK_ROLE,)) for status in ("OPEN", "TAKEN", "PROPOSED")),
    ],
    {
        "did_not_give_it": _did_not_give_it,
        "is_its_owner": _is_its_owner,
        "says_what_came_of_it": _says_what_came_of_it,
        "did_not_resolve_it": _did_not_resolve_it,
        "gives_a_reason": _gives_a_reason,
    },
    {"it_is_grave": lambda case: case.subject.severity == "HIGH"},
)


def open_task(
    changing: Changing,
    id_: str,
    feedback: str,
    service: str,
    severity: Severity,
    actor: Actor,
    at_us: int,
    rules: UseRules,
) -> None:
    """Open the task that belongs to an answer, as part of the same change."""
    value = TriageTask(
        tenant=changing.state.tenant,
        id=id_,
        status=START,
        feedback=feedback,
        service=service,
        severity=severity,
        opened_by=actor.name,
        opened_us=at_us,
        due_on=business_days_later(jst_date(at_us), rules.feedback.business_days[severity]),
    )
    status = MACHINE.move("open", Case(changing.state, value, None, actor, at_us, rules))
    changing.new("open", msgspec.structs.replace(value, status=status))


def take_task(state: State, command: TakeTask, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Take a task on, or over."""
    return _move("take", state, command, actor, at_us, rules, owner=actor.name)


def resolve_task(state: State, command: ResolveTask, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Say what came of it."""
    fields = {"outcome": command.outcome, "note": command.note, "report": command.report}
    return _move("resolve", state, command, actor, at_us, rules, resolver=actor.name, **fields)


def confirm_task(state: State, command: ConfirmTask, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Agree, which resolves a grave task."""
    return _move("confirm", state, command, actor, at_us, rules)


def return_task(state: State, command: ReturnTask, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Disagree: it is taken on again."""
    return _move("return", state, command, actor, at_us, rules, outcome="", resolver="")


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: UseRules, **fields: Any
) -> Change:
    before = state.get(TriageTask, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, before, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()


def task_late(task: TriageTask, at_us: int) -> bool:
    """Say whether a task has passed its day."""
    return task.status != "RESOLVED" and at_us >= jst_us(task.due_on) + _DAY_US


def lapse_tasks(state: State, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Mark, once, each task whose day is over; ``actor`` is the clock."""
    changing = Changing(state, actor, at_us)
    for task in list(state.due(TriageTask, at_us)):
        if not task.late and task_late(task, at_us):
            status = MACHINE.move("lapse", Case(state, task, None, actor, at_us, rules))
            changing.edit("lapse", task, status=status, late=True)
    return changing.done()
