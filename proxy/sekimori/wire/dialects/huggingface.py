"""Hugging Face: text generation servers, and pipelines whose path names task and model."""

from __future__ import annotations

from typing import Any

from sekimori.wire.dialects import families, family_answers
from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.draft import Draft, Turn
from sekimori.wire.model import Kind
from sekimori.wire.target import Target

_TASKS: dict[str, Kind] = {
    "feature-extraction": "embed",
    "sentence-similarity": "embed",
    "automatic-speech-recognition": "audio",
    "text-to-speech": "audio",
    "text-to-audio": "audio",
    "audio-classification": "audio",
    "text-to-image": "image",
    "image-to-image": "image",
    "text-to-video": "image",
}
_SERVED = frozenset({"generate", "generate_stream"})
_BODY = frozenset({"inputs", "parameters", "options", "stream"})
_EMBEDDERS = ("embed", "sentence-transformers/", "/bge-", "/e5-", "/gte-", "minilm")


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method != "POST" or not parts:
        return None
    if parts[-1] in _SERVED and len(parts) == 1:
        return Route("generate", stream=parts[-1] == "generate_stream")
    if "pipeline" in parts[:1] and len(parts) > 3:
        return Route(_TASKS.get(parts[1], "generate"), "/".join(parts[2:]))
    at = parts.index("models") if "models" in parts[:2] else -1
    if at < 0 or ":" in parts[-1] or not 2 <= len(parts) - at <= 5:
        return None
    if at == 1 and parts[0] != "hf-inference":
        return None
    name, task = _split(parts[at + 1 :])
    if task is None:
        return None
    guessed: Kind = "embed" if any(word in name.lower() for word in _EMBEDDERS) else "generate"
    return Route(_TASKS.get(task, guessed), name)


def _split(tail: tuple[str, ...]) -> tuple[str, str | None]:
    """Part the name of a model from the task that may follow it; no task is an empty one."""
    if "pipeline" in tail[-2:-1]:
        return "/".join(tail[:-2]), tail[-1]
    return "/".join(tail), "" if len(tail) == 2 else None


def _fits(body: dict[str, Any]) -> bool:
    return isinstance(body.get("inputs"), str) and set(body) <= _BODY


def _read(draft: Draft, body: dict[str, Any]) -> None:
    families.read(draft, body)


def _raw(draft: Draft, body: bytes, media_type: str) -> None:
    turn = Turn("user")
    draft.attach_bytes(turn, body, declared=media_type)
    draft.add(turn)


DIALECT = Dialect("huggingface", _route, _read, family_answers.whole, family_answers.event, _fits, raw=_raw)
