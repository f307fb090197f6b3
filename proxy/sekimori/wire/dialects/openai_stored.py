"""What OpenAI kept of a conversation: responses and completions read again, conversations and their items."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import openai_chat, openai_responses
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back
from sekimori.wire.draft import Draft, as_dict, as_list, words
from sekimori.wire.target import Target

_KNOWN = words("items metadata")


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if "conversations" in parts and parts[parts.index("conversations") - 1 :][:1] in (("v1",), ("openai",)):
        return Route("state")
    kept = parts[-2:-1] in (("responses",), ("completions",)) or parts[-3:-2] in (
        ("responses",),
        ("completions",),
    )
    beside = target.ends("responses", "compact") or target.ends("responses", "input_tokens")
    if kept and not beside:
        return Route("state")
    return Route("state") if method == "GET" and target.ends("chat", "completions") else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    if isinstance(body.get("items"), list):
        openai_responses.DIALECT.read(draft, {"input": body["items"]})
    draft.stream = False


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body)
    kind = held.get("object")
    if kind == "response" and isinstance(held.get("output"), list):
        openai_responses.DIALECT.whole(answer, held)
    elif kind == "chat.completion" and isinstance(held.get("choices"), list):
        openai_chat.DIALECT.whole(answer, held)
    else:
        give_back(answer, body)
        items = as_list(held.get("data")) or [held]
        said = [item for item in map(as_dict, items) if item.get("role") == "assistant"]
        if said and not answer.error:
            openai_responses.DIALECT.whole(answer, {"output": said})


DIALECT = Dialect("openai-stored", _route, _read, _whole, openai_responses.DIALECT.event)
