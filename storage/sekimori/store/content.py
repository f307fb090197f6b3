"""The content of one exchange as people read it: prompt, output, messages, tool calls. Pure.

Read anew from the stored bytes each time, so that better wire readers show more of old records.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sekimori.ledger.record import Intent, Outcome
from sekimori.store.readings import payloads, read_stored_request, read_stored_response
from sekimori.wire.model import Message


@dataclass(frozen=True, slots=True)
class Content:
    """What was asked and answered; ``unread`` holds bytes that no reader understood, as text."""

    prompt: str = ""
    output: str = ""
    messages: tuple[Message, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()
    reasoning: str = ""
    unread: tuple[tuple[str, str], ...] = ()

    def fields(self) -> dict[str, Any]:
        """Return the fields that ``log show --content`` adds."""
        fields = asdict(self)
        fields["unread"] = dict(self.unread)
        return fields


def content_of(intent: Intent, outcome: Outcome | None, asked: bytes, answered: bytes) -> Content:
    """Read an exchange out of its stored bytes."""
    if intent.mode == "turn":
        return Content(prompt=_texts(asked), output=_texts(answered))
    if not asked and not answered:
        return Content(prompt=intent.masked)
    request = read_stored_request(intent, asked)
    content = Content(prompt=request.prompt, messages=request.messages)
    if request.parse == "unparsed" and asked:
        content = replace(content, unread=(*content.unread, ("request", _text(asked))))
    if outcome is None or not answered:
        return content
    response = read_stored_response(intent, outcome, answered, request)
    if response.parse == "unparsed":
        content = replace(content, unread=(*content.unread, ("response", _text(answered))))
    calls = tuple(asdict(call) for call in response.tool_calls)
    return replace(content, output=response.output, reasoning=response.reasoning, tool_calls=calls)


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _texts(stored: bytes) -> str:
    return "\n".join(_text(payload) for payload in payloads(stored))
