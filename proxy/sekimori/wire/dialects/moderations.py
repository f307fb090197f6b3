"""Texts judged and not answered: moderation and classification as OpenAI, Mistral and Cohere have it."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import families
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target

_KNOWN = words("examples input inputs model preset truncate")
_NAMES = frozenset({"moderations", "classifications", "classify"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    return Route("moderate") if method == "POST" and parts and parts[-1] in _NAMES else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    turn = Turn("user")
    for name in ("input", "inputs"):
        given = body.get(name)
        if isinstance(given, list) and given and all("type" in as_dict(part) for part in given):
            families.read(draft, {"messages": [{"role": "user", "content": given}]})
        else:
            families.read_inputs(draft, turn, given, name)
    draft.add(turn)
    for example in map(as_dict, as_list(body.get("examples"))):
        draft.say("system", as_text(example.get("text")))


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if isinstance(body.get("results"), list) or isinstance(body.get("classifications"), list):
        answer.understood = True
        answer.model = as_text(body.get("model")) or None
        answer.response_id = as_text(body.get("id"))
    else:
        answer.fail(body)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("moderations", _route, _read, _whole, _event)
