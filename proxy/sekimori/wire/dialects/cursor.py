"""Cursor: a conversation in protobuf, in the envelopes of Connect, and pieces of an answer the same way.

Field numbers as they were in 2025: an older service takes its messages in field 2, a newer one wraps
the request once and takes them in field 1.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.rpc import ended, frames, framing, skip_rest, whole
from sekimori.wire.draft import Draft
from sekimori.wire.envelopes import END
from sekimori.wire.protobuf import fields, first, text_of
from sekimori.wire.target import Target

_SERVICES = ("aiserver.v1.", "agent.v1.")
_SPEAKS = ("Stream", "Run", "Chat", "Bidi", "Warm")
_ASKS = ("Available", "Check", "GetDefault", "GetServer", "GetUsage", "GetUser", "List", "Report")
_USER = 1
_KNOWN = frozenset(
    {"1.1.1", "1.1.13", "1.3.1", "1.5.1", "1.15", "1.22", "1.23", "1.26", "1.30", "2.1", "2.13", "4.1", "7.1"}
)
_ANSWERED = frozenset({"1", "2.1", "2.22", "2.25.1", "2.25.2"})
_NOTHING: frozenset[str] = frozenset()


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 2 or not parts[-2].startswith(_SERVICES):
        return None
    if parts[-1].startswith(_SPEAKS):
        return Route("generate", stream=True)
    return Route("state" if parts[-1].startswith(_ASKS) else "other-ai")


def _models(body: dict[str, Any]) -> list[Any]:
    found = [text_of(first(frame, *path)) for frame in frames(body) for path in ((1, 5, 1), (7, 1))]
    return [name for name in found if name]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    for frame in frames(body):
        inner = first(frame, 1)
        for instructions in (first(inner, 3, 1), first(frame, 4, 1)):
            draft.say("system", text_of(instructions))
        for message in fields(inner, 1) + fields(frame, 2):
            draft.say("user" if first(message, 2) == _USER else "assistant", text_of(first(message, 1)))
        draft.conversation = text_of(first(inner, 23)) or draft.conversation
        skip_rest(draft, frame, _KNOWN)


def _named(answer: Answer, name: str, value: Any) -> None:
    if name == END:
        ended(answer, value)
        return
    answer.understood = True
    said = first(value, 2)
    answer.say(text_of(first(said, 1)))
    answer.think(text_of(first(said, 25, 1)))
    call = first(value, 1)
    if isinstance(call, dict):
        # The call of a tool on the user's machine; which field is its name differs from build to build.
        skip_rest(answer, call, _NOTHING)
    elif text_of(call):
        answer.say(text_of(call))  # the older service answers with nothing but the text
    skip_rest(answer, value, _ANSWERED)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect(
    "cursor", _route, _read, whole, _event, models=_models, forms=True, framing=framing, named=_named
)
