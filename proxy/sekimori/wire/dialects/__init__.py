"""The dialects, one to a file, and the table in which they are looked up.

To add one: a file with a ``DIALECT``, a line in ``DIALECTS``, a fixture in the tests. Order matters only
where two paths could be taken for each other: the first that claims a target reads it.
"""

from __future__ import annotations

from sekimori.wire.dialects import (
    anthropic_messages,
    gemini,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.kinds import kind_of
from sekimori.wire.target import Target

__all__ = ["DIALECTS", "Dialect", "Route", "by_body", "by_target", "kind_of"]

DIALECTS: tuple[Dialect, ...] = (
    openai_chat.DIALECT,
    openai_responses.DIALECT,
    anthropic_messages.DIALECT,
    gemini.DIALECT,
    openai_embeddings.DIALECT,
    openai_completions.DIALECT,
)


def by_target(method: str, target: Target) -> tuple[Dialect, Route] | None:
    """Find the dialect that claims a request target."""
    for dialect in DIALECTS:
        route = dialect.route(method, target)
        if route is not None:
            return dialect, route
    return None


def by_body(body: dict[str, object]) -> tuple[Dialect, Route] | None:
    """Find the dialect that a body is written in, where the target told nothing."""
    for dialect in DIALECTS:
        if dialect.fits(body):
            return dialect, Route("generate")
    return None
