"""A request reading in the making: what dialects fill in, and how its parts become a ``RequestReading``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sekimori.wire.media import describe, elsewhere, from_base64, from_url, inline
from sekimori.wire.model import Attachment, Message, ToolCall
from sekimori.wire.texts import bears_text

MAX_SKIPPED = 32


def words(*lines: str) -> frozenset[str]:
    """Make a set of the words in some lines."""
    return frozenset(" ".join(lines).split())


def as_dict(value: Any) -> dict[str, Any]:
    """Give the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Give the value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Give the value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


class Turn:
    """One message in the making."""

    __slots__ = ("attachments", "calls", "reasoning", "role", "text", "tool_call_id")

    def __init__(self, role: str) -> None:
        self.role = role
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.attachments: list[Attachment] = []
        self.calls: list[ToolCall] = []
        self.tool_call_id = ""

    def message(self) -> Message:
        """Make the message a value."""
        return Message(
            self.role,
            "".join(self.text),
            tuple(self.attachments),
            tuple(self.calls),
            "".join(self.reasoning),
            self.tool_call_id,
        )


class Draft:
    """What is known so far of a request."""

    __slots__ = ("attachments", "conversation", "messages", "skipped", "stream", "texts", "tools")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.attachments: list[Attachment] = []
        self.tools: list[str] = []
        self.texts: list[str] = []
        self.skipped: list[str] = []
        self.conversation = ""
        self.stream = False

    def skip(self, what: str) -> None:
        """Name something that bears text and was not understood."""
        if len(self.skipped) < MAX_SKIPPED and what not in self.skipped:
            self.skipped.append(what[:120])

    def unknown(self, holder: dict[str, Any], known: frozenset[str], where: str = "") -> None:
        """Skip the members of an object that its dialect does not know, where they bear text."""
        for key in holder.keys() - known:
            if bears_text(holder[key]):
                self.skip(f"{where}{key}")

    def say(self, role: str, text: str) -> None:
        """Add a message that is nothing but text."""
        if text:
            self.messages.append(Message(role, text))

    def add(self, turn: Turn) -> None:
        """Add a message, if there is anything in it."""
        message = turn.message()
        if message.text or message.attachments or message.tool_calls or message.reasoning:
            self.messages.append(message)
            self.attachments += message.attachments

    def attach_base64(self, turn: Turn, data: str, *, declared: str = "", name: str = "") -> None:
        """Take inline base64 out of a message."""
        self._attach(turn, *from_base64(data, declared=declared, name=name))

    def attach_bytes(self, turn: Turn, data: bytes, *, declared: str = "", name: str = "") -> None:
        """Take content that came as it is."""
        self._attach(turn, *describe(data, declared=declared, name=name))

    def attach_url(self, turn: Turn, url: str, *, declared: str = "", name: str = "") -> None:
        """Take a data URL, or note an address, of a message."""
        self._attach(turn, *from_url(url, declared=declared, name=name))

    def attach_text(self, turn: Turn, text: str, *, name: str = "") -> None:
        """Note a document that is plain text, which the texts hold already."""
        turn.attachments.append(inline(text.encode(), declared="text/plain", name=name, read=True))

    def attach_id(self, turn: Turn, reference: str, *, name: str = "") -> None:
        """Note a file that the service holds already."""
        turn.attachments.append(elsewhere(reference, name=name))

    def _attach(self, turn: Turn, attachment: Attachment, text: str) -> None:
        turn.attachments.append(attachment)
        if text:
            self.texts.append(text)

    def prompt(self) -> str:
        """Find the text of the newest user turn that has text."""
        return next((m.text for m in reversed(self.messages) if m.role == "user" and m.text), "")

    def name_tools(self, names: Iterable[Any]) -> None:
        """Note the names of the tools that the model may call."""
        self.tools += [name for name in names if isinstance(name, str) and name]
