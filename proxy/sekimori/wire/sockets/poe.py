"""Poe's updates: the answers to what was sent over HTTP, pushed as JSON in strings of JSON."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target
from sekimori.wire.unpack import opened

_ADDED = "messageAdded"


def _handshake(target: Target) -> bool:
    return len(target.segments) > 2 and target.segments[-3] == "up" and target.segments[-1] == "updates"


def _shows(value: Any) -> bool:
    held = as_list(as_dict(value).get("messages"))
    return bool(held) and as_dict(opened(held[0])).get("message_type") == "subscriptionUpdate"


def _client(value: Any) -> Said | None:  # noqa: ARG001 - a client has nothing to say here
    return None


def _server(answer: Answer, value: Any) -> bool:
    ends = False
    for text in as_list(as_dict(value).get("messages")):
        payload = as_dict(as_dict(opened(text)).get("payload"))
        added = as_dict(as_dict(payload.get("data")).get(_ADDED))
        answer.understood = True
        if not added or added.get("author") == "human":
            continue
        answer.so_far(added.get("text"))
        answer.model = as_text(added.get("author")) or answer.model
        state = as_text(added.get("state"))
        answer.finish_reason = state if state != "incomplete" else answer.finish_reason
        ends = ends or state not in ("incomplete", "")
    return ends


DIALECT = SocketDialect("poe-web", _handshake, _shows, _client, _server, (b"state",), pushes=True)
