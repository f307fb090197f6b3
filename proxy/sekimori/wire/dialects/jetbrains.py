"""JetBrains AI: a chat of typed messages in, typed events out; the profile stands for the model."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.model import ToolCall
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_KNOWN = words("chat parameters profile prompt")
_ROLES = {
    "user_message": "user",
    "system_message": "system",
    "tool_message": "tool",
    "media_message": "user",
    "assistant_message": "assistant",
    "assistant_message_text": "assistant",
    "assistant_message_tool": "assistant",
}
_MESSAGE_KNOWN = words(
    "content data functionCall id mediaType media_type name result toolCalls toolName tool_call_id type"
)
_ASIDE = frozenset({"QuotaMetadata", "UnknownMetadata", "CacheMetadata", "ModelMetadata"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST" and len(parts) > 3 and parts[-4] == "llm" and parts[-2] == "stream":
        return Route("generate", stream=True)
    return None


def _models(body: dict[str, Any]) -> list[Any]:
    return [] if body.get("profile") is None else [body["profile"]]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    chat = as_dict(body.get("chat"))
    for at, message in enumerate(map(as_dict, as_list(chat.get("messages")))):
        _message(draft, message, f"chat.messages[{at}]")
    for held in map(as_dict, as_list(as_dict(body.get("parameters")).get("data"))):
        tools = opened(held.get("value"))
        if isinstance(tools, list):
            draft.name_tools(as_dict(tool).get("name") for tool in tools)
        elif bears_text(held.get("value")):
            draft.skip("parameters.data")


def _message(draft: Draft, message: dict[str, Any], where: str) -> None:
    kind = as_text(message.get("type"))
    turn = Turn(_ROLES.get(kind, as_text(message.get("role")) or "user"))
    draft.unknown(message, _MESSAGE_KNOWN, f"{where}.")
    read_content(draft, turn, message.get("content"), f"{where}.content")
    if kind == "media_message":
        declared = as_text(message.get("mediaType")) or as_text(message.get("media_type"))
        draft.attach_base64(turn, as_text(message.get("data")), declared=declared)
    turn.text.append(as_text(message.get("result")))
    if kind == "assistant_message_tool":
        name = as_text(message.get("toolName")) or as_text(message.get("name"))
        arguments, turn.text = "".join(turn.text), []
        turn.calls.append(ToolCall(as_text(message.get("id")), name, arguments))
    if kind == "tool_message":
        turn.tool_call_id = as_text(message.get("id")) or as_text(message.get("tool_call_id"))
    draft.add(turn)


def _named(answer: Answer, name: str, value: Any) -> None:  # noqa: ARG001
    if isinstance(value, dict):
        _event(answer, value)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type")) or as_text(event.get("event_type"))
    if answer.fail(event):
        return
    answer.understood = True
    if kind == "Content":
        answer.say(event.get("content"))
    elif kind in ("Reasoning", "Thinking"):
        answer.think(event.get("content"))
    elif kind in ("ToolCall", "FunctionCall"):
        _call(answer, event)
    elif kind == "FinishMetadata":
        answer.finish_reason = as_text(event.get("reason"))
    elif kind not in _ASIDE and bears_text(event):
        answer.skip(f"event {kind}")


def _call(answer: Answer, event: dict[str, Any]) -> None:
    """Add to a call: the pieces behind its first name no call, and belong to the newest."""
    number = len(answer.scratch)
    if event.get("id") or event.get("name"):
        answer.scratch[number] = True
        number += 1
    name = event.get("name") or event.get("toolName")
    answer.call(number, id=event.get("id"), name=name, arguments=event.get("content"))


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        _event(answer, body)


DIALECT = Dialect("jetbrains-ai", _route, _read, _whole, _event, models=_models, named=_named)
