"""Conversations, and what their people still owe: feedback on what has not been answered yet.

A conversation is what the service calls one, else everything between a user and a service on one day in
Japan. Answering it discharges the exchanges so far, not those to come: who goes on in an answered
conversation owes again. A person is overdue after N exchanges with a service or at the end of D days,
whichever comes first; the day of the first is not counted (民法第140条) and the last one ends at midnight.

An agent's conversations are its own to answer, by which its owner is discharged of nothing: the owner
owes an answer on a sample of them (``sampling``), and the agent is refused while that is overdue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import CLOCK_ROLE, Actor, same
from sekimori.governance.calendar import jst_date, jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import FeedbackRules, UseRules
from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason
from sekimori.policy.people import canonical_name


class Conversation(Aggregate, frozen=True, kw_only=True):
    """One conversation; ``unanswered`` counts since the last answer, ``since_us`` is the first of those.

    ``owner`` is the person behind an agent and empty for a person; ``sampled_us`` is since when the owner
    owes an answer on this one, 0 if not.
    """

    noun: ClassVar[str] = "conversation"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("subject", "service"), ("subject",), ("owner",))

    subject: str
    service: str
    unit: str = ""
    owner: str = ""
    exchanges: int = 0
    unanswered: int = 0
    first_us: int = 0
    since_us: int = 0
    last_us: int = 0
    answered_us: int = 0
    sampled_us: int = 0
    sampled_day: str = ""
    covered_by: str = ""


class Seen(msgspec.Struct, frozen=True):
    """Exchanges of one conversation as they were recorded, from the first instant to the last."""

    subject: str
    service: str
    exchanges: int
    first_us: int
    last_us: int
    conversation: str = ""
    unit: str = ""
    owner: str = ""


MACHINE = Machine(
    Conversation.noun,
    [
        Transition(START, "exchange", "OPEN", (), (CLOCK_ROLE,)),
        Transition("OPEN", "exchange", "OPEN", (), (CLOCK_ROLE,)),
        # Records arrive late: what was exchanged before an answer is answered.
        Transition("ANSWERED", "exchange", "ANSWERED", (), (CLOCK_ROLE,), when="it_was_before_the_answer"),
        Transition("ANSWERED", "exchange", "OPEN", (), (CLOCK_ROLE,)),
        Transition("OPEN", "sample", "OPEN", (), (CLOCK_ROLE,)),
        Transition("ANSWERED", "sample", "ANSWERED", (), (CLOCK_ROLE,)),
        Transition("OPEN", "answer", "ANSWERED"),
        Transition("OPEN", "answer_sample", "OPEN"),
        Transition("ANSWERED", "answer_sample", "ANSWERED"),
        # The one click of an overdue page answers one conversation and covers the others it named.
        Transition("OPEN", "cover", "ANSWERED"),
    ],
    {},
    {"it_was_before_the_answer": lambda case: case.command.last_us < case.subject.answered_us},
)


def conversation_id(subject: str, service: str, at_us: int, named: str = "") -> str:
    """Give the id of a conversation: by the service's own name for it, else by the day.

    The name is what the far end chose, so it is hashed, together with whose it is: nobody can enter a
    conversation of somebody else by its name.
    """
    which = ["named", named] if named else ["day", jst_date(at_us).isoformat()]
    packed = msgspec.json.encode([canonical_name(subject), service, *which])
    return hashlib.sha256(packed).hexdigest()[:40]


def note_exchanges(state: State, seen: Iterable[Seen], actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Count what was recorded; ``actor`` is the clock, as no person opens a conversation."""
    changing = Changing(state, actor, at_us)
    for each in seen:
        if each.exchanges > 0:
            _note(changing, each, actor, at_us, rules)
    return changing.done()


def _note(changing: Changing, seen: Seen, actor: Actor, at_us: int, rules: UseRules) -> None:
    id_ = conversation_id(seen.subject, seen.service, seen.first_us, seen.conversation)
    before = changing.state.find(Conversation, id_) or Conversation(
        tenant=changing.state.tenant,
        id=id_,
        status=START,
        subject=seen.subject,
        service=seen.service,
        owner=seen.owner,
        first_us=seen.first_us,
    )
    status = MACHINE.move("exchange", Case(changing.state, before, seen, actor, at_us, rules))
    fields: dict[str, Any] = {
        "exchanges": before.exchanges + seen.exchanges,
        "unit": seen.unit or before.unit,
        "first_us": min(before.first_us, seen.first_us),
        "last_us": max(before.last_us, seen.last_us),
    }
    if status == "OPEN":
        held = Tally(before.unanswered, before.since_us).plus(seen.exchanges, seen.first_us)
        since = max(held.since_us, before.answered_us)
        fields |= {"unanswered": held.unanswered, "since_us": since, "covered_by": ""}
    changing.edit("exchange", before, status=status, **fields)


class Tally(msgspec.Struct, frozen=True):
    """What a subject owes on a service: so many exchanges, since the first of them.

    The gate's workers are given it and count on from there, until they hear of an answer.
    """

    unanswered: int = 0
    since_us: int = 0

    def plus(self, exchanges: int, first_us: int) -> Tally:
        """Add exchanges."""
        if exchanges <= 0:
            return self
        since = min(self.since_us, first_us) if self.unanswered else first_us
        return Tally(self.unanswered + exchanges, since)


def owed(conversations: Iterable[Conversation], subject: str, service: str) -> Tally:
    """Add up what ``subject`` has not answered on ``service``."""
    tally = Tally()
    for each in conversations:
        if each.service == service and same(each.subject, subject):
            tally = tally.plus(each.unanswered, each.since_us)
    return tally


def owed_by_owner(conversations: Iterable[Conversation], agent: str, service: str) -> Tally:
    """Add up the sampled conversations of an agent on which its owner has not answered."""
    tally = Tally()
    for each in conversations:
        if each.service == service and each.owner and each.sampled_us and same(each.subject, agent):
            tally = tally.plus(1, each.sampled_us)
    return tally


def due_us(since_us: int, rules: FeedbackRules) -> int:
    """Give the instant from which what is owed since ``since_us`` is overdue."""
    return jst_us(jst_date(since_us) + timedelta(days=rules.days + 1))


def overdue(tally: Tally, at_us: int, rules: FeedbackRules) -> bool:
    """Say whether the next request is refused."""
    too_many = tally.unanswered >= rules.exchanges
    return tally.unanswered > 0 and (too_many or at_us >= due_us(tally.since_us, rules))


def owner_overdue(sample: Tally, at_us: int, rules: FeedbackRules) -> bool:
    """Say whether an agent is refused for its owner's silence: by days only, as a sample is small."""
    return sample.unanswered > 0 and at_us >= due_us(sample.since_us, rules)


def feedback_findings(tally: Tally, sample: Tally, at_us: int, rules: FeedbackRules) -> list[Finding]:
    """Say what stands against a request of somebody who owes ``tally``; ``sample`` is an agent's owner's."""
    found = []
    if overdue(tally, at_us, rules):
        since = jst_date(tally.since_us).isoformat()
        found.append(Finding(Reason.FEEDBACK_OVERDUE, f"{tally.unanswered} since {since}"))
    if owner_overdue(sample, at_us, rules):
        since = jst_date(sample.since_us).isoformat()
        found.append(Finding(Reason.FEEDBACK_OVERDUE, f"owner: {sample.unanswered} since {since}"))
    return found


def unanswered(state: State, subject: str, service: str) -> Iterator[Conversation]:
    """Walk what ``subject`` owes on ``service``, the oldest first."""
    mine = state.matching(Conversation, subject=subject, service=service)
    owed_ones = (each for each in mine if each.service == service and each.unanswered)
    yield from sorted(owed_ones, key=lambda each: each.since_us)
