"""Incidents, near misses (ヒヤリハット) and inquiries: what happened, by when somebody must have acted.

As small as it is useful: opened by anybody, taken on by somebody, answered, closed with the measure
against recurrence. Days of the law on personal information are the shortest of those known: a preliminary
report within 3 days, the final one within 30 [ABG-P4-2]; inquiries are answered in 3 business days.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import (
    AUDITOR,
    CLOUD_SERVICE_ADMINISTRATOR,
    ROLES,
    SECURITY_OFFICER,
    Actor,
    same,
)
from sekimori.governance.calendar import business_days_later, jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State

_HANDLERS = (CLOUD_SERVICE_ADMINISTRATOR, SECURITY_OFFICER)
_PRELIMINARY, _FINAL, _INQUIRY = 3, 30, 3


class Report(Aggregate, frozen=True, kw_only=True):
    """One incident, near miss or inquiry; ``due_on`` is the next day by which something must be done."""

    noun: ClassVar[str] = "report"

    kind: Literal["INCIDENT", "NEAR_MISS", "INQUIRY"]
    summary: str
    service: str = ""
    severity: Literal["LOW", "MEDIUM", "HIGH"] = "LOW"
    privacy: bool = False
    affected: int = 0
    events: tuple[str, ...] = ()
    opened_by: str = ""
    opened_us: int = 0
    owner: str = ""
    due_on: date | None = None
    answer: str = ""
    measure: str = ""
    measure_due_on: date | None = None


class OpenReport(msgspec.Struct, frozen=True):
    """Tell of something."""

    id: str
    kind: Literal["INCIDENT", "NEAR_MISS", "INQUIRY"]
    summary: str
    service: str = ""
    severity: Literal["LOW", "MEDIUM", "HIGH"] = "LOW"
    privacy: bool = False
    affected: int = 0
    events: tuple[str, ...] = ()


class TakeReport(msgspec.Struct, frozen=True):
    """Take it on."""

    id: str


class AnswerReport(msgspec.Struct, frozen=True):
    """Say what was found or done; for personal information this is the preliminary report (速報)."""

    id: str
    answer: str


class CloseReport(msgspec.Struct, frozen=True):
    """Close it; an incident needs a measure against recurrence with its day (再発防止策)."""

    id: str
    measure: str = ""
    measure_due_on: date | None = None


def _is_answered_for(case: Case[Report]) -> None:
    if not case.command.answer.strip():
        raise refuse("reason-missing")


def _has_a_measure(case: Case[Report]) -> None:
    told = case.command.measure.strip() and case.command.measure_due_on is not None
    if case.subject.kind == "INCIDENT" and not told:
        raise refuse("due-open")


def _is_not_whoever_opened_it(case: Case[Report]) -> None:
    if case.subject.kind == "INCIDENT" and same(case.subject.opened_by, case.actor.name):
        raise refuse("own-change")


MACHINE = Machine(
    Report.noun,
    [
        Transition(START, "open", "OPEN", (), tuple(role for role in ROLES if role != AUDITOR)),
        Transition("OPEN", "take", "TAKEN", (), _HANDLERS),
        Transition("TAKEN", "take", "TAKEN", (), _HANDLERS),
        Transition("TAKEN", "answer", "ANSWERED", ("is_answered_for",), _HANDLERS),
        Transition("ANSWERED", "answer", "ANSWERED", ("is_answered_for",), _HANDLERS),
        Transition("ANSWERED", "close", "CLOSED", ("has_a_measure", "is_not_whoever_opened_it"), _HANDLERS),
    ],
    {
        "is_answered_for": _is_answered_for,
        "has_a_measure": _has_a_measure,
        "is_not_whoever_opened_it": _is_not_whoever_opened_it,
    },
)


def open_report(state: State, command: OpenReport, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Tell of something; a near miss has no deadline, so that telling of it costs nothing."""
    if not command.summary.strip():
        raise refuse("incomplete", missing=[Missing("summary", "概要を記載してください。", "is missing")])
    value = Report(
        tenant=state.tenant,
        status=START,
        opened_by=actor.name,
        opened_us=at_us,
        due_on=_due(command, jst_date(at_us)),
        **msgspec.structs.asdict(command),
    )
    status = MACHINE.move("open", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("open", msgspec.structs.replace(value, status=status))
    return changing.done()


def _due(command: OpenReport, day: date) -> date | None:
    if command.kind == "NEAR_MISS":
        return None
    if command.kind == "INQUIRY":
        return business_days_later(day, _INQUIRY)
    return day + timedelta(days=_PRELIMINARY if command.privacy or command.severity == "HIGH" else _FINAL)


def take_report(state: State, command: TakeReport, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Take it on, or over."""
    return _move("take", state, command, actor, at_us, rules, owner=actor.name)


def answer_report(state: State, command: AnswerReport, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Say what was found; an incident's next day is the final report's."""
    before = state.get(Report, command.id)
    final = jst_date(before.opened_us) + timedelta(days=_FINAL) if before.kind == "INCIDENT" else None
    return _move("answer", state, command, actor, at_us, rules, answer=command.answer, due_on=final)


def close_report(state: State, command: CloseReport, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Close it."""
    fields = {"measure": command.measure, "measure_due_on": command.measure_due_on, "due_on": None}
    return _move("close", state, command, actor, at_us, rules, **fields)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Change:
    before = state.get(Report, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit(verb, before, status=status, **fields)
    return changing.done()
