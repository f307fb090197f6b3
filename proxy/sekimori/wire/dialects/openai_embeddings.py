"""OpenAI embeddings: texts in, numbers out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.openai_chat import deployment
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "dimensions encoding_format extra_body input input_type metadata model output_dimension",
    "output_dtype provider task truncate truncation user",
)
_USAGE = {"prompt_tokens": "input_tokens", "total_tokens": "total_tokens"}


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or not target.ends("embeddings"):
        return None
    return Route("embed", deployment(target))


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    given = body.get("input")
    for item in given if isinstance(given, list) else [given]:
        turn = Turn("user")
        if isinstance(item, str):
            turn.text.append(item)
        elif isinstance(item, list):
            if item and bears_text(item):
                draft.skip("input")
            elif item:
                draft.skip("input: tokens")  # numbers that stand for text, in the model's own vocabulary
        elif isinstance(item, int):
            draft.skip("input: tokens")
        elif item is not None:
            _multimodal(draft, turn, as_dict(item))
        draft.add(turn)


def _multimodal(draft: Draft, turn: Turn, item: dict[str, Any]) -> None:
    for part in map(as_dict, as_list(item.get("content")) or [item]):
        if isinstance(part.get("text"), str):
            turn.text.append(part["text"])
        elif url := as_text(as_dict(part.get("image_url")).get("url")) or as_text(part.get("image_url")):
            draft.attach_url(turn, url)
        elif bears_text(part):
            draft.skip("input")


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if not isinstance(body.get("data"), list):
        answer.fail(body)
        return
    answer.understood = True
    answer.model = as_text(body.get("model")) or None
    answer.count(body.get("usage"), _USAGE)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    answer.fail(event)


DIALECT = Dialect("openai-embeddings", _route, _read, _whole, _event)
