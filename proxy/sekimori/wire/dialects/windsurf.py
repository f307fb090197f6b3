"""Windsurf and Codeium: a chat in protobuf over Connect, gRPC or gRPC-web, and pieces of an answer.

Field numbers as they were in 2025: prompts in field 3, each with its source in 2 and its text in 3.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.rpc import ended, frames, framing, no_models, skip_rest, whole
from sekimori.wire.draft import Draft
from sekimori.wire.envelopes import END
from sekimori.wire.protobuf import fields, first, text_of
from sekimori.wire.target import Target

_SPEAKS = frozenset(
    {
        "GetChatMessage", "GetChatCompletions", "GetCompletions", "GetStreamingCompletions",
        "GetStreamingExternalChatCompletions", "RawGetChatMessage",
    }
)  # fmt: skip
_ASKS = ("Assign", "Check", "GetModel", "GetStatus", "GetUser", "List", "Ping")
_ROLES = {1: "user", 2: "assistant", 4: "tool", 5: "system"}
# 1 is the metadata of the client, with its API key and versions.
_KNOWN = frozenset({"1", "2", "3.1", "3.3", "3.7"})
_ANSWERED = frozenset({"1", "3", "9"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 2 or not parts[-2].startswith("exa."):
        return None
    if parts[-1] in _SPEAKS:
        return Route("generate", stream=True)
    return Route("state" if parts[-1].startswith(_ASKS) else "other-ai")


def _read(draft: Draft, body: dict[str, Any]) -> None:
    for frame in frames(body):
        draft.say("system", text_of(first(frame, 2)))
        for prompt in fields(frame, 3):
            source = first(prompt, 2)
            role = _ROLES.get(source, "user") if isinstance(source, int) else "user"
            draft.say(role, text_of(first(prompt, 3)))
        skip_rest(draft, frame, _KNOWN)


def _named(answer: Answer, name: str, value: Any) -> None:
    if name == END:
        ended(answer, value)
        return
    answer.understood = True
    answer.response_id = text_of(first(value, 1)) or answer.response_id
    answer.say(text_of(first(value, 3)))
    answer.think(text_of(first(value, 9)))
    skip_rest(answer, value, _ANSWERED)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


DIALECT = Dialect(
    "windsurf", _route, _read, whole, _event, models=no_models, forms=True, framing=framing, named=_named
)
