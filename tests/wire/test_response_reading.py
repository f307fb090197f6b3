import gzip
import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.model import Head, Headers, RequestReading, ResponseReading, ToolCall, Usage
from sekimori.wire.read import ResponseReader, read_request, read_response

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/g:streamGenerateContent",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
JSON_TYPE = (("content-type", "application/json"),)
SSE_TYPE = (("content-type", "text/event-stream; charset=utf-8"),)


def asked(which: str) -> tuple[Head, RequestReading]:
    head = Head("POST", "host.example", PATHS.get(which, which))
    return head, read_request(head, b'{"model":"m","messages":[],"input":"hi","contents":[],"prompt":"hi"}')


def whole(which: str, body: object, status: int = 200) -> ResponseReading:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_response(*asked(which), status, JSON_TYPE, raw)


def sse(*events: object, named: bool = False) -> bytes:
    lines = []
    for event in events:
        kind = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
        lines.append(
            f"{kind}data: {event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)}\n\n"
        )
    return "".join(lines).encode()


def chunk(delta: object, **more: object) -> dict[str, object]:
    return {"id": "c1", "model": "gpt-4o-2024", "choices": [{"index": 0, "delta": delta, **more}]}


CHAT_STREAM = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "hm"}),
    chunk({"content": "はい、"}),
    {"id": "c1", "choices": [{"index": 1, "delta": {"content": "another choice"}}]},
    chunk({"content": "どうぞ\u2028。"}),
    chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": '{"a"'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
    chunk({}, finish_reason="stop"),
    {"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
    "[DONE]",
)
CHAT_READING = ResponseReading(
    output="はい、どうぞ\u2028。",
    reasoning="hm",
    tool_calls=(ToolCall("t", "f", '{"a":1}'),),
    usage=Usage(3, 4, 7),
    finish_reason="stop",
    model="gpt-4o-2024",
    parse="parsed",
    response_id="c1",
)
RESPONSE: dict[str, Any] = {
    "id": "r1",
    "model": "gpt-5-2025",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {
            "type": "message",
            "content": [
                {"type": "output_text", "text": "はい、"},
                {"type": "output_text", "text": "どうぞ。"},
            ],
        },
        {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"},
    ],
    "usage": {
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "input_tokens_details": {"cached_tokens": 1},
    },
}
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {"id": "r1", "model": "gpt-5-2025", "output": []}},
    {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "はい、"},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "どうぞ。"},
    {
        "type": "response.output_item.added",
        "output_index": 2,
        "item": RESPONSE["output"][2] | {"arguments": ""},
    },
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{"},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "}"},
    {"type": "response.completed", "response": RESPONSE},
]
RESPONSE_READING = ResponseReading(
    output="はい、どうぞ。",
    reasoning="hm",
    tool_calls=(ToolCall("t", "f", "{}"),),
    usage=Usage(3, 4, 7, 1),
    finish_reason="completed",
    model="gpt-5-2025",
    parse="parsed",
    response_id="r1",
)
MESSAGE_EVENTS = [
    {
        "type": "message_start",
        "message": {"id": "m1", "model": "claude-1", "content": [], "usage": {"input_tokens": 3}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x y"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "はい、"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "どうぞ。"}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {"type": "input_json_delta", "partial_json": '{"a"'},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
]
MESSAGE_READING = ResponseReading(
    output="はい、どうぞ。",
    reasoning="hm",
    tool_calls=(ToolCall("t", "f", '{"a":1}'),),
    usage=Usage(3, 4),
    finish_reason="tool_use",
    model="claude-1",
    parse="parsed",
    response_id="m1",
)
GEMINI_CHUNKS = [
    {
        "candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": 'はい"]}、'}]}}],
        "modelVersion": "g-001",
    },
    {
        "candidates": [
            {
                "content": {
                    "parts": [{"text": "どうぞ。"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]
                },
                "finishReason": "STOP",
            },
            {"index": 1, "content": {"parts": [{"text": "another candidate"}]}},
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 4,
            "totalTokenCount": 9,
            "thoughtsTokenCount": 2,
        },
        "responseId": "g1",
    },
]
GEMINI_READING = ResponseReading(
    output='はい"]}、どうぞ。',
    reasoning="hm",
    tool_calls=(ToolCall("", "f", '{"a": 1}'),),
    usage=Usage(3, 4, 9, None, 2),
    finish_reason="STOP",
    model="g-001",
    parse="parsed",
    response_id="g1",
)
STREAMS = [
    pytest.param("chat", SSE_TYPE, CHAT_STREAM, CHAT_READING, id="chat"),
    pytest.param("chat", (), CHAT_STREAM.replace(b"\n", b"\r\n"), CHAT_READING, id="chat, CRLF, no type"),
    pytest.param("responses", SSE_TYPE, sse(*RESPONSE_EVENTS, named=True), RESPONSE_READING, id="responses"),
    pytest.param("messages", SSE_TYPE, sse(*MESSAGE_EVENTS, named=True), MESSAGE_READING, id="messages"),
    pytest.param("gemini", SSE_TYPE, sse(*GEMINI_CHUNKS), GEMINI_READING, id="gemini, events"),
    pytest.param(
        "gemini", JSON_TYPE, json.dumps(GEMINI_CHUNKS, indent=2).encode(), GEMINI_READING, id="gemini, array"
    ),
    pytest.param(
        "messages",
        (*SSE_TYPE, ("content-encoding", "gzip")),
        gzip.compress(sse(*MESSAGE_EVENTS)),
        MESSAGE_READING,
        id="messages, gzip",
    ),
    pytest.param(
        "messages",
        (*SSE_TYPE, ("content-encoding", "gzip")),
        sse(*MESSAGE_EVENTS),
        MESSAGE_READING,
        id="gzip by header only",
    ),
]


def fed(which: str, headers: Headers, pieces: Iterable[bytes]) -> ResponseReading:
    head, request = asked(which)
    reader = ResponseReader(head, request, 200, headers)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


@pytest.mark.parametrize(("which", "headers", "stream", "reading"), STREAMS)
def test_a_streamed_answer_reads_as_people_mean_it(which, headers, stream, reading):
    assert fed(which, headers, [stream]) == reading


@pytest.mark.parametrize(("which", "headers", "stream", "reading"), STREAMS)
def test_a_stream_cut_at_every_byte_reads_the_same(which, headers, stream, reading):
    assert fed(which, headers, [stream[at : at + 1] for at in range(len(stream))]) == reading


@pytest.mark.parametrize(("which", "headers", "stream", "reading"), STREAMS)
@given(data=st.data())
def test_where_the_network_cuts_a_stream_never_changes_its_reading(which, headers, stream, reading, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    assert fed(which, headers, [stream[a:b] for a, b in itertools.pairwise(edges)]) == reading


@given(
    which=st.sampled_from(sorted(PATHS)),
    body=st.binary(max_size=120),
    cut=st.integers(0, 120),
    coding=st.sampled_from(["", "gzip", "br", "zstd", "deflate", "what"]),
)
def test_any_bytes_cut_anywhere_read_the_same_and_never_raise(which, body, cut, coding):
    headers = (("content-encoding", coding),)
    reading = fed(which, headers, [body])
    assert fed(which, headers, [body[:cut], body[cut:]]) == reading
    assert not [skipped for skipped in reading.skipped if skipped.startswith("reader:")]


WORDS = st.sampled_from(
    [
        "choices",
        "message",
        "delta",
        "content",
        "index",
        "type",
        "text",
        "output",
        "candidates",
        "parts",
        "usage",
        "error",
        "response",
        "item",
        "event",
        "content_block",
        "tool_calls",
        "function",
        "arguments",
        "response.completed",
        "content_block_delta",
        "error",
    ]
)
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(which=st.sampled_from(sorted(PATHS)), value=JSON, stream=st.booleans())
def test_no_json_makes_a_dialect_stumble_over_an_answer(which, value, stream):
    body = sse(value) if stream and not isinstance(value, str) else json.dumps(value).encode()
    reading = fed(which, SSE_TYPE if stream else JSON_TYPE, [body])
    assert not [skipped for skipped in reading.skipped if skipped.startswith("reader:")]


@pytest.mark.parametrize(
    ("which", "body", "reading"),
    [
        pytest.param(
            "chat",
            {
                "id": "c1",
                "model": "gpt-4o-2024",
                "choices": [
                    {"index": 1, "message": {"content": "another choice"}},
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {
                            "content": "はい、どうぞ\u2028。",
                            "reasoning_content": "hm",
                            "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": '{"a":1}'}}],
                        },
                    },
                ],
                "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
            },
            CHAT_READING,
            id="chat",
        ),
        pytest.param("responses", RESPONSE, RESPONSE_READING, id="responses"),
        pytest.param(
            "messages",
            {
                "id": "m1",
                "model": "claude-1",
                "stop_reason": "tool_use",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "はい、"},
                    {"type": "text", "text": "どうぞ。"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                ],
                "usage": {"input_tokens": 3, "output_tokens": 4},
            },
            MESSAGE_READING,
            id="messages",
        ),
    ],
)
def test_a_whole_answer_reads_like_the_streamed_one(which, body, reading):
    found = whole(which, body)
    assert [call.arguments.replace(" ", "") for call in found.tool_calls] == [
        call.arguments.replace(" ", "") for call in reading.tool_calls
    ]
    assert (found.output, found.reasoning, found.usage, found.model) == (
        reading.output,
        reading.reasoning,
        reading.usage,
        reading.model,
    )
    assert (found.finish_reason, found.parse) == (reading.finish_reason, "parsed")


def test_a_refusal_is_told_apart_from_the_output():
    reading = whole("chat", {"choices": [{"index": 0, "message": {"content": None, "refusal": "I won't"}}]})
    assert (reading.output, reading.refusal, reading.parse) == ("", "I won't", "parsed")


@pytest.mark.parametrize(
    ("which", "status", "body", "error"),
    [
        pytest.param("chat", 429, {"error": {"message": "too many", "type": "x"}}, "too many", id="openai"),
        pytest.param(
            "messages",
            400,
            {"type": "error", "error": {"type": "x", "message": "bad"}},
            "bad",
            id="anthropic",
        ),
        pytest.param(
            "gemini",
            404,
            [{"error": {"code": 404, "message": "no model"}}],
            "no model",
            id="gemini, in an array",
        ),
        pytest.param("chat", 422, {"detail": "wrong"}, "wrong", id="detail"),
        pytest.param("chat", 502, b"<html>Bad Gateway</html>", "HTTP 502", id="a page"),
        pytest.param(
            "responses", 200, sse({"type": "error", "message": "broke"}), "broke", id="inside a stream"
        ),
        pytest.param(
            "messages",
            200,
            sse({"type": "error", "error": {"message": "overloaded"}}),
            "overloaded",
            id="an event",
        ),
        pytest.param("/v1/files", 403, {"error": {"message": "no"}}, "no", id="no dialect"),
    ],
)
def test_an_error_is_read_as_one(which, status, body, error):
    assert whole(which, body, status).error == error


def test_an_interrupted_stream_keeps_what_had_come():
    reading = fed("messages", SSE_TYPE, [sse(*MESSAGE_EVENTS[:7]) + b'data: {"type":"content_bl'])
    assert (reading.output, reading.finish_reason) == ("はい、", "")
    assert reading.parse == "partial"


def test_an_answer_in_an_unknown_form_is_unparsed_and_says_so():
    reading = whole("chat", {"reply": "some words"})
    assert (reading.parse, reading.skipped) == ("unparsed", ("the answer is in no known form",))


def test_an_unknown_block_makes_an_answer_partial():
    reading = whole(
        "messages", {"content": [{"type": "text", "text": "a"}, {"type": "poem", "lines": "b c"}]}
    )
    assert (reading.output, reading.parse, reading.skipped) == ("a", "partial", ("content.type=poem",))


def test_an_answer_beyond_the_limit_is_read_up_to_it():
    head, request = asked("messages")
    stream = gzip.compress(sse(*MESSAGE_EVENTS[:7]) + b": " + bytes(1 << 20))
    headers = (*SSE_TYPE, ("content-encoding", "gzip"))
    reading = read_response(head, request, 200, headers, stream, limit=5000)
    assert (reading.output, reading.parse) == ("はい、", "partial")


def test_embeddings_and_model_lists_are_parsed_without_output():
    assert whole("embeddings", {"data": [], "model": "e", "usage": {"prompt_tokens": 2}}).parse == "parsed"
    head = Head("GET", "host.example", "/v1/models")
    reading = read_response(head, read_request(head, b""), 200, JSON_TYPE, b'{"data":[]}')
    assert (reading.parse, reading.output) == ("parsed", "")
