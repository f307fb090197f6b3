"""Reading what somebody wrote: for a reason and a ticket, for an hour, across departments by two [ABG-P4-1].

Within one's own department a reader shows masked text at once. A person of another department, or one whose
department nobody knows, and any text without its mask needs a second person, who is neither the reader nor
the one who wrote it. Each opening is an event of its own before anything is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import AUDITOR, SECURITY_OFFICER, Actor, same
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules

MINUTES = 60
_LIFE_US = MINUTES * 60_000_000
READERS = (AUDITOR, SECURITY_OFFICER)


class ContentReading(Aggregate, frozen=True, kw_only=True):
    """That ``reader`` may read the content of one record until ``until_us``; masked unless ``full``."""

    noun: ClassVar[str] = "content_reading"

    record: str
    subject: str
    unit: str
    reader: str
    reader_unit: str
    reason: str
    ticket: str
    full: bool = False
    asked_us: int = 0
    allowed_by: str = ""
    until_us: int = 0
    opened: int = 0


class AskReading(msgspec.Struct, frozen=True):
    """Ask to read a record; whose it is and their unit are what the caller established."""

    id: str
    record: str
    reason: str
    ticket: str
    subject: str
    unit: str
    full: bool = False


class AllowReading(msgspec.Struct, frozen=True):
    """Let somebody else read."""

    id: str


class RefuseReading(msgspec.Struct, frozen=True):
    """Do not let somebody read."""

    id: str
    reason: str


class OpenContent(msgspec.Struct, frozen=True):
    """Open what may be read; comes before each look at it."""

    id: str


class EndReading(msgspec.Struct, frozen=True):
    """Give back the leave to read before its hour is over."""

    id: str


def _says_why(case: Case[ContentReading]) -> None:
    wanted = {"record": "記録を指定してください。", "ticket": "チケット番号が必要です。"}
    missing = [Missing(name, ja, "is missing") for name, ja in wanted.items() if not _told(case, name)]
    if missing:
        raise refuse("incomplete", missing=missing)
    _gives_a_reason(case)


def _told(case: Case[ContentReading], name: str) -> str:
    return str(getattr(case.command, name)).strip()


def _gives_a_reason(case: Case[ContentReading]) -> None:
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def _is_not_the_reader(case: Case[ContentReading]) -> None:
    if same(case.subject.reader, case.actor.name):
        raise refuse_use("own-reading")


def _did_not_write_it(case: Case[ContentReading]) -> None:
    if same(case.subject.subject, case.actor.name):
        raise refuse_use("own-content")


def _is_the_reader(case: Case[ContentReading]) -> None:
    if not same(case.subject.reader, case.actor.name):
        raise refuse("not-yours", who=case.subject.reader)


def _is_in_time(case: Case[ContentReading]) -> None:
    if case.at_us >= case.subject.until_us:
        raise refuse_use("reading-over", minutes=MINUTES)


def _needs_nobody_else(case: Case[ContentReading]) -> bool:
    unit = case.subject.reader_unit.strip()
    return bool(unit) and unit == case.subject.unit.strip() and not case.subject.full


_OTHERS = ("is_not_the_reader", "did_not_write_it")
MACHINE = Machine(
    ContentReading.noun,
    [
        Transition(START, "ask", "ALLOWED", ("says_why",), READERS, when="needs_nobody_else"),
        Transition(START, "ask", "ASKED", ("says_why",), READERS),
        Transition("ASKED", "allow", "ALLOWED", _OTHERS, READERS),
        Transition("ASKED", "refuse", "REFUSED", (*_OTHERS, "gives_a_reason"), READERS),
        Transition("ALLOWED", "open", "ALLOWED", ("is_the_reader", "is_in_time"), READERS),
        Transition("ASKED", "end", "ENDED", ("is_the_reader",)),
        Transition("ALLOWED", "end", "ENDED", ("is_the_reader",)),
    ],
    {
        "says_why": _says_why,
        "gives_a_reason": _gives_a_reason,
        "is_not_the_reader": _is_not_the_reader,
        "did_not_write_it": _did_not_write_it,
        "is_the_reader": _is_the_reader,
        "is_in_time": _is_in_time,
    },
    {"needs_nobody_else": _needs_nobody_else},
)


def ask_reading(state: State, command: AskReading, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Ask to read; within one's own department, masked, this is the leave."""
    fields = msgspec.structs.asdict(command)
    value = ContentReading(
        tenant=state.tenant, status=START, reader=actor.name, reader_unit=actor.unit, asked_us=at_us, **fields
    )
    status = MACHINE.move("ask", Case(state, value, command, actor, at_us, rules))
    until_us = at_us + _LIFE_US if status == "ALLOWED" else 0
    changing = Changing(state, actor, at_us)
    changing.new("ask", msgspec.structs.replace(value, status=status, until_us=until_us))
    return changing.done()


def allow_reading(state: State, command: AllowReading, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Let somebody else read: their hour begins now."""
    return _move(
        "allow", state, command, actor, at_us, rules, allowed_by=actor.name, until_us=at_us + _LIFE_US
    )


def refuse_reading(state: State, command: RefuseReading, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Do not let somebody read."""
    return _move("refuse", state, command, actor, at_us, rules)


def open_content(state: State, command: OpenContent, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Write an opening down; whoever shows content does this first."""
    before = state.get(ContentReading, command.id)
    return _move("open", state, command, actor, at_us, rules, opened=before.opened + 1)


def end_reading(state: State, command: EndReading, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Give the leave back."""
    return _move("end", state, command, actor, at_us, rules)


def _move(
    verb: str, state: State, command: Any, actor: Actor, at_us: int, rules: UseRules, **fields: Any
) -> Change:
    before = state.get(ContentReading, command.id)
    status = MACHINE.move(verb, Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    reason = getattr(command, "reason", "")
    changing.edit(verb, before, {"reason": reason} if reason else None, status=status, **fields)
    return changing.done()
