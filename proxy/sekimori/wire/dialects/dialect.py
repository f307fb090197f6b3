"""What a dialect has to say for itself: where it is spoken, and how its parts are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sekimori.wire.answer import Answer
from sekimori.wire.draft import Draft
from sekimori.wire.model import Headers, Kind
from sekimori.wire.target import Target


@dataclass(frozen=True, slots=True)
class Route:
    """What a request target tells: the operation, and model and streaming where the path names them."""

    kind: Kind
    model: str | None = None
    stream: bool | None = None


class Framing(Protocol):
    """A decoder of one streamed answer: chunks in, JSON texts or values out; bounded, and never raising."""

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read."""

    def feed(self, chunk: bytes) -> list[Any]:
        """Add a chunk and return what it completes: JSON texts as bytes or str, or values."""

    def finish(self) -> list[Any]:
        """Return what the end of the stream leaves."""


def never(body: dict[str, Any]) -> bool:  # noqa: ARG001
    """Claim no body: the dialect is known by its target alone."""
    return False


def nowhere(method: str, target: Target) -> Route | None:  # noqa: ARG001
    """Claim no target: the dialect is known by its body."""
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format: ``route``, ``claims`` and ``fits`` recognise it, the others read it.

    ``whole`` reads a complete answer, ``event`` one event of a streamed one; ``array`` tells that a stream
    may also be a JSON array, ``lines`` that it is one JSON text after another; ``models`` finds every model
    that a body names, where that is not ``model`` alone. None of them raises for anything that JSON can hold.
    The rest is for what is not plain JSON over HTTP:

    - ``claims`` decides by path and body together, and before any path alone; ``spoken`` reads a prompt that
      stands in the target.
    - With ``forms`` the fields of a form, an envelope or a protobuf message are given to ``read`` as an
      object; ``raw`` reads a body of other bytes, with its media type.
    - ``framing`` chooses the decoder of a streamed answer by its first bytes and media type; ``named`` takes
      the place of ``event`` where the name of a server-sent event matters, or what is no JSON; ``verbatim``
      tells that events are text and never JSON; ``finish`` is called at the end.
    - ``content`` reads an answer that is no JSON, with its media type; ``heading`` its header fields.
    """

    name: str
    route: Callable[[str, Target], Route | None]
    read: Callable[[Draft, dict[str, Any]], None]
    whole: Callable[[Answer, Any], None]
    event: Callable[[Answer, dict[str, Any]], None]
    fits: Callable[[dict[str, Any]], bool] = never
    models: Callable[[dict[str, Any]], list[Any]] | None = None
    array: bool = False
    lines: bool = False
    claims: Callable[[str, Target, dict[str, Any]], Route | None] | None = None
    forms: bool = False
    framing: Callable[[bytes, str], Framing | None] | None = None
    named: Callable[[Answer, str, Any], None] | None = None
    finish: Callable[[Answer], None] | None = None
    spoken: Callable[[Draft, Target], bool] | None = None
    raw: Callable[[Draft, bytes, str], None] | None = None
    content: Callable[[Answer, bytes, str], None] | None = None
    heading: Callable[[Answer, Headers], None] | None = None
    verbatim: bool = False
