"""Recorded answers as Ollama's own client reads them: chat and generate, whole and line by line."""

from typing import Any

import ollama

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, joined, transport
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Ollama's client": ("ollama",)}


def usage_of(last: Any) -> dict[str, int | None]:
    return {"input_tokens": last.prompt_eval_count, "output_tokens": last.eval_count}


def chat(sdk: ollama.Client, *, stream: bool) -> Said:
    told = list(sdk.chat(model="m", stream=True)) if stream else [sdk.chat(model="m")]
    messages = [chunk.message for chunk in told]
    return Said(
        joined(message.content for message in messages),
        tuple(
            (call.function.name, dict(call.function.arguments))
            for message in messages
            for call in message.tool_calls or ()
        ),
        usage_of(told[-1]),
        joined(message.thinking for message in messages),
    )


def generate(sdk: ollama.Client, *, stream: bool) -> Said:
    told = list(sdk.generate(model="m", stream=True)) if stream else [sdk.generate(model="m")]
    return Said(joined(chunk.response for chunk in told), None, usage_of(told[-1]))


def ask(recording: Recorded, request: RequestReading) -> Said:
    sdk = ollama.Client(host="http://service.test", transport=transport(recording))
    stream = recording.answered.body.strip().count(b"\n{") > 0
    return (chat if recording.url.endswith("/chat") else generate)(sdk, stream=stream)


def test_ollamas_client_reads_the_same_answers():
    exchanges = answered_on(r"/api/(chat|generate)$", providers={"ollama"})
    count, found = compare(exchanges, ask, ollama.ResponseError)
    assert found == []
    assert set(count) == set(ORACLES["Ollama's client"])
    assert count.total() >= 35
