"""Texts cut into tokens and put together again: Cohere's, Aleph Alpha's, the inference servers'."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import families
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words(
    "add_generation_prompt add_special add_special_tokens content input inputs messages model prompt",
    "return_token_strs text token_ids tokens with_pieces",
)
_NAMES = frozenset({"tokenize", "detokenize", "tokenize-text"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    return Route("count-tokens") if method == "POST" and parts and parts[-1] in _NAMES else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    if isinstance(body.get("messages"), list):
        families.read(draft, {"messages": body["messages"]})
    turn = Turn("user")
    for name in ("text", "content", "prompt", "input", "inputs"):
        families.read_inputs(draft, turn, body.get(name), name)
    draft.add(turn)
    if body.get("tokens") and isinstance(body["tokens"], list):
        draft.skip("tokens")  # numbers that stand for text, in the model's own vocabulary


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body)
    if isinstance(body, list) or {"tokens", "text", "prompt", "content", "count", "result"} & set(held):
        answer.understood = True
        answer.say(as_text(held.get("text")) or as_text(held.get("content")) or as_text(held.get("result")))
        counted = held.get("count", len(as_list(held.get("tokens"))) or None)
        answer.count({"input_tokens": counted}, {"input_tokens": "input_tokens"})
    else:
        answer.fail(held)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("tokenize", _route, _read, _whole, _event)
