"""Acknowledgements (確認): who has read which version of which notice, and whose turn it is to read.

One aggregate a person and notice; the events keep the history. A version that was published since, other
words, or another day for a daily notice make it count no more. API clients acknowledge by a header that
must name the notice, its version and the hash of its text, so that nobody sends a fixed "yes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.notices import Notice, in_force
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules
from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason
from sekimori.policy.people import canonical_name

HEADER = "X-Sekimori-Acknowledge"
_LONGEST = 4096
_ENTRY = re.compile(r"([A-Za-z0-9-]{1,64});version=([1-9][0-9]{0,8});sha256=([0-9a-f]{64})")


class Acknowledgement(Aggregate, frozen=True, kw_only=True):
    """That ``subject`` has read a version of a notice; ``unit`` is where they belonged then."""

    noun: ClassVar[str] = "acknowledgement"

    notice: str
    subject: str
    unit: str = ""
    number: int = 0
    sha256: str = ""
    at_us: int = 0
    channel: str = ""


class Acknowledge(msgspec.Struct, frozen=True):
    """Say that one has read it: this version, these words."""

    notice: str
    number: int
    sha256: str
    channel: Literal["page", "header", "portal"] = "page"


class Standing(StrEnum):
    """How somebody stands to a notice; only ``HELD`` lets them go on."""

    NEVER = "NEVER"
    OUTDATED = "OUTDATED"
    ANOTHER_DAY = "ANOTHER_DAY"
    HELD = "HELD"


def _is_what_is_in_force(case: Case[Acknowledgement]) -> None:
    notice = case.state.get(Notice, case.subject.notice)
    shown = notice.status in ("PUBLISHED", "REVISING") and notice.current is not None
    read = (case.command.number, case.command.sha256)
    if not shown or read != (notice.number, notice.current.sha256 if notice.current else ""):
        raise refuse_use("notice-differs")


MACHINE = Machine(
    Acknowledgement.noun,
    [
        Transition(START, "acknowledge", "ACKNOWLEDGED", ("is_what_is_in_force",)),
        Transition("ACKNOWLEDGED", "acknowledge", "ACKNOWLEDGED", ("is_what_is_in_force",)),
    ],
    {"is_what_is_in_force": _is_what_is_in_force},
)


def acknowledgement_id(notice: str, subject: str) -> str:
    """Give the id of what one person says of one notice."""
    return f"{notice}:{canonical_name(subject)}"


def acknowledge(state: State, command: Acknowledge, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Keep that the actor has read a notice."""
    id_ = acknowledgement_id(command.notice, actor.name)
    before = state.find(Acknowledgement, id_) or Acknowledgement(
        tenant=state.tenant, id=id_, status=START, notice=command.notice, subject=actor.name
    )
    status = MACHINE.move("acknowledge", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    fields: dict[str, Any] = {"number": command.number, "sha256": command.sha256, "channel": command.channel}
    changing.edit("acknowledge", before, status=status, unit=actor.unit, at_us=at_us, **fields)
    return changing.done()


def standing(notice: Notice, held: Acknowledgement | None, at_us: int) -> Standing:
    """Say how somebody stands to a notice that is in force."""
    if held is None or notice.current is None:
        return Standing.NEVER
    if (held.number, held.sha256) != (notice.number, notice.current.sha256):
        return Standing.OUTDATED
    if notice.current.frequency == "DAILY" and jst_date(held.at_us) != jst_date(at_us):
        return Standing.ANOTHER_DAY
    return Standing.HELD


def due(state: State, subject: str, service: str, at_us: int) -> tuple[Notice, ...]:
    """List the notices that ``subject`` has to read before using ``service``."""
    return tuple(
        notice
        for notice in in_force(state, service)
        if standing(notice, _held(state, notice, subject), at_us) is not Standing.HELD
    )


def _held(state: State, notice: Notice, subject: str) -> Acknowledgement | None:
    return state.find(Acknowledgement, acknowledgement_id(notice.id, subject))


def acknowledgement_findings(notices: Iterable[Notice]) -> list[Finding]:
    """Say what stands against a request while ``notices`` are due."""
    return [Finding(Reason.ACK_REQUIRED, f"{notice.id};version={notice.number}") for notice in notices]


def header_value(*notices: Notice) -> str:
    """Give what an API client has to send for ``notices``; the refusal shows it together with the texts."""
    current = ((notice, notice.current) for notice in notices)
    return ", ".join(f"{n.id};version={n.number};sha256={text.sha256}" for n, text in current if text)


def read_header(value: str) -> tuple[Acknowledge, ...]:
    """Read the header; ``ValueError`` if any part of it is not what it must be."""
    if len(value) > _LONGEST:
        raise ValueError(f"{HEADER} is longer than {_LONGEST} characters")
    found = []
    for part in value.split(","):
        match = _ENTRY.fullmatch(part.strip(" \t").replace("; ", ";"))
        if match is None:
            raise ValueError(f"{HEADER} takes: notice;version=N;sha256=HEX")
        found.append(Acknowledge(match[1], int(match[2]), match[3], "header"))
    return tuple(found)


class Rate(msgspec.Struct, frozen=True):
    """How many of a department have read the version in force; ``people`` is who has to."""

    notice: str
    number: int
    unit: str
    people: int
    acknowledged: int

    @property
    def percent(self) -> int:
        """Give the share, rounded down: 99.9 % are not everybody."""
        return 100 * self.acknowledged // self.people if self.people else 100


def rates(state: State, notice: Notice, people: Iterable[tuple[str, str]]) -> tuple[Rate, ...]:
    """Count by department who has read ``notice``; ``people`` gives name and unit of everybody concerned."""
    units: dict[str, dict[str, bool]] = {}
    for name, unit in people:
        held = _held(state, notice, name)
        at_us = held.at_us if held else 0
        # Counted is that the version was read at all, not that it was read today.
        read = standing(notice, held, at_us) is Standing.HELD
        units.setdefault(unit, {})[canonical_name(name)] = read
    return tuple(
        Rate(notice.id, notice.number, unit, len(named), sum(named.values()))
        for unit, named in sorted(units.items())
    )
