"""A WebSocket session in the words of ``wire try``: a conversation, its newest turn as prompt and output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sekimori.cli.recordings import WORST, Frame, shown
from sekimori.wire.model import Head, Message, Parse, RequestReading, ResponseReading
from sekimori.wire.turns import ClientEvent, TurnReader

_TEXT = ("text", 1)


def summary_of_session(name: str | int, head: Head, frames: Iterable[Frame]) -> dict[str, Any]:
    """Say what the turn reader sees in a session; its frames in the order in which they passed."""
    session = _Session(head)
    for frame in frames:
        session.take(frame)
    session.answered()
    return shown(name, session.request(), session.response())


class _Session:
    """One session being read."""

    def __init__(self, head: Head) -> None:
        self._turns = TurnReader(head, answers=True)
        self._messages: list[Message] = []
        self._answers: list[ResponseReading] = []  # since the newest prompt
        self._prompt = ""
        self._model: str | None = None
        self._skipped: list[str] = []
        self._parses: list[Parse] = []

    def take(self, frame: Frame) -> None:
        """Read one message."""
        is_text = frame.opcode in _TEXT
        if frame.direction == "sent":
            self._said(self._turns.client(frame.payload_b64, is_text))
        elif self._turns.server(frame.payload_b64, is_text):
            self.answered()

    def _said(self, event: ClientEvent) -> None:
        if event.messages:
            self.answered()  # a tool's result comes after the call that it answers
        self._parses.append(event.parse)
        self._skipped += event.skipped or ((f"message {event.kind}",) if event.parse == "unparsed" else ())
        self._model = event.model or self._model
        self._messages += event.messages or ((Message("user", event.prompt),) if event.prompt else ())
        if event.prompt:
            self._prompt, self._answers = event.prompt, []

    def answered(self) -> None:
        """Take what the service said since it was asked last, and what it heard before."""
        heard = self._turns.heard()
        reading = self._turns.answer()
        if heard:
            self._prompt, self._answers = heard, []
            self._messages.append(Message("user", heard))
        if reading.output or reading.tool_calls or reading.reasoning:
            self._messages.append(
                Message("assistant", reading.output, (), reading.tool_calls, reading.reasoning)
            )
        if reading.parse != "unparsed" or reading.skipped:
            self._answers.append(reading)
            self._parses.append(reading.parse)
            self._skipped += reading.skipped

    def request(self) -> RequestReading:
        """Give what people said as one request."""
        return RequestReading(
            kind="realtime",
            dialect=self._turns.name,
            parse=min(self._parses, key=WORST.index, default="unparsed"),
            model=self._model,
            stream=True,
            messages=tuple(self._messages),
            prompt=self._prompt,
            skipped=tuple(self._skipped),
        )

    def response(self) -> ResponseReading:
        """Give the answers to the newest prompt as one."""
        answers = self._answers
        return ResponseReading(
            output="".join(answer.output for answer in answers),
            reasoning="".join(answer.reasoning for answer in answers),
            tool_calls=tuple(call for answer in answers for call in answer.tool_calls),
            usage=next((answer.usage for answer in reversed(answers) if answer.usage), None),
            model=next((answer.model for answer in reversed(answers) if answer.model), None),
            parse="parsed",
        )
