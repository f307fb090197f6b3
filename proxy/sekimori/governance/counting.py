"""What the record tells governance: exchanges to be answered for, notices read and answers given at the gate.

A lane of the record is counted from entry to entry. How far it was is an aggregate of its own, changed
together with what it was counted for, so that a crash counts nothing twice and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

import msgspec

from sekimori.governance.acknowledgement import Acknowledge, acknowledge
from sekimori.governance.acting import actor_of
from sekimori.governance.actors import CLOCK_ROLE, Actor, clock
from sekimori.governance.change import Change, Changing
from sekimori.governance.conversation import Conversation, Seen, note_exchanges
from sekimori.governance.feedback import (
    AnswerAsAgent,
    AnswerFeedback,
    IssueToken,
    answer_as_agent,
    answer_feedback,
    issue_token,
)
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.notices import Notice
from sekimori.governance.refusals import Forbidden
from sekimori.governance.said import Said, SaidAnswer
from sekimori.governance.state import Aggregate, State
from sekimori.governance.trial import GiveTrialConsent, give_trial_consent
from sekimori.governance.use_rules import AnswerKind, UseRules

FROM_NOW = "*"
"""The cursor that says that counting has begun; what was recorded before it was never announced as a duty."""


class Counted(Aggregate, frozen=True, kw_only=True):
    """How far the lane whose id it has was counted."""

    noun: ClassVar[str] = "counted"

    n: int = 0


class Heard(msgspec.Struct, frozen=True):
    """What somebody said at the gate, as it was recorded; ``id`` is the record's, ``owner`` an agent's."""

    id: str
    user: str
    at_us: int
    said: Said
    text: str = ""
    owner: str = ""


MACHINE = Machine(
    Counted.noun,
    [
        Transition(START, "count", "COUNTED", (), (CLOCK_ROLE,)),
        Transition("COUNTED", "count", "COUNTED", (), (CLOCK_ROLE,)),
    ],
    {},
)


def counted_to(state: State, lane: str) -> int:
    """Give the last entry of a lane that was counted."""
    held = state.find(Counted, lane)
    return 0 if held is None else held.n


def begin(state: State, lanes: Iterable[tuple[str, int]], at_us: int, rules: UseRules) -> Change:
    """Begin to count from where each lane is now; once begun, it does nothing."""
    actor = clock(state.tenant)
    changing = Changing(state, actor, at_us)
    if state.find(Counted, FROM_NOW) is None:
        for lane, n in ((FROM_NOW, 0), *lanes):
            _move(changing, lane, n, actor, at_us, rules)
    return changing.done()


def count(
    state: State,
    lane: str,
    after: int,
    n: int,
    seen: Iterable[Seen],
    heard: Iterable[Heard],
    at_us: int,
    rules: UseRules,
    *,
    dropped: Callable[[Heard, Forbidden], None],
) -> Change:
    """Take up what a lane holds beyond entry ``after`` up to ``n``; ``dropped`` hears what can't be carried out.

    Nothing happens where somebody else, on another machine, has counted any of it meanwhile.
    """
    actor = clock(state.tenant)
    if n <= after or counted_to(state, lane) > after:
        return Change(state)
    changing = Changing(state, actor, at_us)
    _move(changing, lane, n, actor, at_us, rules)
    done = changing.done()
    done = _then(done, note_exchanges(done.state, seen, actor, at_us, rules))
    for each in heard:
        try:
            done = take_up(done, each, rules)
        except Forbidden as refused:
            # A text that was replaced meanwhile, or an answer given elsewhere: the person is asked again.
            dropped(each, refused)
    return done


def _move(changing: Changing, lane: str, n: int, actor: Actor, at_us: int, rules: UseRules) -> None:
    before = changing.state.find(Counted, lane) or Counted(
        tenant=changing.state.tenant, id=lane, status=START
    )
    status = MACHINE.move("count", Case(changing.state, before, None, actor, at_us, rules))
    changing.edit("count", before, status=status, n=n)


def take_up(done: Change, heard: Heard, rules: UseRules) -> Change:
    """Carry out what one record says, as the person who said it."""
    entry = heard.said
    if isinstance(entry, SaidAnswer):
        if heard.owner:
            return _as_agent(done, heard, entry, rules)
        covers = tuple(id_ for id_ in entry.conversations[1:] if done.state.find(Conversation, id_))
        step = answer_once(
            done.state,
            heard.id,
            heard.user,
            entry.conversations[0] if entry.conversations else "",
            covers,
            entry.answer,
            heard.text,
            heard.at_us,
            rules,
        )
        return _then(done, step)
    for id_, number, sha256 in entry.notices:
        # An agent has no role: what it says is its own, and discharges nobody else.
        agent = Actor(heard.user, frozenset(), "", done.state.tenant)
        actor = agent if heard.owner else actor_of(done.state, heard.user, "", heard.at_us)
        if done.state.get(Notice, id_).audience == "TRIAL":
            consent = GiveTrialConsent(id_, number, sha256)
            step = give_trial_consent(done.state, consent, actor, heard.at_us, rules)
        else:
            command = Acknowledge(id_, number, sha256, entry.channel)
            step = acknowledge(done.state, command, actor, heard.at_us, rules)
        done = _then(done, step)
    return done


def _as_agent(done: Change, heard: Heard, entry: SaidAnswer, rules: UseRules) -> Change:
    """Keep what an agent answered on conversations of its own."""
    actor = Actor(heard.user, frozenset(), "", done.state.tenant)
    for place, id_ in enumerate(entry.conversations):
        answer, task = f"f-{heard.id}-{place}", f"t-{heard.id}-{place}"
        command = AnswerAsAgent(answer, id_, entry.answer, heard.owner, heard.text, task)
        done = _then(done, answer_as_agent(done.state, command, actor, heard.at_us, rules))
    return done


def answer_once(
    state: State,
    token: str,
    user: str,
    conversation: str,
    covers: tuple[str, ...],
    answer: AnswerKind,
    text: str,
    at_us: int,
    rules: UseRules,
) -> Change:
    """Answer as ``user`` with a token that is good for this once; its id is that of the click or link."""
    issued = issue_token(
        state, IssueToken(token, user, conversation, covers), clock(state.tenant), at_us, rules
    )
    actor = actor_of(issued.state, user, "", at_us)
    command = AnswerFeedback(f"f-{token}", token, answer, "link", text, f"t-{token}")
    return _then(issued, answer_feedback(issued.state, command, actor, at_us, rules))


def _then(done: Change, after: Change) -> Change:
    values = {(value.noun, value.id): value for value in (*done.values, *after.values)}
    return Change(after.state, (*done.events, *after.events), tuple(values.values()))
