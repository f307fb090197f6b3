"""What a dialect has to say for itself: where it is spoken, and how its parts are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sekimori.wire.answer import Answer
from sekimori.wire.draft import Draft
from sekimori.wire.model import Kind
from sekimori.wire.target import Target


@dataclass(frozen=True, slots=True)
class Route:
    """What a request target tells: the operation, and model and streaming where the path names them."""

    kind: Kind
    model: str | None = None
    stream: bool | None = None


def never(body: dict[str, Any]) -> bool:  # noqa: ARG001
    """Claim no body: the dialect is known by its target alone."""
    return False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format: ``route`` and ``fits`` recognise it, the others read it.

    ``whole`` reads a complete answer, ``event`` one event of a streamed one; ``array`` tells that a stream
    may also be a JSON array, ``models`` finds every model that a body names, where that is not ``model``
    alone. None of them raises for anything that JSON can hold.
    """

    name: str
    route: Callable[[str, Target], Route | None]
    read: Callable[[Draft, dict[str, Any]], None]
    whole: Callable[[Answer, Any], None]
    event: Callable[[Answer, dict[str, Any]], None]
    fits: Callable[[dict[str, Any]], bool] = never
    models: Callable[[dict[str, Any]], list[Any]] | None = None
    array: bool = False
