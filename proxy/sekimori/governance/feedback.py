"""Feedback: tokens that let one person answer once, and the answers [MOU-2-8].

A token is a random id that only its receiver holds; kept is its keyed hash, bound to a subject and a
conversation. ``look`` shows what a link is about and changes nothing; answering is a command of its own.
A token of an overdue page names the conversations that its one click covers, and no later ones.

Five answers, with a text if somebody likes. Which channel a person used is told; that an agent answered
is decided by the verb, never by a field that the agent fills in.
"""

from __future__ import annotations

import hmac
from typing import Any, ClassVar, Literal

import msgspec

from sekimori.governance.actors import CLOCK_ROLE, ROLES, Actor, same
from sekimori.governance.change import Change, Changing
from sekimori.governance.conversation import MACHINE as CONVERSATION_MACHINE
from sekimori.governance.conversation import Conversation
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.state import Aggregate, State
from sekimori.governance.triage import open_task
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import AnswerKind, UseRules, of_use

_DAY_US = 86_400_000_000
Source = Literal["portal", "link", "api", "agent"]


class FeedbackToken(Aggregate, frozen=True, kw_only=True):
    """That ``subject`` may answer once on a conversation; the id is the keyed hash of the token."""

    noun: ClassVar[str] = "feedback_token"

    subject: str
    conversation: str
    covers: tuple[str, ...] = ()
    issued_us: int
    expires_us: int


class Feedback(Aggregate, frozen=True, kw_only=True):
    """One answer, as it was given; ``discharges`` is whether somebody's duty was done by it."""

    noun: ClassVar[str] = "feedback"
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = (("conversation",),)

    conversation: str
    subject: str
    service: str
    unit: str
    source: Source
    answer: AnswerKind
    by: str
    at_us: int
    text: str = ""
    covered: int = 0
    discharges: bool = False


class IssueToken(msgspec.Struct, frozen=True):
    """Let somebody answer; ``id`` is ``token_hash`` of what they are given."""

    id: str
    subject: str
    conversation: str
    covers: tuple[str, ...] = ()


class AnswerFeedback(msgspec.Struct, frozen=True):
    """A person answers, holding a token; ``id`` is the answer's, ``task`` that of a task it may open."""

    id: str
    token: str
    answer: AnswerKind
    source: Literal["portal", "link", "api"]
    text: str = ""
    task: str = ""


class AnswerAsAgent(msgspec.Struct, frozen=True):
    """An agent answers with its own key; ``owner`` is whom the key belongs to, as the caller established."""

    id: str
    conversation: str
    answer: AnswerKind
    owner: str
    text: str = ""
    task: str = ""


def token_hash(key: bytes, token: bytes) -> str:
    """Give what is kept of a token."""
    return hmac.digest(key, b"feedback\0" + token, "sha256").hex()


def _is_theirs(case: Case[FeedbackToken]) -> None:
    if not same(case.subject.subject, case.actor.name):
        raise refuse_use("token-bound")


def _is_in_time(case: Case[FeedbackToken]) -> None:
    if case.at_us >= case.subject.expires_us:
        raise refuse_use("token-expired")


def _is_about_their_conversations(case: Case[FeedbackToken]) -> None:
    subject = case.subject.subject
    first = case.state.get(Conversation, case.subject.conversation)
    if not (same(first.subject, subject) or same(first.owner, subject)):
        raise refuse_use("token-bound")
    for id_ in case.subject.covers:
        other = case.state.get(Conversation, id_)
        if not same(other.subject, subject) or other.service != first.service:
            raise refuse_use("token-bound")
    if len(case.subject.covers) > of_use(case.rules).feedback.covered_limit:
        message = "一度に回答できる件数を超えています。"
        raise refuse("incomplete", missing=[Missing("covers", message, "names too many conversations")])


def _is_short_enough(case: Case[Any]) -> None:
    limit = of_use(case.rules).feedback.text_limit
    if len(case.command.text) > limit:
        raise refuse_use("text-too-long", limit=limit)


def _speaks_of_its_own(case: Case[Feedback]) -> None:
    talk = case.state.get(Conversation, case.command.conversation)
    own = same(talk.subject, case.actor.name) and same(talk.owner, case.command.owner)
    for_its_owner = not talk.owner and same(talk.subject, case.command.owner)
    if not (own or for_its_owner):
        raise refuse_use("token-bound")


TOKEN_MACHINE = Machine(
    FeedbackToken.noun,
    [
        Transition(START, "issue", "ISSUED", ("is_about_their_conversations",), (CLOCK_ROLE,)),
        # Every human role: an agent's key has none, so that no token of a person serves an agent.
        Transition("ISSUED", "use", "USED", ("is_theirs", "is_in_time", "is_short_enough"), ROLES),
    ],
    {
        "is_about_their_conversations": _is_about_their_conversations,
        "is_theirs": _is_theirs,
        "is_in_time": _is_in_time,
        "is_short_enough": _is_short_enough,
    },
)
MACHINE = Machine(
    Feedback.noun,
    [
        Transition(START, "give", "GIVEN", ("is_short_enough",), ROLES),
        Transition(START, "give_as_agent", "GIVEN", ("is_short_enough", "speaks_of_its_own")),
    ],
    {"is_short_enough": _is_short_enough, "speaks_of_its_own": _speaks_of_its_own},
)


def issue_token(state: State, command: IssueToken, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Let somebody answer on a conversation of theirs; ``actor`` is the clock, which stands for the gate."""
    value = FeedbackToken(
        tenant=state.tenant,
        id=command.id,
        status=START,
        subject=command.subject,
        conversation=command.conversation,
        covers=tuple(id_ for id_ in dict.fromkeys(command.covers) if id_ != command.conversation),
        issued_us=at_us,
        expires_us=at_us + rules.feedback.token_days * _DAY_US,
    )
    status = TOKEN_MACHINE.move("issue", Case(state, value, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.new("issue", msgspec.structs.replace(value, status=status))
    return changing.done()


class Look(msgspec.Struct, frozen=True):
    """What the page behind a link shows."""

    conversation: Conversation
    covers: int
    text_limit: int


def look(state: State, token: str, actor: Actor, at_us: int, rules: UseRules) -> Look:
    """Open a link: say what it is about, or raise as answering would; nothing changes."""
    held = state.get(FeedbackToken, token)
    command = AnswerFeedback("", token, "USEFUL", "link")
    _may_use(Case(state, held, command, actor, at_us, rules))
    talk = state.get(Conversation, held.conversation)
    return Look(talk, len(held.covers), rules.feedback.text_limit)


def _may_use(case: Case[FeedbackToken]) -> str:
    if case.subject.status == "USED":
        # Whose it is comes first: a stranger does not learn that it was answered.
        _is_theirs(case)
        raise refuse_use("token-used")
    return TOKEN_MACHINE.move("use", case)


def answer_feedback(
    state: State, command: AnswerFeedback, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Answer: uses the token up, discharges the duty, opens a task where the answer asks for one."""
    token = state.get(FeedbackToken, command.token)
    status = _may_use(Case(state, token, command, actor, at_us, rules))
    talk = state.get(Conversation, token.conversation)
    changing = Changing(state, actor, at_us)
    changing.edit("use", token, status=status)
    covered = [_discharge(changing, id_, command.id, actor, at_us, rules) for id_ in token.covers]
    discharged = _discharge(changing, talk.id, "", actor, at_us, rules)
    given = _given(command, talk, command.source, actor, at_us)
    given = msgspec.structs.replace(given, covered=sum(covered), discharges=discharged or any(covered))
    _give(changing, "give", given, command, actor, at_us, rules)
    return changing.done()


def _discharge(
    changing: Changing, id_: str, covered_by: str, actor: Actor, at_us: int, rules: UseRules
) -> bool:
    """Take the duty off whoever holds it: a person off their conversation, an owner off a sample."""
    talk = changing.state.get(Conversation, id_)
    case = Case(changing.state, talk, None, actor, at_us, rules)
    if same(talk.owner, actor.name):
        status = CONVERSATION_MACHINE.move("answer_sample", case)
        changing.edit("answer_sample", talk, status=status, sampled_us=0)
        return talk.sampled_us > 0
    if talk.status != "OPEN":
        return False
    verb = "cover" if covered_by else "answer"
    status = CONVERSATION_MACHINE.move(verb, case)
    changing.edit(verb, talk, status=status, covered_by=covered_by, **_settled(at_us))
    return True


def _settled(at_us: int) -> dict[str, Any]:
    return {"unanswered": 0, "since_us": 0, "answered_us": at_us}


def answer_as_agent(
    state: State, command: AnswerAsAgent, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Keep an agent's answer: it discharges the agent on its own conversation, and never a person."""
    talk = state.get(Conversation, command.conversation)
    changing = Changing(state, actor, at_us)
    given = _given(command, talk, "agent", actor, at_us)
    own = bool(talk.owner) and same(talk.subject, actor.name)
    if own and talk.status == "OPEN":
        case = Case(state, talk, command, actor, at_us, rules)
        status = CONVERSATION_MACHINE.move("answer", case)
        changing.edit("answer", talk, status=status, **_settled(at_us))
    given = msgspec.structs.replace(given, discharges=own and talk.status == "OPEN")
    _give(changing, "give_as_agent", given, command, actor, at_us, rules)
    return changing.done()


def _given(command: Any, talk: Conversation, source: Source, actor: Actor, at_us: int) -> Feedback:
    return Feedback(
        tenant=talk.tenant,
        id=command.id,
        status=START,
        conversation=talk.id,
        subject=talk.subject,
        service=talk.service,
        unit=talk.unit,
        source=source,
        answer=command.answer,
        by=actor.name,
        at_us=at_us,
        text=command.text,
    )


def _give(
    changing: Changing, verb: str, given: Feedback, command: Any, actor: Actor, at_us: int, rules: UseRules
) -> None:
    status = MACHINE.move(verb, Case(changing.state, given, command, actor, at_us, rules))
    kept = changing.new(verb, msgspec.structs.replace(given, status=status))
    severity = rules.feedback.severity.get(given.answer)
    if severity is not None:
        open_task(changing, command.task, kept.id, given.service, severity, actor, at_us, rules)
