"""HuggingChat: a form whose field is JSON in, with files beside it, and JSON lines out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, Turn, as_dict, as_list, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text
from sekimori.wire.unpack import opened

_KNOWN = words(
    "files id inputs is_continue is_retry selectedMcpServerNames selectedMcpServers tools web_search"
)
_ASIDE = frozenset({"status", "title", "webSearch", "file", "routerMetadata"})


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    parts = target.segments
    if method != "POST" or parts[-2:-1] != ("conversation",):
        return None
    return Route("generate", stream=True) if "inputs" in _asked(body) else None


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    return as_dict(opened(body.get("data"))) or body


def _models(body: dict[str, Any]) -> list[Any]:  # noqa: ARG001 - the conversation holds it
    return []


def _read(draft: Draft, body: dict[str, Any]) -> None:
    asked = _asked(body)
    draft.unknown(asked, _KNOWN)
    turn = Turn("user")
    turn.text.append(as_text(asked.get("inputs")))
    for held in as_list(asked.get("files")):
        if isinstance(held, dict) and isinstance(held.get("value"), str):
            declared, name = as_text(held.get("mime")), as_text(held.get("name"))
            draft.attach_base64(turn, held["value"], declared=declared, name=name)
        elif bears_text(held):
            draft.skip("files")
    draft.add(turn)
    if asked is not body:
        draft.unknown(body, words("data files"))
    draft.name_tools(as_list(asked.get("tools")))


def _event(answer: Answer, event: dict[str, Any]) -> None:
    kind = as_text(event.get("type"))
    answer.understood = True
    if kind == "stream":
        answer.say(as_text(event.get("token")).rstrip("\0"))
    elif kind == "reasoning":
        answer.think(event.get("token"))
    elif kind == "finalAnswer":
        answer.so_far(event.get("text"))
        answer.finish_reason = "interrupted" if event.get("interrupted") is True else "stop"
    elif kind == "tool":
        call = as_dict(event.get("call"))
        answer.call(as_text(event.get("uuid")), id=event.get("uuid"), name=call.get("name"))
    elif kind == "status" and event.get("status") == "error":
        answer.error = as_text(event.get("message")) or "error"
    elif kind not in _ASIDE and not answer.fail(event) and bears_text(event):
        answer.skip(f"event {kind}")


def _whole(answer: Answer, body: Any) -> None:
    found = as_dict(body)
    if isinstance(found.get("message"), str) and "type" not in found:
        answer.error, answer.understood = found["message"], True
    elif found:
        _event(answer, found)


DIALECT = Dialect(
    "huggingchat-web", nowhere, _read, _whole, _event, models=_models, claims=_claims, forms=True, lines=True
)
