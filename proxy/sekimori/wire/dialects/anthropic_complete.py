"""Anthropic's completions before messages: one prompt that holds the turns, one text; on Bedrock too."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, as_dict, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "anthropic_version max_tokens_to_sample metadata model prompt stop_sequences stream temperature top_k",
    "top_p",
)


def _route(method: str, target: Target) -> Route | None:
    return Route("generate") if method == "POST" and target.ends("v1", "complete") else None


def fits(body: dict[str, Any]) -> bool:
    """Tell the form by the member that no other has."""
    return isinstance(body.get("prompt"), str) and "max_tokens_to_sample" in body


def read(draft: Draft, body: dict[str, Any]) -> None:
    """Read a request."""
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    draft.say("user", as_text(body.get("prompt")))


def event(answer: Answer, body: dict[str, Any]) -> None:
    """Read a complete answer, or an event, which is built alike."""
    if "completion" in body:
        answer.understood = True
        answer.say(body["completion"])
        answer.finish_reason = as_text(body.get("stop_reason")) or answer.finish_reason
        answer.model = as_text(body.get("model")) or answer.model
        answer.response_id = as_text(body.get("id")) or answer.response_id
    elif body.get("type") != "ping":
        answer.fail(body)


def _whole(answer: Answer, body: Any) -> None:
    event(answer, as_dict(body))


DIALECT = Dialect("anthropic-complete", _route, read, _whole, event, fits)
