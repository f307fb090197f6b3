"""The label of AI use: the value of ``X-Generative-AI``, which says that an answer was generated [MOU-2-3].

A header beside the answer; its body is never changed. Models and services are named by the far end, so
nothing of their names can end the header or begin another.
"""

from __future__ import annotations

import re
from urllib.parse import quote

HEADER = "X-Generative-AI"
_LONGEST = 128
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_QUOTABLE = re.compile(r"[\t\x20-\x7e]*")


def label(service: str, model: str | None = None) -> str:
    """Give the value; a model that is not known is not named."""
    parts = ["true"]
    if model:
        parts.append(_parameter("model", model[:_LONGEST]))
    if service:
        parts.append(_parameter("service", service[:_LONGEST]))
    return "; ".join(parts)


def _parameter(name: str, value: str) -> str:
    if _TOKEN.fullmatch(value):
        return f"{name}={value}"
    if _QUOTABLE.fullmatch(value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    # RFC 8187: what is not ASCII, or would break the line, is percent-encoded.
    return f"{name}*=UTF-8''{quote(value, safe='', errors='replace')}"
