"""Aleph Alpha: prompts of one text or of parts, completed, evaluated, explained or summarized."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "best_of completion_expected document echo hosting log_probs maximum_tokens minimum_tokens model n",
    "prompt query stop_sequences stream target temperature tokens top_k top_p",
)
_OPERATIONS = frozenset({"complete", "evaluate", "explain", "summarize", "qa"})
_USAGE = {"num_tokens_prompt_total": "input_tokens", "num_tokens_generated": "output_tokens"}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    return Route("generate") if method == "POST" and len(parts) == 1 and parts[0] in _OPERATIONS else None


def _fits(body: dict[str, Any]) -> bool:
    return "maximum_tokens" in body and isinstance(body.get("prompt"), (str, list))


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    turn = Turn("user")
    for name in ("prompt", "query", "target", "completion_expected"):
        _prompt(draft, turn, body.get(name), name)
    document = as_dict(body.get("document"))
    _prompt(draft, turn, document.get("text") or document.get("prompt"), "document")
    draft.add(turn)


def _prompt(draft: Draft, turn: Turn, given: Any, where: str) -> None:
    turn.text.append(as_text(given))
    for part in map(as_dict, as_list(given)):
        kind = part.get("type")
        if kind == "text":
            turn.text.append(as_text(part.get("data")))
        elif kind == "image":
            draft.attach_base64(turn, as_text(part.get("data")), declared="image/*")
        elif kind == "token_ids":
            draft.skip(f"{where}: tokens")
        elif bears_text(part):
            draft.skip(where)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    completions = as_list(body.get("completions"))
    if not completions and not {"result", "summary", "explanations", "answers"} & set(body):
        answer.fail(body)
        return
    answer.understood = True
    first = as_dict(completions[0]) if completions else {}
    answer.say(first.get("completion") or body.get("summary"))
    answer.finish_reason = as_text(first.get("finish_reason"))
    answer.model = as_text(body.get("model_version")) or None
    answer.count(body, _USAGE)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = event.get("type")
    answer.understood = answer.understood or isinstance(kind, str)
    if kind == "stream_chunk" and event.get("index") in (0, None):
        answer.say(event.get("completion"))
    elif kind == "stream_summary":
        answer.model = as_text(event.get("model_version")) or None
        answer.finish_reason = as_text(event.get("finish_reason"))
    elif kind == "completion_summary":
        answer.count(event, _USAGE)
    else:
        answer.fail(event)


DIALECT = Dialect("aleph-alpha", _route, _read, _whole, _event, _fits)
