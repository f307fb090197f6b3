"""What AWS wraps into its event streams: Converse events, chunks of InvokeModel, another stream in SageMaker's."""

import base64
import json
import struct
from typing import Any
from zlib import crc32

import pytest

from sekimori.wire.model import Head, ResponseReading
from sekimori.wire.read import read_request
from sekimori.wire.reader import ResponseReader

TYPE = (("content-type", "application/vnd.amazon.eventstream"),)


def message(payload: bytes, **fields: str) -> bytes:
    named = {f":{name.replace('_', '-')}": value.encode() for name, value in fields.items()}
    held = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value
        for name, value in named.items()
    )
    prelude = struct.pack(">II", 16 + len(held) + len(payload), len(held))
    body = prelude + struct.pack(">I", crc32(prelude)) + held + payload
    return body + struct.pack(">I", crc32(body))


def event(kind: str, payload: Any) -> bytes:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return message(raw, message_type="event", event_type=kind)


def chunk(inner: Any) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(inner).encode()).decode()})


def exception(kind: str) -> bytes:
    return message(b'{"message":"slow down"}', message_type="exception", exception_type=kind)


def read(path: str, asked: Any, stream: bytes, size: int) -> ResponseReading:
    head = Head("POST", "host.example", path, (("content-type", "application/json"),))
    request = read_request(head, json.dumps(asked).encode())
    reader = ResponseReader(head, request, 200, TYPE)
    for at in range(0, len(stream), size):
        reader.feed(stream[at : at + size])
    return reader.finish()


CONVERSED = b"".join(
    [
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "to"}}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "ld"}}),
        event(
            "contentBlockStart",
            {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}},
        ),
        event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"q":'}}}),
        event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "1}"}}}),
        event("messageStop", {"stopReason": "tool_use"}),
        event("metadata", {"usage": {"inputTokens": 3, "outputTokens": 4}}),
    ]
)
ASK = {"messages": [{"role": "user", "content": [{"text": "ask me"}]}], "inferenceConfig": {}}


@pytest.mark.parametrize("size", [1, 13, 4096])
def test_a_converse_stream_is_read_with_its_call(size):
    answer = read("/model/m/converse-stream", ASK, CONVERSED, size)
    assert (answer.parse, answer.output, answer.finish_reason) == ("parsed", "told", "tool_use")
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [("t", "f", '{"q":1}')]
    assert answer.usage is not None
    assert answer.usage.input_tokens == 3


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([{"generation": "to"}, {"generation": "ld", "stop_reason": "stop"}], id="llama"),
        pytest.param([{"outputs": [{"text": "to"}]}, {"outputs": [{"text": "ld"}]}], id="mistral"),
        pytest.param([{"outputText": "to"}, {"outputText": "ld", "completionReason": "FINISH"}], id="titan"),
        pytest.param(
            [
                {"contentBlockDelta": {"delta": {"text": word}, "contentBlockIndex": 0}}
                for word in ("to", "ld")
            ],
            id="nova",
        ),
        pytest.param(
            [
                {"type": "message_start", "message": {"content": [], "model": "c"}},
                *(
                    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": w}}
                    for w in ("to", "ld")
                ),
            ],
            id="claude",
        ),
        pytest.param([{"type": "completion", "completion": word} for word in ("to", "ld")], id="claude 2"),
        pytest.param(
            [
                {"text": "to", "is_finished": False},
                {"text": "ld"},
                {"is_finished": True, "finish_reason": "COMPLETE"},
            ],
            id="command",
        ),
        pytest.param(
            [{"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("to", "ld")], id="jamba"
        ),
    ],
)
@pytest.mark.parametrize("size", [7, 4096])
def test_a_stream_of_every_family_is_unwrapped(pieces, size):
    stream = b"".join(map(chunk, pieces))
    answer = read("/model/m/invoke-with-response-stream", {"prompt": "ask me"}, stream, size)
    assert (answer.parse, answer.output) == ("parsed", "told"), answer.skipped


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(
            b'data: {"token":{"text":"to"}}\n\ndata: {"token":{"text":"ld"},"generated_text":"told"}\n\n',
            id="events",
        ),
        pytest.param(b'{"token":{"text":"to"}}\n{"token":{"text":"ld"}}\n', id="lines"),
    ],
)
@pytest.mark.parametrize("size", [1, 11, 4096])
def test_the_stream_inside_sagemakers_is_read_however_both_are_cut(inner, size):
    stream = b"".join(event("PayloadPart", inner[at : at + 9]) for at in range(0, len(inner), 9))
    answer = read("/endpoints/mine/invocations-response-stream", {"inputs": "ask me"}, stream, size)
    assert (answer.parse, answer.output) == ("parsed", "told"), answer.skipped


@pytest.mark.parametrize(
    "path",
    [
        "/model/m/converse-stream",
        "/model/m/invoke-with-response-stream",
        "/endpoints/e/invocations-response-stream",
    ],
)
def test_an_exception_within_a_stream_is_the_error_of_the_answer(path):
    answer = read(path, ASK, exception("throttlingException"), 4096)
    assert (answer.error, answer.output) == ("slow down", "")


@pytest.mark.parametrize("cut", [5, 40])
def test_a_stream_that_stops_within_a_message_is_partial(cut):
    answer = read("/model/m/converse-stream", ASK, CONVERSED[:-cut], 4096)
    assert (answer.parse, answer.output) == ("partial", "told")
    assert answer.skipped == ("body: the stream ends within a message",)
