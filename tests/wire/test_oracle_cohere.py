"""Recorded answers as Cohere's SDK reads them: both versions of its API."""

from typing import Any

import cohere
import httpx
from cohere.core.api_error import ApiError

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, joined, transport, value_of
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Cohere's SDK": ("cohere-v1", "cohere-v2")}

# Where the SDK is wrong, or has no idea of its own.
KNOWN: dict[str, str] = {}


def usage_of(usage: Any) -> dict[str, int | None]:
    tokens = getattr(usage, "tokens", None)
    return (
        {"input_tokens": int(tokens.input_tokens), "output_tokens": int(tokens.output_tokens)}
        if tokens and tokens.input_tokens is not None and tokens.output_tokens is not None
        else {}
    )


def version_2(sdk: Any, *, stream: bool) -> Said:
    if not stream:
        answer = sdk.chat(model="m", messages=[])
        content = answer.message.content or ()
        calls = tuple(
            (call.function.name, value_of(call.function.arguments))
            for call in answer.message.tool_calls or ()
        )
        return Said(
            joined(part.text for part in content if part.type == "text"),
            calls,
            usage_of(answer.usage),
            (answer.message.tool_plan or "")
            + joined(part.thinking for part in content if part.type == "thinking"),
        )
    text: list[str | None] = []
    thoughts: list[str | None] = []
    begun: list[list[str]] = []
    usage = None
    for event in sdk.chat_stream(model="m", messages=[]):
        if event.type == "content-delta":
            content = event.delta.message.content
            text.append(content.text)
            thoughts.append(content.thinking)
        elif event.type == "tool-plan-delta":
            thoughts.append(event.delta.message.tool_plan)
        elif event.type == "tool-call-start":
            function = event.delta.message.tool_calls.function
            begun.append([function.name, function.arguments or ""])
        elif event.type == "tool-call-delta":
            begun[-1][1] += event.delta.message.tool_calls.function.arguments or ""
        elif event.type == "message-end":
            usage = event.delta.usage
    made = tuple((name, value_of(arguments)) for name, arguments in begun)
    return Said(joined(text), made, usage_of(usage), joined(thoughts))


def version_1(sdk: Any, *, stream: bool) -> Said:
    if not stream:
        answer = sdk.chat(message="")
        calls = tuple((call.name, call.parameters) for call in answer.tool_calls or ())
        return Said(answer.text, calls, usage_of(answer.meta))
    events = list(sdk.chat_stream(message=""))
    return Said(joined(event.text for event in events if event.event_type == "text-generation"))


def ask(recording: Recorded, request: RequestReading) -> Said:
    http = httpx.Client(transport=transport(recording))
    stream = "stream" in recording.answered.header("content-type")
    if "/v2/" in recording.url:
        return version_2(cohere.ClientV2(api_key="k", httpx_client=http), stream=stream)
    sdk = cohere.Client(api_key="k", httpx_client=http)
    if recording.url.endswith("/generate"):
        return Said(sdk.generate(prompt="").generations[0].text)
    return version_1(sdk, stream=stream)


def test_coheres_sdk_reads_the_same_answers():
    exchanges = answered_on(r"/(v2/chat|v1/chat|v1/generate)$", providers={"cohere"}, known=KNOWN)
    count, found = compare(exchanges, ask, ApiError)
    assert found == []
    assert set(count) == set(ORACLES["Cohere's SDK"])
    assert count.total() >= 50
