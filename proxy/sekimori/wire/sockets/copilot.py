"""Microsoft Copilot's web page: JSON events both ways over one WebSocket."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.media import from_url
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_CONTROL = frozenset(
    {"challengeResponse", "ping", "pong", "reportLocalConsents", "setOptions", "stop", "cancel", "connected"}
)
_ASIDE = frozenset(
    {
        "challenge", "citation", "connected", "imageGenerated", "generatingImage", "partCompleted", "ping",
        "pong", "received", "startMessage", "suggestedFollowups", "titleUpdate", "appMessage",
    }
)  # fmt: skip


def _handshake(target: Target) -> bool:
    return target.ends("c", "api", "chat")


def _shows(value: Any) -> bool:
    found = as_dict(value)
    return (
        found.get("event") == "send" and isinstance(found.get("content"), list) and "conversationId" in found
    )


def _client(value: Any) -> Said | None:
    event = as_dict(value)
    kind = as_text(event.get("event"))
    if kind != "send":
        return Said(control=True) if kind in _CONTROL else None
    said = Said()
    texts: list[str] = []
    for part in map(as_dict, as_list(event.get("content"))):
        if part.get("type") == "text":
            texts.append(as_text(part.get("text")))
        elif isinstance(part.get("url"), str):
            said.attachments.append(from_url(part["url"])[0])
        elif bears_text(part):
            said.skipped.append(f"content.type={as_text(part.get('type'))}"[:80])
    said.say("user", "".join(texts))
    if bears_text(event.get("context")):
        said.skipped.append("context")
    return said


def _server(answer: Answer, value: Any) -> bool:
    event = as_dict(value)
    kind = as_text(event.get("event"))
    answer.understood = True
    if kind == "appendText":
        answer.say(event.get("text"))
    elif kind == "replaceText":
        answer.so_far(event.get("text"))
    elif kind == "chainOfThought":
        answer.think(event.get("text"))
    elif kind == "done":
        answer.response_id = as_text(event.get("messageId"))
        answer.finish_reason = "done"
    elif kind == "error":
        answer.error = as_text(event.get("message")) or as_text(event.get("errorCode")) or "error"
    elif kind not in _ASIDE and bears_text(event):
        answer.skip(f"event {kind}")
    return kind in ("done", "error")


DIALECT = SocketDialect("copilot-web", _handshake, _shows, _client, _server, (b'"done"', b'"error"'))
