"""Recorded answers as Mistral's SDK reads them."""

from typing import Any

import httpx2
from mistralai.client import Mistral
from mistralai.client.errors import MistralError

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, is_stream, joined, transport, value_of
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Mistral's SDK": ("openai-chat", "openai-embeddings")}

# Where the SDK is wrong, or has no idea of its own.
KNOWN: dict[str, str] = {}


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return joined(part.text for part in content if part.type == "text")
    return content if isinstance(content, str) else ""


def thought_of(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return joined(piece.text for part in parts if part.type == "thinking" for piece in part.thinking)


def usage_of(usage: Any) -> dict[str, int | None]:
    if not usage:
        return {}
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def call_of(call: Any) -> tuple[str, Any]:
    return call.function.name, value_of(call.function.arguments)


def ask(recording: Recorded, request: RequestReading) -> Said:
    sdk = Mistral(api_key="k", client=httpx2.Client(transport=transport(recording, httpx2)))
    if recording.url.endswith("/embeddings"):
        return Said(usage={"input_tokens": sdk.embeddings.create(model="m", inputs="").usage.prompt_tokens})
    if not is_stream(recording):
        answer = sdk.chat.complete(model="m", messages=[])
        message = answer.choices[0].message
        assert message is not None
        calls = tuple(call_of(call) for call in message.tool_calls or ())
        content = message.content
        return Said(text_of(content), calls, usage_of(answer.usage), thought_of(content))
    chunks = [event.data for event in sdk.chat.stream(model="m", messages=[])]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == 0]
    return Said(
        joined(text_of(delta.content) for delta in deltas),
        tuple(call_of(call) for delta in deltas for call in delta.tool_calls or ()),
        usage_of(next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)),
        joined(thought_of(delta.content) for delta in deltas),
    )


def test_mistrals_sdk_reads_the_same_answers():
    exchanges = answered_on(r"/(chat/completions|embeddings)$", providers={"mistral"}, known=KNOWN)
    count, found = compare(exchanges, ask, MistralError)
    assert found == []
    assert set(count) == set(ORACLES["Mistral's SDK"])
    assert count.total() >= 60
