"""JSON as services send it: read for what it says, with no certainty needed.

``certain`` reads the JSON of requests, on which a decision hangs.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from sekimori.errors import WireError

_DECODER = msgspec.json.Decoder()
read_fast = _DECODER.decode
"""Read a strict JSON text; raises ValueError where it is none, and RecursionError where it is too deep."""


def read_json(body: bytes | str) -> Any:
    """Read a JSON text; raises WireError where it is none."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _read_lax(body)


def _read_lax(body: bytes | str) -> Any:
    # msgspec refuses lone surrogates and NaN, which services do send.
    try:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        return scrub(json.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError) as fault:
        raise WireError(f"no JSON text: {fault}") from fault


def scrub(value: Any) -> Any:
    """Replace lone surrogates in every string of a value: JSON can escape them, no encoding carries them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not _encodable(value) else value
    if isinstance(value, list):
        return [scrub(item) for item in value]
    if isinstance(value, dict):
        return {scrub(key): scrub(item) for key, item in value.items()}
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
