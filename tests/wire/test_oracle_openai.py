"""Recorded answers as the OpenAI SDK reads them: chat completions, responses, completions, embeddings.

The SDK is asked for every server that speaks these dialects, whoever runs it; Groq's own SDK is asked too.
"""

from collections.abc import Callable
from typing import Any

import groq
import httpx
import httpx2
import openai
import pytest

from sekimori.wire.model import RequestReading
from support.oracle import Said, compare, is_stream, joined, spoken, transport, value_of
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {
    "OpenAI's SDK": ("openai-chat", "openai-completions", "openai-embeddings", "openai-responses"),
    "Groq's SDK": ("openai-chat",),
}

# Where the SDK is wrong, or has no idea of its own.
KNOWN: dict[str, str] = {
    "chat-completions.none.203a175279": "a gateway puts the answer into an envelope, which the SDK does not open",
    "chat-completions.none.fc8b2d62fe": "as above",
}


def client(recording: Recorded) -> openai.OpenAI:
    http = httpx2.Client(transport=transport(recording, httpx2))
    return openai.OpenAI(api_key="k", base_url="https://service.test/v1", http_client=http, max_retries=0)


def usage_of(usage: Any) -> dict[str, int | None]:
    if usage is None:
        return {}
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None),
        "reasoning_tokens": getattr(
            getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None
        ),
    }


def call_of(call: Any) -> tuple[str, Any]:
    if call.type == "custom":
        return call.custom.name, value_of(call.custom.input)
    return call.function.name, value_of(call.function.arguments)


def text_of(content: Any) -> str:
    """Give the text of a content that may be parts, as Mistral's is."""
    if isinstance(content, list):
        return joined(part.get("text") for part in content if part.get("type") == "text")
    return content or ""


def chat(recording: Recorded, sdk: Any) -> Said:
    answer = sdk.chat.completions.create(model="m", messages=[])
    if not answer.choices:
        return Said("", (), usage_of(answer.usage))
    choice = answer.choices[0]
    message = choice.message
    spoken = getattr(message, "audio", None)
    text = text_of(message.content) or (spoken.transcript if spoken else "")
    calls = tuple(call_of(call) for call in message.tool_calls or ())
    return Said(text, calls, usage_of(answer.usage), finish_reason=choice.finish_reason or "")


def chat_stream(recording: Recorded, sdk: Any) -> Said:
    text: list[str] = []
    calls: dict[int, list[str]] = {}
    usage, finish = None, ""
    for chunk in sdk.chat.completions.create(model="m", messages=[], stream=True):
        usage = chunk.usage or usage
        for choice in chunk.choices or ():
            if choice.index not in (0, None) or choice.delta is None:
                continue
            text.append(text_of(choice.delta.content))
            finish = choice.finish_reason or finish
            for at, call in enumerate(choice.delta.tool_calls or ()):
                held = calls.setdefault(call.index if call.index is not None else at, ["", ""])
                held[0] = (call.function and call.function.name) or held[0]
                held[1] += (call.function and call.function.arguments) or ""
    made = tuple((name, value_of(arguments)) for name, arguments in calls.values())
    return Said(joined(text), made, usage_of(usage), finish_reason=finish)


def completion(recording: Recorded, sdk: Any) -> Said:
    answer = sdk.completions.create(model="m", prompt="")
    return Said(answer.choices[0].text if answer.choices else "", None, usage_of(answer.usage))


def completion_stream(recording: Recorded, sdk: Any) -> Said:
    chunks = list(sdk.completions.create(model="m", prompt="", stream=True))
    text = joined(choice.text for chunk in chunks for choice in chunk.choices if choice.index == 0)
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    return Said(text, None, usage_of(usage))


def response_usage(usage: Any) -> dict[str, int | None]:
    if usage is None:
        return {}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None,
        "reasoning_tokens": usage.output_tokens_details.reasoning_tokens
        if usage.output_tokens_details
        else None,
    }


def said_by(response: Any) -> Said:
    called = [item for item in response.output or () if item.type in ("function_call", "custom_tool_call")]
    calls = tuple(
        (item.name, value_of(item.arguments if item.type == "function_call" else item.input))
        for item in called
    )
    served = frozenset(item.type for item in response.output or ()) - {"function_call", "custom_tool_call"}
    return Said(response.output_text, calls, response_usage(response.usage), served=served)


def response(recording: Recorded, sdk: Any) -> Said:
    return said_by(sdk.responses.create(model="m", input=""))


def response_stream(recording: Recorded, sdk: Any) -> Said:
    """Read a stream by its deltas; by the response at its end where that repeats the whole."""
    text, last = [], None
    for event in sdk.responses.create(model="m", input="", stream=True):
        if event.type == "response.output_text.delta":
            text.append(event.delta)
        elif event.type in ("response.completed", "response.incomplete"):
            last = event.response
    if last is None:
        return Said(joined(text))
    said = said_by(last)
    return said if last.output else Said(joined(text), None, said.usage)


def embedding(recording: Recorded, sdk: Any) -> Said:
    usage = sdk.embeddings.create(model="m", input="").usage
    return Said(usage={"input_tokens": usage.prompt_tokens} if usage else {})


READERS: dict[str, tuple[Callable[..., Said], Callable[..., Said]]] = {
    "openai-chat": (chat, chat_stream),
    "openai-completions": (completion, completion_stream),
    "openai-responses": (response, response_stream),
    "openai-embeddings": (embedding, embedding),
}


def ask(recording: Recorded, request: RequestReading) -> Said:
    whole, stream = READERS[request.dialect]
    return (stream if is_stream(recording) else whole)(recording, client(recording))


def test_every_dialect_of_the_sdk_is_asked_about():
    assert set(READERS) == set(ORACLES["OpenAI's SDK"])


@pytest.mark.parametrize(
    ("dialect", "least"),
    [("openai-chat", 400), ("openai-responses", 120), ("openai-completions", 15), ("openai-embeddings", 60)],
)
def test_the_openai_sdk_reads_the_same_answers(dialect, least):
    exchanges = spoken({dialect}, kinds=("generate", "embed"), known=KNOWN)
    count, found = compare(exchanges, ask, openai.APIError)
    assert found == []
    assert count == {dialect: count[dialect]}
    assert count[dialect] >= least


def test_groqs_own_sdk_reads_the_same_answers():
    def ask_groq(recording: Recorded, request: RequestReading) -> Said:
        http = httpx.Client(transport=transport(recording))
        sdk = groq.Groq(api_key="k", http_client=http, max_retries=0)
        return (chat_stream if is_stream(recording) else chat)(recording, sdk)

    exchanges = (one for one in spoken({"openai-chat"}) if one[0].provider == "groq")
    count, found = compare(exchanges, ask_groq, groq.APIError)
    assert found == []
    assert set(count) == set(ORACLES["Groq's SDK"])
    assert count.total() >= 40
