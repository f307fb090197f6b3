"""What a WebSocket dialect has to say for itself: how it is recognised, and what its messages mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.model import Attachment, Message
from sekimori.wire.target import Target


@dataclass(slots=True)
class Said:
    """What a message of the client says; ``control`` tells that it starts no turn.

    ``models`` lists each name that it gives to the model that answers, ``skipped`` what bears text and was
    not understood.
    """

    control: bool = False
    messages: list[Message] = field(default_factory=list)
    models: list[Any] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)

    def say(self, role: str, text: Any) -> None:
        """Add a message, if there is text in it."""
        if isinstance(text, str) and text:
            self.messages.append(Message(role, text))


def never(target: Target) -> bool:  # noqa: ARG001
    """Claim no target: the dialect is known by its messages."""
    return False


@dataclass(frozen=True, slots=True)
class SocketDialect:
    """One way of talking over a WebSocket.

    ``handshake`` recognises it by its target, ``shows`` by a message of either side. ``client`` reads a
    message of the client, ``None`` where it is not known; ``server`` reads one of the service into an
    answer and tells whether it ends the turn. ``marks`` are bytes of which one stands in every message
    that can end a turn: only those are read at the gate. ``separated`` tells that messages end with the
    record separator, ``pushes`` that the service speaks unasked: then no turn is kept, and every message
    stands for itself.
    """

    name: str
    handshake: Callable[[Target], bool]
    shows: Callable[[Any], bool]
    client: Callable[[Any], Said | None]
    server: Callable[[Answer, Any], bool]
    marks: tuple[bytes, ...]
    finish: Callable[[Answer], None] | None = None
    separated: bool = False
    pushes: bool = False
