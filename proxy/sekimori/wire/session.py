"""A whole WebSocket session read as exchanges: one request and one answer to each turn of the user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sekimori.wire.draft import MAX_SKIPPED
from sekimori.wire.model import Head, Message, Parse, RequestReading, ResponseReading
from sekimori.wire.turns import ClientEvent, TurnReader

_WORST: tuple[Parse, ...] = ("unparsed", "partial", "parsed")


@dataclass(frozen=True, slots=True)
class SocketMessage:
    """One message of a session, and who sent it."""

    from_client: bool
    payload: bytes
    is_text: bool = True


def read_session(
    head: Head, messages: Iterable[SocketMessage], dialect_hint: str = ""
) -> Iterator[tuple[RequestReading, ResponseReading]]:
    """Yield what was asked and answered, turn by turn; messages without an answer come last."""
    reader = TurnReader(head, dialect_hint, answers=True)
    said: list[ClientEvent] = []
    model: str | None = None
    certain = True
    for message in messages:
        if message.from_client:
            event = reader.client(message.payload, message.is_text)
            said.append(event)
            if event.model is not None:
                model, certain = event.model, event.model_certain
        elif reader.server(message.payload, message.is_text) and (said or reader.name):
            yield _turn(reader, said, model, certain)
            said = []
    if said:
        yield _turn(reader, said, model, certain)


def _turn(
    reader: TurnReader,
    said: list[ClientEvent],
    model: str | None,
    certain: bool,  # noqa: FBT001
) -> tuple[RequestReading, ResponseReading]:
    heard = reader.heard()
    request = _request(reader.name, said, heard)
    return replace(request, model=model, model_certain=certain and model is not None), reader.answer()


def _request(dialect: str, said: list[ClientEvent], heard: str) -> RequestReading:
    messages: list[Message] = []
    for event in said:
        messages += event.messages
        if event.attachments:
            messages.append(Message("user", "", event.attachments))
    if heard:
        messages.append(Message("user", heard))
    skipped = dict.fromkeys(what for event in said for what in event.skipped)
    skipped |= dict.fromkeys(f"message {event.kind}" for event in said if event.parse == "unparsed")
    return RequestReading(
        kind="realtime",
        dialect=dialect,
        parse=min((event.parse for event in said), key=_WORST.index, default="parsed"),
        stream=True,
        messages=tuple(messages),
        prompt=next((m.text for m in reversed(messages) if m.role == "user" and m.text), ""),
        attachments=tuple(one for event in said for one in event.attachments),
        tools=tuple(name for event in said for name in event.tools),
        texts=tuple(text for event in said for text in event.texts),
        skipped=tuple(skipped)[:MAX_SKIPPED],
    )
