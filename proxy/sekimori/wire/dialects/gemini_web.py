"""Gemini's web page: a form whose field is JSON that holds JSON, and frames of positional arrays out.

An answer's text comes again and again, each time from its beginning. The same page makes its other calls
through ``batchexecute``, in the same envelope.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.concatenated import JsonTextsDecoder
from sekimori.wire.dialects.dialect import Dialect, Framing, Route
from sekimori.wire.draft import Draft, Turn, as_list, as_text
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_GUARD = b")]}'"
_PROMPT, _LANGUAGE, _IDS = 0, 1, 2
_IMAGES = 3


def _route(method: str, target: Target) -> Route | None:
    if method != "POST" or len(target.segments) < 2:
        return None
    if target.segments[-1] == "StreamGenerate" and target.segments[-2].endswith("BardFrontendService"):
        return Route("generate", stream=True)
    if target.segments[-1] == "batchexecute" and "BardChatUi" in target.segments:
        return Route("state")
    return None


def _at(value: Any, *path: int) -> Any:
    """Follow positions down; ``None`` where there is nothing."""
    for position in path:
        if not isinstance(value, list) or position >= len(value):
            return None
        value = value[position]
    return value


def _models(body: dict[str, Any]) -> list[Any]:  # noqa: ARG001 - a header field names it, in a form of its own
    return []


def _read(draft: Draft, body: dict[str, Any]) -> None:
    outer = opened(body.get("f.req"))
    inner = opened(_at(outer, 1))
    if not isinstance(inner, list):
        if bears_text(outer) or bears_text(body.get("f.req")):
            draft.skip("f.req")
        return
    turn = Turn("user")
    turn.text.append(as_text(_at(inner, _PROMPT, 0)))
    for held in as_list(_at(inner, _PROMPT, _IMAGES)):
        draft.attach_url(turn, as_text(_at(held, 0, 0)), name=as_text(_at(held, 1)))
    draft.add(turn)
    draft.conversation = as_text(_at(inner, _IDS, 0))
    for at, slot in enumerate(inner):
        if at > _IDS and bears_text(slot):
            draft.skip(f"f.req[{at}]")
    for name in body.keys() - {"f.req", "at"}:
        if bears_text(body[name]):
            draft.skip(name)


def _framing(begin: bytes, media_type: str) -> Framing | None:  # noqa: ARG001
    return JsonTextsDecoder() if begin.startswith(_GUARD) else None


def _named(answer: Answer, name: str, value: Any) -> None:  # noqa: ARG001
    for entry in as_list(value):
        if _at(entry, 0) != "wrb.fr":
            continue
        answer.understood = True
        inner = opened(_at(entry, 2))
        if isinstance(inner, list):
            _frame(answer, inner)
        elif _at(entry, 5) is not None:
            answer.error = f"error {_at(entry, 5)}"[:200]


def _frame(answer: Answer, inner: list[Any]) -> None:
    answer.response_id = as_text(_at(inner, 1, 1)) or answer.response_id
    candidate = _at(inner, 4, 0)
    answer.so_far(_at(candidate, 1, 0))
    thoughts = _at(candidate, 37, 0, 0)
    if isinstance(thoughts, str):
        answer.reasoning = []
        answer.think(thoughts)


def _whole(answer: Answer, body: Any) -> None:
    if isinstance(body, dict):
        answer.fail(body)


def _event(answer: Answer, value: dict[str, Any]) -> None:
    answer.fail(value)


DIALECT = Dialect(
    "gemini-web", _route, _read, _whole, _event, models=_models, forms=True, framing=_framing, named=_named
)
