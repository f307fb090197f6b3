"""Pi: one text in, events with pieces of the answer out."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects.dialect import Dialect, Route, nowhere
from sekimori.wire.draft import Draft, as_dict, as_text, words
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_KNOWN = words("conversation mode text")
_ASIDE = frozenset({"received", "processing", "title", "experience", "upsell", "done"})


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    if method != "POST" or not target.ends("api", "chat") or not isinstance(body.get("text"), str):
        return None
    return Route("generate", stream=True) if "messages" not in body and "conversation" in body else None


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)
    draft.conversation = as_text(body.get("conversation"))
    draft.say("user", as_text(body.get("text")))


def _named(answer: Answer, name: str, value: Any) -> None:
    event = as_dict(value)
    if answer.fail(event):
        return
    if name == "partial":
        answer.scratch["partial"] = True
    if isinstance(event.get("text"), str) and name in ("partial", "message", ""):
        answer.understood = True
        # Behind the pieces the whole may come once more.
        if name == "partial" or "partial" not in answer.scratch:
            answer.say(event["text"])
    elif name not in _ASIDE and bears_text(event):
        answer.skip(f"event {name}")


def _event(answer: Answer, value: dict[str, Any]) -> None:
    _named(answer, "", value)


def _whole(answer: Answer, body: Any) -> None:
    _named(answer, "", body)


DIALECT = Dialect("pi-web", nowhere, _read, _whole, _event, claims=_claims, named=_named)
