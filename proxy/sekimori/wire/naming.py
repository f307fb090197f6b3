"""Which model a request asks for, and whether every server on the way would say the same.

A grant may hang on the model's name, so the ways in which two readers could find two names are listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sekimori.wire.model import Headers
from sekimori.wire.target import Target

# Members and header fields by which compatible servers and routers take another model than ``model`` names.
_RIVALS = (
    "models",
    "fallbacks",
    "fallback_models",
    "context_window_fallbacks",
    "deployment_id",
    "deployment",
    "engine",
)
_RIVAL_HEADERS = frozenset(
    {"azureml-model-deployment", "x-ms-model-mesh-model-name", "x-model", "x-model-id"}
)
_RIVAL_QUERIES = ("model", "deployment")
_NAME = re.compile(r"[^\x00-\x20\x7f\ufffd]{1,512}")


@dataclass(frozen=True, slots=True)
class Named:
    """The model that is asked for, if any, and whether nobody would find another."""

    model: str | None
    certain: bool


def name_model(
    in_path: str | None, in_body: list[Any], body: dict[str, Any], target: Target, headers: Headers
) -> Named:
    """Weigh the names in path, body, query and header fields: they must be one, and a plain one."""
    model = in_path if in_path is not None else next(iter(in_body), None)
    rivals = [*in_body, *_rivals(body), *(value for key in _RIVAL_QUERIES for value in target.asked(key))]
    rivals += [value for name, value in headers if name.lower() in _RIVAL_HEADERS]
    certain = is_name(model) and not _disguised(body) and all(rival == model for rival in rivals)
    return Named(model if isinstance(model, str) and model else None, certain)


def models_of(body: dict[str, Any]) -> list[Any]:
    """List the models that a body names in the usual place."""
    return [body["model"]] if body.get("model") is not None else []


def is_name(model: Any) -> bool:
    """Tell whether a value can be a model's name: nothing that a reader might trim, cut or fail on."""
    return isinstance(model, str) and _NAME.fullmatch(model) is not None


def _disguised(body: dict[str, Any]) -> bool:
    # Go's decoder takes a member in any letter case for the one it looks for, C stops reading at a NUL.
    return any(
        len(key) < 32 and key != "model" and key.strip("\0\t\n\r \ufeff").casefold() == "model"
        for key in body
    )


def _rivals(body: dict[str, Any]) -> Iterator[Any]:
    for key in _RIVALS:
        named = body.get(key)
        if isinstance(named, list):
            yield from named
        elif named is not None:
            yield named
