"""Sourcegraph Cody: a chat of speakers in; pieces of the answer, or all of it so far, out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.dialects.openai_chat import read_content
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "fast maxTokensToSample messages model prediction rewriteSpeculation stopSequences stream temperature",
    "timeoutMs topK topP adaptiveTimeoutMs logprobs",
)
_ROLES = {"human": "user", "assistant": "assistant", "system": "system"}
_MESSAGE_KNOWN = words("cacheEnabled cache_enabled content speaker text")


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST" or "completions" not in target.segments[-2:]:
        return None
    messages = as_list(body.get("messages"))
    return Route("generate") if messages and all("speaker" in as_dict(one) for one in messages) else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is not False
    draft.unknown(body, _KNOWN)
    for at, message in enumerate(map(as_dict, as_list(body.get("messages")))):
        speaker = as_text(message.get("speaker"))
        turn = Turn(_ROLES.get(speaker, speaker))
        draft.unknown(message, _MESSAGE_KNOWN, f"messages[{at}].")
        if "text" in message and "content" in message:
            draft.skip(f"messages[{at}].content")
        said = message.get("text") if message.get("text") is not None else message.get("content")
        read_content(draft, turn, said, f"messages[{at}]")
        draft.add(turn)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    if answer.fail(event):
        return
    answer.understood = True
    if isinstance(event.get("completion"), str):
        answer.so_far(event["completion"])
    else:
        answer.say(event.get("deltaText"))
    answer.think(as_dict(event.get("delta_thinking")).get("text") or event.get("delta_thinking"))
    answer.finish_reason = as_text(event.get("stopReason")) or answer.finish_reason


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict) and body:
        _event(answer, body)


DIALECT = Dialect("sourcegraph-cody", nowhere, _read, _whole, _event, claims=_claims)
