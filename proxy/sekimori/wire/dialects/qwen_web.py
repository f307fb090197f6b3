"""Qwen's web page: OpenAI's chat, but for what surrounds a message and the phase of each piece."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "chat_id chat_mode chat_type id incremental_output messages model parent_id session_id size",
    "stream sub_chat_type timestamp version",
)
_MESSAGE_KNOWN = words(
    "chat_type childrenIds content extra feature_config fid files id model models parentId parent_id",
    "role sub_chat_type timestamp user_action",
)
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
}
_THOUGHT = frozenset({"think", "thinking_summary", "web_search", "search"})


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST" or not target.ends("chat", "completions"):
        return None
    if "chat_id" not in body and not target.asked("chat_id"):
        return None
    messages = as_list(body.get("messages"))
    own = "chat_mode" in body or any("feature_config" in as_dict(one) for one in messages)
    return Route("generate") if own else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.conversation = as_text(body.get("chat_id"))
    draft.unknown(body, _KNOWN)
    for at, message in enumerate(map(as_dict, as_list(body.get("messages")))):
        turn = Turn(as_text(message.get("role")) or "user")
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        read_content(draft, turn, message.get("content"), f"messages[{at}].content")
        for held in map(as_dict, as_list(message.get("files"))):
            url = as_text(held.get("url")) or as_text(held.get("id"))
            draft.attach_url(turn, url, name=as_text(held.get("name")))
        draft.add(turn)


def _models(body: dict[str, Any]) -> list[Any]:
    named = [body.get("model")]
    for message in map(as_dict, as_list(body.get("messages"))):
        named += as_list(message.get("models")) if message.get("role") == "user" else []
    return [name for name in named if name is not None]


def _event(answer: Answer, event: dict[str, Any]) -> None:
    if answer.fail(event):
        return
    answer.count(event.get("usage"), _USAGE)
    answer.response_id = as_text(event.get("response_id")) or answer.response_id
    for choice in map(as_dict, as_list(event.get("choices"))[:1]):
        answer.understood = True
        delta = as_dict(choice.get("delta")) or as_dict(choice.get("message"))
        (answer.think if as_text(delta.get("phase")) in _THOUGHT else answer.say)(delta.get("content"))
        if delta.get("status") == "finished" and as_text(delta.get("phase")) not in _THOUGHT:
            answer.finish_reason = "stop"


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if found.get("success") is False:
        data = as_dict(found.get("data"))
        answer.error, answer.understood = (
            as_text(data.get("details")) or as_text(data.get("code")) or "error",
            True,
        )
    else:
        _event(answer, found)


DIALECT = Dialect("qwen-web", nowhere, _read, _whole, _event, models=_models, claims=_claims)
