"""What the wire readers made of an exchange, in the words of ``wire try``."""

from __future__ import annotations

from typing import Any

import msgspec

from sekimori.wire.model import RequestReading, ResponseReading

WORST = ("unparsed", "partial", "parsed")


def shown(
    name: str | int, request: RequestReading, response: ResponseReading | None, *, kind: str = ""
) -> dict[str, Any]:
    """Put two readings into the words of ``wire try``."""
    return {
        "id": name,
        "kind": kind or request.kind,
        "dialect": request.dialect,
        "parse": min(request.parse, response.parse if response else request.parse, key=WORST.index),
        "model": request.model or (response.model if response else None),
        "stream": request.stream,
        "prompt": request.prompt,
        "messages": msgspec.to_builtins(request.messages),
        "output": response.output if response else "",
        "reasoning": response.reasoning if response else "",
        "tool_calls": msgspec.to_builtins(response.tool_calls) if response else [],
        "usage": msgspec.to_builtins(response.usage) if response else None,
        "skipped": sorted({*request.skipped, *(response.skipped if response else ())}),
    }
