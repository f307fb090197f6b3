"""What a vendor's own SDK makes of a recorded answer, compared with what our readers make of it.

The SDK gets the recorded bytes through a transport in memory; nothing of ours lies between.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from sekimori.wire.model import RequestReading, ResponseReading
from support.traffic import Recorded, every_recording

Difference = tuple[str, str, Any, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """The SDK's own idea of an answer: ``None`` where it has none that could be compared.

    A call is a name and its arguments, as the JSON value that they are; ``usage`` holds what the SDK counts,
    under our names. ``served`` names calls that the service ran itself and the SDK shows otherwise.
    """

    output: str | None = None
    calls: tuple[tuple[str, Any], ...] | None = None
    usage: Mapping[str, int | None] = field(default_factory=dict)
    reasoning: str | None = None
    finish_reason: str | None = None
    served: frozenset[str] = frozenset()
    error: str = ""


def differences(recorded: Recorded, said: Said, reading: ResponseReading) -> list[Difference]:
    """List in what the SDK and our reader disagree: provider and id, what, theirs, ours."""
    pairs: list[tuple[str, Any, Any]] = []
    if said.output is not None:
        pairs.append(("output", said.output, reading.output))
    if said.calls is not None:
        ours = tuple(
            (call.name, value_of(call.arguments))
            for call in reading.tool_calls
            if call.name not in said.served
        )
        pairs.append(("tool_calls", said.calls, ours))
    if said.reasoning is not None:
        pairs.append(("reasoning", said.reasoning, reading.reasoning))
    if said.finish_reason is not None:
        pairs.append(("finish_reason", said.finish_reason, reading.finish_reason))
    if said.error and said.error not in reading.error:
        pairs.append(("error", said.error, reading.error))
    for name, count in said.usage.items():
        if count is not None:
            pairs.append((name, count, getattr(reading.usage, name, None)))
    return [
        (f"{recorded.provider}/{recorded.id}", what, theirs, ours)
        for what, theirs, ours in pairs
        if theirs != ours
    ]


def spoken(
    dialects: Container[str], *, kinds: Container[str] = ("generate",), known: Container[str] = ()
) -> Iterator[tuple[Recorded, RequestReading, ResponseReading]]:
    """Yield the successful recorded exchanges in some dialects, without those ``known`` to have no oracle."""
    for recording in every_recording():
        if recording.kind == "http" and recording.succeeded and recording.id not in known:
            request, reading = recording.read()
            if request.dialect in dialects and request.kind in kinds:
                yield recording, request, reading


def answered_on(
    path: str, *, providers: Container[str] | None = None, known: Container[str] = ()
) -> Iterator[tuple[Recorded, RequestReading, ResponseReading]]:
    """Yield the successful recorded exchanges whose path a pattern matches, whatever dialect they are read as."""
    for recording in every_recording():
        if providers is not None and recording.provider not in providers:
            continue
        wanted = recording.kind == "http" and recording.succeeded and recording.id not in known
        if wanted and re.search(path, urlsplit(recording.url).path):
            yield recording, *recording.read()


def compare(
    exchanges: Iterable[tuple[Recorded, RequestReading, ResponseReading]],
    ask: Callable[[Recorded, RequestReading], Said],
    *errors: type[Exception],
) -> tuple[Counter[str], list[Difference]]:
    """Ask an SDK about exchanges: how many it read of each dialect, and where it disagrees with us.

    ``errors`` is what it raises for an answer that is an error, and so no fault of its own.
    """
    count, found = Counter[str](), list[Difference]()
    for recording, request, reading in exchanges:
        count[request.dialect] += 1
        try:
            said = ask(recording, request)
        except errors as fault:
            said = Said(error=getattr(fault, "message", "") or str(fault))
        except Exception as fault:
            told = f"{type(fault).__name__}: {fault}"[:200]
            found.append((f"{recording.provider}/{recording.id}", "the SDK fails", told, reading.parse))
            continue
        found += differences(recording, said, reading)
    return count, found


def value_of(arguments: Any) -> Any:
    """Read the arguments of a call: JSON text of any spelling is the value that it stands for."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def transport(recorded: Recorded, http: Any = httpx) -> Any:
    """Answer every request of an SDK with the recorded answer; ``http`` is the client library that it uses."""
    answered = recorded.answered
    headers = [(name, value) for name, value in answered.headers if name.lower() != "location"]
    if not answered.header("content-type"):
        stream = answered.body.lstrip()[:5] in (b"data:", b"event")
        headers.append(("content-type", "text/event-stream" if stream else "application/json"))

    def answer(_: Any) -> Any:
        raw = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in headers]
        return http.Response(recorded.status, headers=raw, content=answered.body)

    return http.MockTransport(answer)


def is_stream(recorded: Recorded) -> bool:
    """Tell an event stream by its bytes."""
    return recorded.answered.body.lstrip()[:6].startswith((b"data:", b"event:", b"id:", b":"))


def joined(pieces: Iterable[str | None]) -> str:
    """Join the pieces that an SDK hands out one by one."""
    return "".join(piece for piece in pieces if piece)
