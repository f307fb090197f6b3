"""SageMaker endpoints: whatever their model takes; a stream whose messages carry pieces of another."""

from __future__ import annotations

from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.aws_events import EVENT_STREAM, AwsEventDecoder
from sekimori.wire.dialects import families, family_answers
from sekimori.wire.dialects.dialect import Dialect, Framing, Route
from sekimori.wire.lines import JsonLinesDecoder
from sekimori.wire.sse import SseDecoder
from sekimori.wire.target import Target

_OPERATIONS = {"invocations": False, "async-invocations": False, "invocations-response-stream": True}


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or len(parts) < 3 or parts[-3] != "endpoints":
        return None
    stream = _OPERATIONS.get(parts[-1])
    return None if stream is None else Route("generate", parts[-2], stream)


def _claims(method: str, target: Target, body: dict[str, Any]) -> Route | None:
    route = _route(method, target)
    if route is None:
        return None
    return Route(families.kind_of_body(body, route.model or ""), route.model, route.stream)


class PayloadDecoder:
    """Takes the pieces out of the messages and reads them as the stream that the model's server sent."""

    def __init__(self) -> None:
        self.fault = ""
        self._outer = AwsEventDecoder()
        self._inner: SseDecoder | JsonLinesDecoder | None = None

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Any]:
        """Add a chunk and return the events it completes."""
        found: list[Any] = []
        for event in self._outer.feed(chunk):
            if event.kind.startswith("exception:"):
                found.append(event)
            elif isinstance(event.data, bytes) and event.data:
                found += self._read(event.data)
        self._check()
        return found

    def finish(self) -> list[Any]:
        """Return what the end of the stream leaves."""
        self._outer.finish()
        found = list(self._inner.finish()) if self._inner is not None else []
        self._check()
        return found

    def _read(self, piece: bytes) -> list[Any]:
        if self._inner is None:
            lines = piece.lstrip()[:1] in b"{["
            self._inner = JsonLinesDecoder() if lines else SseDecoder()
        return list(self._inner.feed(piece))

    def _check(self) -> None:
        inner = self._inner is not None and self._inner.overflow
        self.fault = self._outer.fault or ("an event is too large" if inner else "")


def _framing(begin: bytes, media_type: str) -> Framing | None:
    return PayloadDecoder() if media_type == EVENT_STREAM and begin[:1] not in b"{[" else None


def _named(answer: Answer, name: str, value: Any) -> None:
    if name.startswith("exception:"):
        answer.understood = True
        answer.error = str(value.get("Message") or value.get("message")) if isinstance(value, dict) else name
    elif isinstance(value, list):
        family_answers.whole(answer, value)
    elif isinstance(value, dict):
        family_answers.event(answer, value)


DIALECT = Dialect(
    "sagemaker",
    _route,
    families.read,
    family_answers.whole,
    family_answers.event,
    claims=_claims,
    framing=_framing,
    named=_named,
)
