"""Feedback by whoever signed in: an answer on a conversation of one's own, with no link between [MOU-2-8].

A link is how the gate knows a person who has not signed in. Here the person is known, so a link is made and used
in one step: an answer counts once, and the register keeps it as it keeps every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from sekimori.console.api.governed import drawn, owned
from sekimori.console.api.nouns import ANSWER, NOUNS
from sekimori.console.api.routes import Call, Reply, Route
from sekimori.console.api.views import etag, shown, view_of
from sekimori.governance.actors import clock
from sekimori.governance.change import Change
from sekimori.governance.conversation import Conversation
from sekimori.governance.feedback import AnswerFeedback, Feedback, IssueToken, answer_feedback, issue_token
from sekimori.governance.state import State
from sekimori.governance.use_rules import AnswerKind, UseRules

_TALKS = next(each for each in NOUNS if each.kind is Conversation)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one thinks of the answers in a conversation, with a text if one likes."""

    answer: AnswerKind
    text: str = ""


def routes() -> Iterator[Route]:
    """Make the route of this module."""
    yield Route(
        method="POST",
        path=f"/{_TALKS.path}/{{id}}/{ANSWER.name}",
        tag="feedback",
        summary="会話へのフィードバック。Answer on a conversation of one's own.",
        run=_answer,
        kind="write",
        reply=view_of(Feedback),
        status=201,
        body=Answer,
        etag=True,
        owns=owned(_TALKS),
    )


def _answer(call: Call) -> Reply:
    actor, said, talk = call.caller.actor, call.body, call.path["id"]
    token = hashlib.sha256(f"api\0{drawn(call, 'token')}".encode()).hexdigest()
    command = AnswerFeedback(drawn(call, "id"), token, said.answer, "api", said.text, drawn(call, "task"))

    def step(state: State, at_us: int, rules: UseRules) -> Change:
        wanted = IssueToken(token, actor.name, talk)
        issued = issue_token(state, wanted, clock(state.tenant), at_us, rules)
        done = answer_feedback(issued.state, command, actor, at_us, rules)
        values = {(value.noun, value.id): value for value in (*issued.values, *done.values)}
        return Change(done.state, (*issued.events, *done.events), tuple(values.values()))

    change = call.ports.governing.carry_out(step, once=_once(call, talk))
    value = next(each for each in change.values if isinstance(each, Feedback))
    headers = {**etag(value), "location": f"/api/v1/feedback/{value.id}"}
    return Reply(shown(value), 201, headers)


def _once(call: Call, talk: str) -> str:
    """Bind the key to what was said: another answer under it is no repetition."""
    if not call.once:
        return ""
    return hashlib.sha256(f"{call.once}\0{talk}\0".encode() + msgspec.json.encode(call.body)).hexdigest()
