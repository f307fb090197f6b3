"""Texts and pictures made into numbers in other forms than OpenAI's: Cohere, Voyage, Aleph Alpha, servers."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import families
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words(
    "compress_to_size contextual_control_threshold control_log_additive embedding_types hosting images",
    "input input_type inputs instruction layers max_tokens model normalize output_dimension output_dtype",
    "parameters",
    "pooling priority prompt prompt_name representation text texts tokens truncate truncation type",
)
_NAMES = frozenset(
    {
        "embed",
        "embed_all",
        "embed_sparse",
        "semantic_embed",
        "batch_semantic_embed",
        "instructable_embed",
        "multimodalembeddings",
        "contextualizedembeddings",
    }
)
_USAGE = {"total_tokens": "total_tokens", "prompt_tokens": "input_tokens"}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    return Route("embed") if method == "POST" and parts and parts[-1] in _NAMES else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    asked = Turn("user")
    for name in ("instruction", "input", "prompt", "text"):
        asked.text += [body[name]] if isinstance(body.get(name), str) else []
    for image in as_list(body.get("images")):
        if isinstance(image, str):
            draft.attach_url(asked, image)
    draft.add(asked)
    for name in ("texts", "inputs", "input", "prompt"):
        for item in as_list(body.get(name)) or ([body[name]] if isinstance(body.get(name), dict) else []):
            _item(draft, item, name)
    if isinstance(body.get("inputs"), str):
        draft.say("user", body["inputs"])


def _item(draft: Draft, item: Any, where: str) -> None:
    turn = Turn("user")
    if isinstance(item, (str, list)):
        families.read_inputs(draft, turn, item, where)
    held = as_dict(item)
    for part in map(as_dict, as_list(held.get("content")) or ([held] if held else [])):
        pictured = part.get("image_url")
        url = as_text(pictured) or as_text(as_dict(pictured).get("url")) or as_text(part.get("image_base64"))
        text = as_text(part.get("text")) or (as_text(part.get("data")) if part.get("type") == "text" else "")
        turn.text.append(text)
        if url:
            draft.attach_url(turn, url)
        elif not text and bears_text(part):
            draft.skip(where)
    draft.add(turn)


def _whole(answer: Answer, body: Any) -> None:
    held = as_dict(body)
    if isinstance(body, list) or {"embeddings", "embedding", "data"} & set(held):
        answer.understood = True
        answer.model = as_text(held.get("model")) or None
        answer.response_id = as_text(held.get("id"))
        answer.count(as_dict(held.get("meta")).get("billed_units"), {"input_tokens": "input_tokens"})
        answer.count(held.get("usage"), _USAGE)
        answer.count(held, {"num_tokens_prompt_total": "input_tokens"})
    else:
        answer.fail(held)


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("embeddings", _route, _read, _whole, _event)
