"""The error bodies that each provider's own SDK understands, so that it raises its usual exception.

Shapes are ``openai``, ``anthropic``, ``gemini`` and ``bedrock``; every other name means ``problem``
(RFC 9457). Which one a request wants is found by ``wire.shape``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from sekimori.addons.reply.refusal import Refusal, message, message_lines
from sekimori.addons.reply.text import header_token, visible

Headers = tuple[tuple[bytes, bytes], ...]

# HTTP status: what OpenAI, Anthropic, Google and AWS call it.
_NAMES = {
    400: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    403: ("permission_error", "permission_error", "PERMISSION_DENIED", "AccessDeniedException"),
    407: ("authentication_error", "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException"),
    413: ("invalid_request_error", "request_too_large", "INVALID_ARGUMENT", "ValidationException"),
    421: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    503: ("server_error", "api_error", "UNAVAILABLE", "ServiceUnavailableException"),
}


@dataclass(frozen=True, slots=True)
class ErrorNames:
    """What one HTTP status is called by the four providers."""

    openai: str
    anthropic: str
    gemini: str
    bedrock: str


def error_names(status: int) -> ErrorNames:
    """Return the providers' names for ``status``."""
    return ErrorNames(*_NAMES.get(status, _NAMES[503] if status >= 500 else _NAMES[403]))


def error_body(refusal: Refusal, shape: str) -> tuple[Headers, bytes]:
    """Return the headers that belong to a shape (its media type first), and the body in it."""
    if shape == "openai":
        return _JSON, encode(openai_error(refusal))
    if shape == "anthropic":
        request_id = (b"request-id", header_token(refusal.reference))
        return (*_JSON, request_id), encode(anthropic_error(refusal))
    if shape == "gemini":
        return _JSON, encode(gemini_error(refusal))
    if shape == "bedrock":
        kind = error_names(refusal.http_status).bedrock.encode("ascii")
        request_id = (b"x-amzn-requestid", header_token(refusal.reference))
        return (*_JSON, (b"x-amzn-errortype", kind), request_id), encode({"message": message(refusal)})
    return _PROBLEM, encode(problem(refusal))


def encode(value: dict[str, Any]) -> bytes:
    """Write JSON in UTF-8 without a line break in it."""
    return msgspec.json.encode(value)


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """Write ``{"error": {message, type, param, code}}``; the SDK shows message and code."""
    kind = error_names(refusal.http_status).openai
    fields = {"message": message(refusal), "type": kind, "param": None, "code": refusal.code.value}
    return {"error": fields | _particulars(refusal)}


def anthropic_error(refusal: Refusal) -> dict[str, Any]:
    """Write ``{"type": "error", "error": {type, message}, "request_id"}``."""
    fields = {"type": error_names(refusal.http_status).anthropic, "message": message(refusal)}
    return {
        "type": "error",
        "error": fields | _particulars(refusal),
        "request_id": visible(refusal.reference, 64),
    }


def gemini_error(refusal: Refusal) -> dict[str, Any]:
    """Write a ``google.rpc.Status`` as JSON, with ErrorInfo and, where there is a link, Help."""
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": refusal.code.value,
            "domain": "sekimori",
            "metadata": {"reference": visible(refusal.reference, 64), "reasons": ",".join(_reasons(refusal))},
        }
    ]
    if refusal.link:
        links = [{"description": "利用申請 / Apply", "url": refusal.link}]
        details.append({"@type": "type.googleapis.com/google.rpc.Help", "links": links})
    status = refusal.http_status
    name = error_names(status).gemini
    return {"error": {"code": status, "message": message(refusal), "status": name, "details": details}}


def problem(refusal: Refusal) -> dict[str, Any]:
    """Write an RFC 9457 problem; ``instance`` is the reference number as a URN."""
    ja, en = message_lines(refusal)
    return {
        "type": f"urn:sekimori:reason:{refusal.code.value}",
        "title": f"{refusal.text.ja} / {refusal.text.en}",
        "status": refusal.http_status,
        "detail": f"{ja}\n{en}",
        "instance": f"urn:sekimori:reference:{header_token(refusal.reference).decode('ascii')}",
        **_particulars(refusal),
    }


def _particulars(refusal: Refusal) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "reasons": _reasons(refusal),
        "reference": visible(refusal.reference, 64),
        "details": list(refusal.shown_details),
    }
    more = {
        "apply_url": refusal.link,
        "page_url": refusal.see_link,
        "acknowledge": {"header": "X-Sekimori-Acknowledge", "value": refusal.acknowledge}
        if refusal.acknowledge
        else None,
    }
    return fields | {name: value for name, value in more.items() if value}


def _reasons(refusal: Refusal) -> list[str]:
    return [refusal.code.value, *(code.value for code in refusal.other_codes)]


_JSON: Headers = ((b"content-type", b"application/json"),)
_PROBLEM: Headers = ((b"content-type", b"application/problem+json"),)
