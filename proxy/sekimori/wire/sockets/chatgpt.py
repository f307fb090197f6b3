"""ChatGPT's handoff: the stream of a turn that was begun over HTTP, carried on as text inside messages."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.dialects import chatgpt_web
from sekimori.wire.draft import as_dict, as_text
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.sse import SseDecoder
from sekimori.wire.target import Target
from sekimori.wire.unpack import opened

_COMMANDS = frozenset({"subscribe", "unsubscribe", "connect", "presence", "ping", "ack"})
_ENDS = frozenset({"[DONE]"})
_DEPTH = 6
_STREAM = "stream"


def _handshake(target: Target) -> bool:
    return "celsius" in target.segments or ("ws", "user") in zip(
        target.segments, target.segments[1:], strict=False
    )


def _commands(value: Any) -> list[dict[str, Any]]:
    return [as_dict(as_dict(one).get("command")) for one in (value if isinstance(value, list) else [value])]


def _shows(value: Any) -> bool:
    topics = [as_text(command.get("topic_id")) for command in _commands(value)]
    return any(topic.startswith("conversation") for topic in topics)


def _client(value: Any) -> Said | None:
    commands = _commands(value)
    if not commands or any(as_text(command.get("type")) not in _COMMANDS for command in commands):
        return None
    # To subscribe is to ask for the rest of an answer: what comes belongs to a record of its own.
    return Said(
        control=not any(as_text(one.get("topic_id")).startswith("conversation-turn") for one in commands)
    )


def _server(answer: Answer, value: Any) -> bool:
    ends = False
    for message in value if isinstance(value, list) else [value]:
        text = _item(as_dict(message), _DEPTH)
        if not text:
            continue
        decoder = answer.scratch.setdefault(_STREAM, SseDecoder())
        for event in decoder.feed(text.encode("utf-8", "replace")):
            ends = _event(answer, event.kind, event.data) or ends
    return ends


def _item(message: dict[str, Any], depth: int) -> str:
    """Find the piece of the stream in a message: it lies a few payloads deep."""
    text = as_text(message.get("encoded_item"))
    if text or not depth:
        return text
    return next(
        filter(None, (_item(held, depth - 1) for held in message.values() if isinstance(held, dict))), ""
    )


def _event(answer: Answer, kind: str, data: str | bytes) -> bool:
    if data in _ENDS:
        return True
    value = opened(data if isinstance(data, str) else data.decode("utf-8", "replace"))
    if chatgpt_web.DIALECT.named is not None and value is not None:
        chatgpt_web.DIALECT.named(answer, kind, value)
    return as_dict(value).get("type") == "message_stream_complete"


def _finish(answer: Answer) -> None:
    if chatgpt_web.DIALECT.finish is not None:
        chatgpt_web.DIALECT.finish(answer)


DIALECT = SocketDialect(
    "chatgpt-web",
    _handshake,
    _shows,
    _client,
    _server,
    (b"[DONE]", b"message_stream_complete"),
    finish=_finish,
)
