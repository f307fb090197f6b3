"""Which error a client expects: told by what it sends, because its SDK raises on that shape and no other."""

from __future__ import annotations

from typing import Literal

from sekimori.wire.dialects import by_target
from sekimori.wire.model import Head
from sekimori.wire.target import header, read_target

Shape = Literal["openai", "anthropic", "gemini", "bedrock", "problem"]

_BY_DIALECT: dict[str, Shape] = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "openai-embeddings": "openai",
    "openai-completions": "openai",
    "anthropic-messages": "anthropic",
    "anthropic-complete": "anthropic",
    "gemini": "gemini",
    "gemini-state": "gemini",
    "vertex-predict": "gemini",
    "bedrock-converse": "bedrock",
    "bedrock-invoke": "bedrock",
    "bedrock-agent": "bedrock",
    "sagemaker": "bedrock",
    "openai-images": "openai",
    "openai-assistants": "openai",
    "openai-stored": "openai",
    "realtime-sessions": "openai",
}
_BY_HEADER: tuple[tuple[str, Shape], ...] = (
    ("anthropic-version", "anthropic"),
    ("x-goog-api-key", "gemini"),
    ("x-goog-api-client", "gemini"),
    ("x-amz-date", "bedrock"),
    ("openai-organization", "openai"),
    ("x-stainless-lang", "openai"),
)
_BY_STYLE: dict[str, Shape] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "bedrock": "bedrock",
}
# The operations of Bedrock that follow /model/ID, and those of Gemini that follow /models/ID:.
_BEDROCK = frozenset({"invoke", "invoke-with-response-stream", "converse", "converse-stream", "count-tokens"})


def error_shape(head: Head, api_style: str = "") -> Shape:
    """Choose the shape of an error: by path, by what only one SDK sends, then by the catalogue's word."""
    target = read_target(head)
    claimed = by_target(head.method, target)
    if claimed is not None and claimed[0].name in _BY_DIALECT:
        return _vertex(target.segments) or _BY_DIALECT[claimed[0].name]
    parts = target.segments
    if len(parts) > 2 and parts[-1] in _BEDROCK and parts[-3] == "model":
        return "bedrock"
    if parts and ":" in parts[-1] and {"models", "publishers"} & set(parts):
        return "gemini"
    for name, shape in _BY_HEADER:
        if header(head.headers, name):
            return shape
    return _BY_STYLE.get(api_style, "problem")


def _vertex(parts: tuple[str, ...]) -> Shape | None:
    """Vertex answers in its own shape, whichever dialect the body is written in."""
    return (
        "gemini" if "publishers" in parts and parts[-1].endswith(("rawPredict", "streamRawPredict")) else None
    )
