"""Replicate: predictions, whose input is whatever the model takes, and their output as it grows."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.media import from_url
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words("input stream version webhook webhook_completed webhook_events_filter")
_USAGE = {"input_token_count": "input_tokens", "output_token_count": "output_tokens"}
_SYSTEM = frozenset({"system_prompt", "system_instruction"})


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "GET":
        kept = parts[:2] in (("v1", "predictions"), ("v1", "streams"))
        return Route("state", stream=parts[1] == "streams") if kept else None
    if method != "POST" or parts[:1] != ("v1",) or parts[-1:] != ("predictions",):
        return None
    if len(parts) == 5 and parts[1] in ("models", "deployments"):
        return Route("generate", "/".join(parts[2:4]))
    return Route("generate") if len(parts) == 2 else None


def _models(body: dict[str, Any]) -> list[Any]:
    return [body["version"]] if body.get("version") is not None else []


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.stream = body.get("stream") is True
    draft.unknown(body, _KNOWN)
    asked = Turn("user")
    for name, value in as_dict(body.get("input")).items():
        for item in value if isinstance(value, list) else [value]:
            if name in _SYSTEM:
                draft.say("system", as_text(item))
            elif isinstance(item, str):
                _input(draft, asked, name, item)
            elif bears_text(item):
                draft.skip(f"input.{name}")
    draft.add(asked)


def _input(draft: Draft, asked: Turn, name: str, value: str) -> None:
    if name == "prompt":
        asked.text.insert(0, value)
    elif value.startswith(("data:", "http:", "https:")):
        draft.attach_url(asked, value)
    elif bears_text(value) and name != "prompt_template":
        asked.text.append(value)


def _whole(answer: Answer, body: Any) -> None:
    body = as_dict(body)
    if "status" not in body or "urls" not in body:
        answer.fail(body)
        return
    answer.understood = True
    answer.error = as_text(body.get("error"))
    answer.model = as_text(body.get("model")) or None
    answer.response_id = as_text(body.get("id"))
    answer.finish_reason = as_text(body.get("status"))
    answer.count(body.get("metrics"), _USAGE)
    output = body.get("output")
    for piece in as_list(output) if isinstance(output, list) else [output]:
        if isinstance(piece, str) and piece.startswith(("data:", "https://")):
            answer.attach(from_url(piece)[0])
        elif isinstance(piece, str):
            answer.say(piece)
        elif bears_text(piece):
            answer.skip("output")


def _named(answer: Answer, name: str, value: Any) -> None:
    """Read an event of a stream: its data is the text itself."""
    answer.understood = answer.understood or name in ("output", "done")
    if name == "output":
        answer.say(value)
    elif name == "error":
        answer.understood = True
        answer.error = answer.error or as_text(value)
    elif name == "done":
        answer.finish_reason = "done"


def _event(answer: Answer, event: dict[str, Any]) -> None:
    _whole(answer, event)


DIALECT = Dialect("replicate", _route, _read, _whole, _event, models=_models, named=_named, verbatim=True)
