"""Microsoft 365 Copilot, and the Bing chat before it: invocations of SignalR, texts from their beginning."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import as_dict, as_list, as_text
from sekimori.wire.media import elsewhere
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target
from sekimori.wire.texts import bears_text

_INVOKE, _ITEM, _COMPLETED, _STREAM, _CANCEL, _PING, _CLOSE = 1, 2, 3, 4, 5, 6, 7
_ANSWERS = frozenset({"", "Chat"})


def _handshake(target: Target) -> bool:
    return any(part.lower() == "chathub" for part in target.segments)


def _shows(value: Any) -> bool:
    found = as_dict(value)
    first = as_dict(next(iter(as_list(found.get("arguments"))), None))
    return found.get("target") == "chat" and isinstance(first.get("message"), dict)


def _client(value: Any) -> Said | None:
    event = as_dict(value)
    if "protocol" in event or event.get("type") in (_CANCEL, _PING, _CLOSE):
        return Said(control=True)
    if event.get("type") not in (_INVOKE, _STREAM) or event.get("target") != "chat":
        return None
    said = Said()
    for argument in map(as_dict, as_list(event.get("arguments"))):
        _argument(said, argument)
    return said


def _argument(said: Said, argument: dict[str, Any]) -> None:
    message = as_dict(argument.get("message"))
    said.say("user", message.get("text"))
    for key in ("imageUrl", "originalImageUrl"):
        if isinstance(message.get(key), str):
            said.attachments.append(elsewhere(message[key]))
    for held in map(as_dict, as_list(message.get("messageAnnotations"))):
        data = as_dict(held.get("messageAnnotationMetadata"))
        said.attachments.append(elsewhere(as_text(held.get("url")), name=as_text(data.get("fileName"))))
    for key, held in argument.items():
        if key in ("previousMessages", "extraExtensionParameters", "contextualData") and bears_text(held):
            said.skipped.append(f"arguments.{key}")


def _server(answer: Answer, value: Any) -> bool:
    event = as_dict(value)
    kind = event.get("type")
    answer.understood = True
    if kind == _INVOKE and event.get("target") == "update":
        for argument in map(as_dict, as_list(event.get("arguments"))):
            answer.say(argument.get("writeAtCursor"))
            _messages(answer, argument.get("messages"))
    elif kind == _ITEM:
        item = as_dict(event.get("item"))
        _messages(answer, item.get("messages"))
        result = as_dict(item.get("result"))
        answer.finish_reason = as_text(result.get("value")) or answer.finish_reason
        if result.get("value") not in (None, "Success"):
            answer.error = as_text(result.get("message")) or as_text(result.get("value"))
    elif kind in (_COMPLETED, _CLOSE):
        answer.error = as_text(event.get("error")) or answer.error
    return kind in (_COMPLETED, _CLOSE)


def _messages(answer: Answer, messages: Any) -> None:
    """Take the newest answer of the service among messages: each repeats its text from the beginning."""
    for message in map(as_dict, as_list(messages)):
        if message.get("author") != "bot":
            continue
        if as_text(message.get("messageType")) in _ANSWERS:
            answer.so_far(message.get("text"))
            answer.response_id = as_text(message.get("messageId")) or answer.response_id


DIALECT = SocketDialect(
    "m365-copilot",
    _handshake,
    _shows,
    _client,
    _server,
    (b'"type":3', b'"type": 3', b'"type":7'),
    separated=True,
)
