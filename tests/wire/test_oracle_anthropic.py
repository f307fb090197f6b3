"""Recorded answers as Anthropic's SDK reads them, from its own API, Vertex and Bedrock.

Bedrock streams the same events in another envelope: they go through the SDK's own decoder for it.
"""

from typing import Any

import anthropic
import httpx2

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, is_stream, joined, spoken, transport
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Anthropic's SDK": ("anthropic-messages", "bedrock-invoke")}

# Where the SDK is wrong, or has no idea of its own.
KNOWN = {
    "api-v1-messages.sse.3beb0cb9c2": "a router ends its stream with OpenAI's [DONE], which the SDK takes for JSON",
}


def client(recording: Recorded) -> Any:
    http = httpx2.Client(transport=transport(recording, httpx2))
    if recording.answered.header("content-type") == "application/vnd.amazon.eventstream":
        return anthropic.AnthropicBedrock(
            aws_access_key="k", aws_secret_key="s", aws_region="us-east-1", http_client=http, max_retries=0
        )
    return anthropic.Anthropic(api_key="k", base_url="https://service.test", http_client=http, max_retries=0)


def said_by(message: Any) -> Said:
    blocks = message.content
    calls = tuple(
        (block.name, block.input)
        for block in blocks
        if block.type in ("tool_use", "server_tool_use", "mcp_tool_use")
    )
    return Said(
        output=joined(block.text for block in blocks if block.type == "text"),
        calls=calls,
        usage={
            "input_tokens": message.usage.input_tokens,
            "output_tokens": message.usage.output_tokens,
            "cached_tokens": message.usage.cache_read_input_tokens,
        },
        reasoning=joined(block.thinking for block in blocks if block.type == "thinking"),
        finish_reason=message.stop_reason or "",
    )


def ask(recording: Recorded, request: RequestReading) -> Said:
    sdk = client(recording)
    asked = {"model": "m", "messages": [], "max_tokens": 1}
    if request.kind == "count-tokens":
        counted = sdk.messages.count_tokens(model="m", messages=[])
        return Said(usage={"input_tokens": counted.input_tokens})
    if is_stream(recording) or "eventstream" in recording.answered.header("content-type"):
        with sdk.beta.messages.stream(**asked) as stream:
            return said_by(stream.get_final_message())
    return said_by(sdk.messages.create(**asked))


def test_the_anthropic_sdk_reads_the_same_answers():
    spoken_here = spoken({"anthropic-messages"}, kinds=("generate", "count-tokens"), known=KNOWN)
    # Bedrock takes what it is sent for Claude 3 and later in the same words.
    at_bedrock = answered_on(r"^/model/[^/]*anthropic\.claude-(?!v2|instant)[^/]*/invoke", known=KNOWN)
    count, found = compare((*spoken_here, *at_bedrock), ask, anthropic.APIError)
    assert found == []
    assert set(count) == set(ORACLES["Anthropic's SDK"])
    assert count.total() >= 150
