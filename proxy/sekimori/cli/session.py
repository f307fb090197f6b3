"""A WebSocket session in the words of ``wire try``: a conversation, its newest turn as prompt and output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sekimori.cli.readings import WORST, shown
from sekimori.cli.recordings import Frame
from sekimori.wire.model import Head, Message, RequestReading, ResponseReading
from sekimori.wire.session import SocketMessage, read_session

_TEXT = ("text", 1)


def summary_of_session(name: str | int, head: Head, frames: Iterable[Frame]) -> dict[str, Any]:
    """Say what the readers see in a session; its frames in the order in which they passed."""
    passed = (
        SocketMessage(frame.direction == "sent", frame.payload_b64, frame.opcode in _TEXT) for frame in frames
    )
    turns = list(read_session(head, passed))
    messages = [message for asked, answer in turns for message in _conversation(asked.messages, answer)]
    prompts = [at for at, (asked, _) in enumerate(turns) if asked.prompt]
    # A call of a tool and what was made of its result belong to the prompt before them.
    answers = [answer for _, answer in turns[prompts[-1] if prompts else 0 :]]
    request = RequestReading(
        kind="realtime",
        dialect=next((asked.dialect for asked, _ in turns if asked.dialect), ""),
        parse=min((asked.parse for asked, _ in turns), key=WORST.index, default="unparsed"),
        model=next((asked.model for asked, _ in reversed(turns) if asked.model), None),
        stream=True,
        messages=tuple(messages),
        prompt=turns[prompts[-1]][0].prompt if prompts else "",
        skipped=tuple(what for asked, answer in turns for what in (*asked.skipped, *answer.skipped)),
    )
    return shown(name, request, _joined(turns, answers))


def _conversation(asked: tuple[Message, ...], answer: ResponseReading) -> Iterator[Message]:
    """Yield the messages of a turn: where it holds a tool's result, after the call that this answers."""
    roles = [message.role for message in asked]
    called = bool(answer.tool_calls) and "user" in roles and "tool" in roles[roles.index("user") :]
    results = roles.index("tool", roles.index("user")) if called else len(asked)
    yield from asked[:results]
    if called:
        yield Message("assistant", "", (), answer.tool_calls, answer.reasoning)
        yield from asked[results:]
        yield Message("assistant", answer.output)
    elif answer.output or answer.tool_calls or answer.reasoning:
        yield Message("assistant", answer.output, (), answer.tool_calls, answer.reasoning)


def _joined(
    turns: list[tuple[RequestReading, ResponseReading]], answers: list[ResponseReading]
) -> ResponseReading:
    """Give the answers to the newest prompt as one; a turn that nobody answered takes nothing from it."""
    told = [answer for _, answer in turns if answer.parse != "unparsed" or answer.skipped]
    return ResponseReading(
        output="".join(answer.output for answer in answers),
        reasoning="".join(answer.reasoning for answer in answers),
        tool_calls=tuple(call for answer in answers for call in answer.tool_calls),
        usage=next((answer.usage for answer in reversed(answers) if answer.usage), None),
        model=next((answer.model for _, answer in reversed(turns) if answer.model), None),
        parse=min((answer.parse for answer in told), key=WORST.index, default="parsed"),
    )
