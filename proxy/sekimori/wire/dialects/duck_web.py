"""Duck.ai: a list of messages in, events with pieces of the answer out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words("canUseTools canUseApproxLocation durableStream messages metadata model reasoningEffort")
_MESSAGE_KNOWN = words("content parts role")


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or not target.ends("duckchat", "v1", "chat"):
        return None
    return Route("generate", stream=True)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    if bears_text(as_dict(body.get("metadata")).get("customization")):
        draft.skip("metadata.customization")
    for at, message in enumerate(map(as_dict, as_list(body.get("messages")))):
        turn = Turn(as_text(message.get("role")) or "user")
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        said = message.get("content") if message.get("content") is not None else message.get("parts")
        _content(draft, turn, said, f"messages[{at}].content")
        draft.add(turn)


def _content(draft: Draft, turn: Turn, said: Any, where: str) -> None:
    for part in map(as_dict, as_list(said)):
        if part.get("type") == "image" and isinstance(part.get("image"), str):
            draft.attach_url(turn, part["image"], declared=as_text(part.get("mimeType")))
    rest = [part for part in said if as_dict(part).get("type") != "image"] if isinstance(said, list) else said
    read_content(draft, turn, rest, where)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    answer.understood = True
    answer.model = as_text(event.get("model")) or answer.model
    answer.response_id = as_text(event.get("id")) or answer.response_id
    if event.get("action") == "error":
        answer.error = as_text(event.get("type")) or "error"
    elif event.get("role") in ("assistant", None):
        answer.say(event.get("message"))
        answer.think(event.get("reasoning"))
    elif bears_text(event.get("message")):
        answer.skip(f"role {as_text(event.get('role'))}")


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _event(answer, body)


DIALECT = Dialect("duck-web", _route, _read, _whole, _event)
