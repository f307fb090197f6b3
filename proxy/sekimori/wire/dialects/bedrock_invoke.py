"""Bedrock InvokeModel: the body of the model's own family, its stream wrapped in base64; also counting."""

from __future__ import annotations

import binascii
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.answer import Answer
from sekimori.wire.dialects import bedrock_converse, families, family_answers
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, as_dict, as_text
from sekimori.wire.jsontext import read_fast, read_json
from sekimori.wire.target import Target
from sekimori.wire.texts import texts_of

_OPERATIONS = {"invoke": False, "invoke-with-response-stream": True}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 3 or parts[-3] != "model":
        return None
    if parts[-1] == "count-tokens":
        return Route("count-tokens", parts[-2])
    stream = _OPERATIONS.get(parts[-1])
    return None if stream is None else Route("generate", parts[-2], stream)


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    route = _route(method, target)
    if route is None or route.kind != "generate":
        return route
    return Route(families.kind_of_body(body, route.model or ""), route.model, route.stream)


def _read(draft: Draft, body: dict[str, Any]) -> None:
    counted = body.get("input")
    if not isinstance(counted, dict) or len(body) > 1:
        families.read(draft, body)
        return
    draft.unknown(counted, frozenset({"invokeModel", "converse"}), "input.")
    if isinstance(counted.get("converse"), dict):
        bedrock_converse.read(draft, {"inferenceConfig": {}, **counted["converse"]})
    inner = _unwrapped(as_dict(counted.get("invokeModel")).get("body"))
    if isinstance(inner, dict):
        texts_of(inner, draft.texts)
        families.read(draft, inner)
    elif "invokeModel" in counted:
        draft.skip("input.invokeModel.body")


def _unwrapped(held: Any) -> Any:
    try:
        plain = binascii.a2b_base64(as_text(held))
    except ValueError:  # binascii.Error is one
        return None
    try:
        return read_fast(plain)
    except (ValueError, RecursionError):
        return _laxly(plain)


def _laxly(plain: bytes) -> Any:
    try:
        return read_json(plain)
    except WireError:
        return None


def _whole(answer: Answer, body: Any) -> None:
    counted = as_dict(body).get("inputTokens")
    if type(counted) is int:
        answer.understood = True
        answer.usage["input_tokens"] = counted
    else:
        family_answers.whole(answer, body)


def _named(answer: Answer, name: str, value: Any) -> None:
    if name.startswith("exception:"):
        bedrock_converse.named(answer, name, value)
        return
    held = as_dict(value).get("bytes")
    event = _unwrapped(held) if isinstance(held, str) else value
    if isinstance(event, dict):
        family_answers.event(answer, event)
    else:
        answer.skip("a chunk that is no JSON text")


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _named(answer, "", event)


DIALECT = Dialect(
    "bedrock-invoke",
    _route,
    _read,
    _whole,
    _event,
    claims=_claims,
    named=_named,
    heading=bedrock_converse.heading,
)
