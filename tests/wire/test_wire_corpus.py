"""Recorded exchanges of real services, where the folder is there: how much of them is read, and read right.

What a recording holds is looked for here without any dialect: by the names that all of them give to text.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sekimori.wire.encoding import decode
from sekimori.wire.model import Head, RequestReading, ResponseReading
from sekimori.wire.read import read_request, read_response
from sekimori.wire.sse import SseDecoder
from support.traffic import TRAFFIC

PROVIDERS = [
    "openai",
    "anthropic",
    "gemini",
    "vertex",
    "azure-openai",
    "cerebras",
    "chatgpt-codex",
    "crusoe",
    "deepseek",
    "doubleword",
    "github-copilot",
    "gpustack",
    "groq",
    "huggingface",
    "local-openai-compatible",
    "mistral",
    "openrouter",
    "perplexity",
    "portkey",
    "pydantic-gateway",
    "together",
    "xai",
    "zai",
]
SPOKEN = {"openai-chat", "openai-responses", "anthropic-messages", "gemini"}
# Two 2xx answers of a local server hold an error and no answer; one compacts a conversation and answers nothing.
ODD = {
    "chat-completions.none.203a175279",
    "chat-completions.none.fc8b2d62fe",
    "v1-responses-compact.none.a221d3a601",
}

pytestmark = pytest.mark.skipif(
    not TRAFFIC.is_dir(), reason="the recorded traffic is not beside this repository"
)


def recordings(provider: str) -> Iterator[Any]:
    with gzip.open(TRAFFIC / f"{provider}.jsonl.gz") as lines:
        for line in lines:
            record = json.loads(line)
            if record["kind"] == "http":
                yield record


def part(record: Any, side: str) -> tuple[Any, tuple[tuple[str, str], ...], bytes]:
    held = record.get(side) or {}
    fields = tuple((str(name), str(value)) for name, value in held.get("headers") or [])
    return held, fields, base64.b64decode(held.get("body_b64") or "")


def exchange(record: Any) -> tuple[RequestReading, ResponseReading]:
    asked, fields, body = part(record, "request")
    url = urlsplit(asked["url"])
    head = Head(asked["method"], url.netloc, url.path + (f"?{url.query}" if url.query else ""), fields)
    request = read_request(head, body)
    answered, fields, body = part(record, "response")
    return request, read_response(head, request, answered.get("status") or 0, fields, body)


def generations(provider: str) -> Iterator[tuple[Any, RequestReading, ResponseReading]]:
    """Yield the successful generations whose request was recorded."""
    for record in recordings(provider):
        status = (record.get("response") or {}).get("status") or 0
        if (
            record["request"].get("body_fidelity") == "absent"
            or not 200 <= status < 300
            or record["id"] in ODD
        ):
            continue
        request, response = exchange(record)
        if request.kind == "generate" and request.dialect in SPOKEN:
            yield record, request, response


def values_in(body: bytes, fields: tuple[tuple[str, str], ...]) -> list[Any]:
    """The JSON values of a body, whether it is a document or a stream."""
    coding = next((value for name, value in fields if name.lower() == "content-encoding"), "")
    plain = decode(body, coding).body
    try:
        return [json.loads(plain)]
    except ValueError:
        decoder = SseDecoder()
        events = decoder.feed(plain) + decoder.finish()
        return [json.loads(event.data) for event in events if str(event.data).strip().startswith("{")]


def texts_in(value: Any, *, skip: Callable[[dict[str, Any]], bool]) -> Iterator[str]:
    """Yield the strings that stand under the names by which every dialect calls text."""
    if isinstance(value, list):
        for item in value:
            yield from texts_in(item, skip=skip)
    elif isinstance(value, dict) and not skip(value):
        for name, item in value.items():
            if isinstance(item, str) and name in ("text", "content", "transcript") and item.strip():
                yield item
            elif name in (
                "content",
                "parts",
                "delta",
                "message",
                "choices",
                "candidates",
                "output",
                "audio",
                "content_block",
            ):
                yield from texts_in(item, skip=skip)


def is_aside(value: dict[str, Any]) -> bool:
    """Tell reasoning, tools and other choices from the answer."""
    kind = str(value.get("type"))
    return (
        value.get("thought") is True
        or "tool" in kind
        or "reasoning" in kind
        or (
            value.get("index", 0) not in (0, None)
            and ("delta" in value or "message" in value or "finishReason" in value)
            and "content_block" not in kind
        )
    )


def user_texts(body: dict[str, Any]) -> Iterator[str]:
    """Yield what users say in a request, newest last; tool results are none of theirs."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    if isinstance(turns, str):
        yield turns
    for turn in turns if isinstance(turns, list) else []:
        if isinstance(turn, dict) and turn.get("role", "user" if "parts" in turn else "") == "user":
            yield "".join(texts_in({**turn, "role": ""}, skip=lambda value: "tool" in str(value.get("type"))))


def test_no_recording_makes_a_reader_stumble():
    stumbled = []
    for path in sorted(TRAFFIC.glob("*.jsonl.gz")):
        for record in recordings(path.name.removesuffix(".jsonl.gz")):
            request, response = exchange(record)
            told = (*request.skipped, *response.skipped)
            stumbled += [record["id"] for skipped in told if skipped.startswith("reader:")]
    assert stumbled == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_successful_generations_are_parsed(provider):
    found = list(generations(provider))
    unread = [
        (record["id"], request.skipped, response.skipped)
        for record, request, response in found
        if (request.parse, response.parse) != ("parsed", "parsed")
    ]
    assert found
    assert len(unread) <= len(found) // 100, unread


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_model_and_the_newest_prompt_are_those_of_the_recording(provider):
    wrong: list[tuple[Any, ...]] = []
    for record, request, _ in generations(provider):
        _, fields, body = part(record, "request")
        (asked,) = values_in(body, fields)
        in_path = request.dialect == "gemini" or "/deployments/" in record["request"]["url"]
        if "model" in asked and not in_path and request.model != asked["model"]:
            wrong.append((record["id"], request.model))
        said = [text for text in user_texts(asked) if text]
        if request.prompt != (said[-1] if said else ""):
            wrong.append((record["id"], request.prompt[:80], said[-1:]))
    assert wrong == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_whose_recording_has_text_has_that_text_for_output(provider):
    wrong: list[tuple[Any, ...]] = []
    for record, _, response in generations(provider):
        _, fields, body = part(record, "response")
        texts = list(texts_in(values_in(body, fields), skip=is_aside))
        if bool(texts) != bool(response.output.strip()):
            wrong.append((record["id"], response.output[:80], texts[:3]))
    assert wrong == []
