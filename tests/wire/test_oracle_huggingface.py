"""Recorded answers as Hugging Face's client reads them, from whichever provider it was routed to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from huggingface_hub import InferenceClient, close_session, set_client_factory
from huggingface_hub.errors import HfHubHTTPError

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, is_stream, joined, transport, value_of
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Hugging Face's client": ("openai-chat",)}


@contextmanager
def answering(recording: Recorded) -> Iterator[InferenceClient]:
    set_client_factory(lambda: httpx2.Client(transport=transport(recording, httpx2)))
    try:
        yield InferenceClient(model="https://service.test/v1/chat/completions", token="k")
    finally:
        close_session()
        set_client_factory(httpx2.Client)


def counted(usage: Any) -> dict[str, int | None]:
    return {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens} if usage else {}


def ask(recording: Recorded, request: RequestReading) -> Said:
    with answering(recording) as sdk:
        if is_stream(recording):
            chunks = list(sdk.chat_completion([], stream=True))
            usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
            text = joined(choice.delta.content for chunk in chunks for choice in chunk.choices[:1])
            return Said(text, None, counted(usage))
        answer = sdk.chat_completion([])
    message = answer.choices[0].message
    calls = tuple(
        (call.function.name, value_of(call.function.arguments)) for call in message.tool_calls or ()
    )
    return Said(message.content or "", calls, counted(answer.usage))


def test_hugging_faces_client_reads_the_same_answers():
    exchanges = answered_on(r"/chat/completions$", providers={"huggingface"})
    count, found = compare(exchanges, ask, HfHubHTTPError)
    assert found == []
    assert set(count) == set(ORACLES["Hugging Face's client"])
    assert count.total() >= 15
