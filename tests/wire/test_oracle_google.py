"""Recorded answers as Google's SDK reads them: Gemini and Vertex, streamed and whole."""

import json
from dataclasses import replace
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, joined, transport
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Google's SDK": ("gemini",)}

# Enums that other clients of the service ask for by number; this SDK fails on a number.
_ENUMS = frozenset({"finishReason", "category", "probability", "severity", "modality", "trafficType"})


def digestible(body: bytes) -> bytes:
    """Give the SDK what it asks the service for: events for a stream, never an array, and no numbered enums."""
    if not body.lstrip().startswith((b"[", b"{")):
        return body
    value = json.loads(body)
    chunks = [_named(chunk) for chunk in (value if isinstance(value, list) else [value])]
    if isinstance(value, dict):
        return json.dumps(chunks[0]).encode()
    return b"".join(b"data: %s\r\n\r\n" % json.dumps(chunk).encode() for chunk in chunks)


def _named(value: Any) -> Any:
    if isinstance(value, list):
        return [_named(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _named(item) for key, item in value.items() if not (key in _ENUMS and isinstance(item, int))}


def client(recording: Recorded) -> Any:
    answered = replace(recording.answered, body=digestible(recording.answered.body))
    http = httpx.Client(transport=transport(replace(recording, answered=answered)))
    return genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))


def usage_of(usage: Any) -> dict[str, int | None]:
    if usage is None:
        return {}
    return {
        "input_tokens": usage.prompt_token_count,
        "output_tokens": usage.candidates_token_count,
        "total_tokens": usage.total_token_count,
        "cached_tokens": usage.cached_content_token_count,
        "reasoning_tokens": usage.thoughts_token_count,
    }


def said_by(*chunks: Any) -> Said:
    """Join what the SDK shows of each chunk: it keeps no account of the whole itself."""
    parts = [
        part
        for chunk in chunks
        for candidate in (chunk.candidates or [])[:1]
        for part in (candidate.content and candidate.content.parts) or ()
    ]
    usage = next((chunk.usage_metadata for chunk in reversed(chunks) if chunk.usage_metadata), None)
    calls = tuple(
        (call.name, call.args or {}) for chunk in chunks for call in chunk.function_calls or () if call
    )
    return Said(joined(part.text for part in parts if part.text and not part.thought), calls, usage_of(usage))


def ask(recording: Recorded, request: RequestReading) -> Said:
    sdk = client(recording)
    if "countTokens" in recording.url:
        return Said(usage={"input_tokens": sdk.models.count_tokens(model="m", contents="").total_tokens})
    if "streamGenerateContent" in recording.url:
        return said_by(*sdk.models.generate_content_stream(model="m", contents=""))
    return said_by(sdk.models.generate_content(model="m", contents=""))


def test_googles_sdk_reads_the_same_answers():
    exchanges = answered_on(r":(generateContent|streamGenerateContent|countTokens)$")
    count, found = compare(exchanges, ask, errors.APIError)
    assert found == []
    assert set(count) == set(ORACLES["Google's SDK"])
    assert count.total() >= 110
