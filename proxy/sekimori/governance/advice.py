"""Advice (助言) on a service: asked of each body, answered, with what the answer was [DSN-5-2].

A body is known by its part, so that its advice under an old name stays its advice, and is never counted
as that of a second body.
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
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, Evidence, State

_RECORDERS = (APPROVAL_AUTHORITY, SECURITY_OFFICER)
_OVER = ("REJECTED", "WITHDRAWN")


class AdviceRecord(Aggregate, frozen=True, kw_only=True):
    """What one body was asked about a service and what it answered; ``body`` is the name it had then."""

    noun: ClassVar[str] = "advice_record"

    service: str
    part: str
    body: str
    asked_on: date
    reference: str = ""
    answered_on: date | None = None
    summary: str = ""
    evidence: Evidence | None = None


class AskAdvice(msgspec.Struct, frozen=True):
    """Ask a body (by its part) about a service."""

    id: str
    service: str
    part: str
    reference: str = ""


class RecordAdvice(msgspec.Struct, frozen=True):
    """Record the answer."""

    id: str
    reference: str
    answered_on: date
    summary: str
    evidence: Evidence


class WithdrawAdvice(msgspec.Struct, frozen=True):
    """Drop what was asked or recorded by mistake."""

    id: str
    reason: str


def _is_proven(case: Case[AdviceRecord]) -> None:
    command = case.command
    wanted = {
        "reference": bool(command.reference.strip()),
        "summary": bool(command.summary.strip()),
        "evidence": bool(command.evidence.reference and command.evidence.sha256),
        "answered_on": case.subject.asked_on <= command.answered_on <= jst_date(case.at_us),
    }
    missing = [
        Missing(name, "記載してください。", "is missing or wrong")
        for name, there in wanted.items()
        if not there
    ]
    if missing:
        raise refuse("incomplete", missing=missing)


def _applies_for_nothing_there(case: Case[AdviceRecord]) -> None:
    for each in case.state.all(Application):
        about = each.plan.external_service == case.subject.service and each.status not in _OVER
        if about and same(each.applicant, case.actor.name):
            raise refuse("own-application")


MACHINE = Machine(
    AdviceRecord.noun,
    [
        Transition(START, "ask", "ASKED", (), (STAFF, *_RECORDERS)),
        Transition("ASKED", "record", "ANSWERED", ("is_proven", "applies_for_nothing_there"), _RECORDERS),
        Transition("ASKED", "withdraw", "WITHDRAWN", (), _RECORDERS),
        Transition("ANSWERED", "withdraw", "WITHDRAWN", (), _RECORDERS),
    ],
    {"is_proven": _is_proven, "applies_for_nothing_there": _applies_for_nothing_there},
)


def ask_advice(state: State, command: AskAdvice, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Ask one of the bodies of the day."""
    state.get(RegisteredService, command.service)
    body = rules.book.advice_bodies.get(command.part)
    if body is None:
        raise refuse("not-found", noun="advice_body", id=command.part)
    value = AdviceRecord(
        tenant=state.tenant,
        status=START,
        body=body,
        asked_on=jst_date(at_us),
        **msgspec.structs.asdict(command),
    )
    status = MACHINE.move("ask", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("ask", msgspec.structs.replace(value, status=status))
    return changing.done()


def record_advice(state: State, command: RecordAdvice, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Record what a body answered."""
    fields = {name: getattr(command, name) for name in ("reference", "answered_on", "summary", "evidence")}
    return _move("record", state, command, actor, at_us, rules, **fields)


def withdraw_advice(state: State, command: WithdrawAdvice, actor: Actor, at_us: int, rules: Rules) -> Change:
    """Drop a record; decisions that named it keep naming it."""
    return _move("withdraw", state, command, actor, at_us, rules)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: Rules, **fields: Any
) -> Change:
    before = state.get(AdviceRecord, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, before, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()


def advice_on(state: State, service: str) -> dict[str, AdviceRecord]:
    """Give the answered advice on a service, the latest of each body."""
    answered = [
        each for each in state.all(AdviceRecord) if each.service == service and each.status == "ANSWERED"
    ]
    return {
        each.part: each for each in sorted(answered, key=lambda each: (each.answered_on or date.min, each.id))
    }


def advice_missing(state: State, service: RegisteredService, rules: Rules) -> list[str]:
    """Name the bodies whose advice a decision on the service still needs."""
    if not (rules.advice_required and service.flagged(rules.caution_locations)):
        return []
    there = advice_on(state, service.id)
    return [body for part, body in rules.book.advice_bodies.items() if part not in there]
