"""Lists of models where the path does not end in ``models``: Ollama's, Bedrock's, Heroku's, the gateways'."""

from __future__ import annotations

from typing import Any

from sekimori.wire.dialects.dialect import Dialect, Route
from sekimori.wire.dialects.records import give_back, one_event
from sekimori.wire.draft import Draft, words
from sekimori.wire.target import Target

_KNOWN = words("model name verbose")
_OLLAMA = frozenset({"tags", "ps", "version"})
_LISTS = frozenset(
    {"available-models", "foundation-models", "inference-profiles", "model_info", "model-catalog"}
)


def _route(method: str, target: Target) -> Route | None:
    parts = target.segments
    if method == "POST":
        return Route("model-list") if target.ends("api", "show") else None
    if method != "GET" or not parts:
        return None
    if len(parts) > 1 and parts[-2] == "api" and parts[-1] in _OLLAMA:
        return Route("model-list")
    return Route("model-list") if set(parts[-2:]) & _LISTS else None


def _models(body: dict[str, Any]) -> list[Any]:
    return [body[name] for name in ("model", "name") if body.get(name) is not None]


def _read(draft: Draft, body: dict[str, Any]) -> None:
    draft.unknown(body, _KNOWN)


DIALECT = Dialect("model-list", _route, _read, give_back, one_event, models=_models)
