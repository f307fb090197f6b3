"""MCP and A2A: what agents say to tools and to each other."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.wire.model import Head, RequestReading, ToolCall
from sekimori.wire.read import read_request
from sekimori.wire.reader import ResponseReader

SSE = "text/event-stream"
JSON_TYPE = "application/json"
CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search", "arguments": {"query": "部外秘 の件"}}}  # fmt: skip


def head(path: str = "/mcp", method: str = "POST") -> Head:
    return Head(method, "host.example", path, (("content-type", JSON_TYPE),))


def read(body: object, path: str = "/mcp"):
    return read_request(head(path), json.dumps(body, ensure_ascii=False).encode())


def sse(*events: object) -> bytes:
    lines = []
    for event in events:
        name, data = event if isinstance(event, tuple) else ("message", event)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        lines.append(f"event: {name}\ndata: {text}\n\n")
    return "".join(lines).encode()


def answer(dialect: str, body: bytes, media_type: str = SSE, *, size: int = 0, status: int = 200):
    reader = ResponseReader(
        head(), RequestReading(kind="tool", dialect=dialect), status, (("content-type", media_type),)
    )
    for at in range(0, len(body), size or max(len(body), 1)):
        reader.feed(body[at : at + (size or len(body))])
    return reader.finish()


def result(**members: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "result": members}


def test_the_call_of_a_tool_reads_as_its_arguments():
    reading = read(CALL)
    assert (reading.kind, reading.dialect, reading.parse) == ("tool", "mcp", "parsed")
    assert (reading.prompt, reading.tools) == ('{"query": "部外秘 の件"}', ("search",))
    assert reading.messages[0].tool_calls == (ToolCall("7", "search", '{"query": "部外秘 の件"}'),)
    assert "部外秘 の件" in reading.texts


@pytest.mark.parametrize("path", ["/mcp", "/", "/v1/messages?session_id=1", "/api/anything"])
def test_mcp_is_told_by_its_messages_on_any_path(path):
    assert read(CALL, path).dialect == "mcp"


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "clientInfo": {"name": "some client"}}}, "", id="initialize"),
        pytest.param({"jsonrpc": "2.0", "method": "notifications/initialized"}, "", id="notification"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, "", id="list"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///a"}}, "file:///a", id="resource"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p", "arguments": {"a": "b c"}}}, '{"a": "b c"}', id="prompt"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": {"argument": {"name": "a", "value": "b c"}}}, "b c", id="completion"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"name": "山田 太郎"}}}, '{"name": "山田 太郎"}', id="what a user filled in"),
        pytest.param({"jsonrpc": "2.0", "id": 1, "result": {"role": "assistant", "content": {"type": "text", "text": "an answer"}, "model": "m"}}, "", id="what a model was asked"),
        pytest.param([{"jsonrpc": "2.0", "method": "notifications/initialized"}, CALL], '{"query": "部外秘 の件"}', id="several at once"),
    ],
)  # fmt: skip
def test_the_messages_of_mcp_are_read(body, prompt):
    reading = read(body)
    assert (reading.kind, reading.dialect, reading.prompt) == ("tool", "mcp", prompt)
    assert (reading.parse, reading.skipped) == ("parsed", ())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_stream_of_an_mcp_session_and_its_end_are_parsed(method):
    reading = read_request(head(method=method), b"")
    assert (reading.kind, reading.dialect, reading.parse) == ("tool", "mcp", "parsed")


def test_words_beside_the_arguments_make_a_call_partial():
    reading = read({**CALL, "params": {**CALL["params"], "brand_new": "some words"}})
    assert (reading.parse, reading.skipped) == ("partial", ("params.brand_new",))


RESULTS = [
    pytest.param(
        sse(
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "Somebody's log"}},
            result(content=[{"type": "text", "text": "It is "}, {"type": "text", "text": "晴れ"}], isError=False),
        ),
        SSE,
        "It is 晴れ",
        id="streamed",
    ),
    pytest.param(
        json.dumps(result(content=[{"type": "text", "text": "It is 晴れ"}], structuredContent={"result": "x"})).encode(),
        JSON_TYPE,
        "It is 晴れ",
        id="whole",
    ),
    pytest.param(json.dumps([result(content=[{"type": "text", "text": "It is 晴れ"}])]).encode(), JSON_TYPE, "It is 晴れ", id="batch"),
    pytest.param(sse(result(content=[], structuredContent={"a": "b c"})), SSE, '{"a": "b c"}', id="structured"),
    pytest.param(sse(result(contents=[{"uri": "a:b", "text": "its text"}])), SSE, "its text", id="resource"),
    pytest.param(sse(result(messages=[{"role": "user", "content": {"type": "text", "text": "Do it."}}])), SSE, "Do it.", id="prompt"),
    pytest.param(sse(result(tools=[{"name": "a", "description": "Does a thing"}])), SSE, "", id="list"),
    pytest.param(sse(("endpoint", "/messages/?session_id=1")), SSE, "", id="the older transport"),
    pytest.param(b"", JSON_TYPE, "", id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "media_type", "output"), RESULTS)
def test_the_result_of_a_tool_reads_as_text(body, media_type, output):
    reading = answer("mcp", body, media_type)
    assert (reading.parse, reading.output) == ("parsed", output)
    assert answer("mcp", body, media_type, size=3) == reading


def test_what_a_server_asks_of_its_client_is_a_call():
    asked = {"jsonrpc": "2.0", "id": 3, "method": "sampling/createMessage", "params": {"maxTokens": 9}}
    assert answer("mcp", sse(asked)).tool_calls == (
        ToolCall("3", "sampling/createMessage", '{"maxTokens": 9}'),
    )


@pytest.mark.parametrize("dialect", ["mcp", "a2a"])
def test_an_error_of_json_rpc_is_read_as_one(dialect):
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
    ).encode()
    assert answer(dialect, body, JSON_TYPE, status=404).error == "Method not found"


def a2a(method: str, *parts: object) -> dict[str, object]:
    message = {"kind": "message", "role": "user", "messageId": "m", "contextId": "ctx", "parts": list(parts)}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}


@pytest.mark.parametrize("method", ["message/send", "message/stream", "SendMessage", "SendStreamingMessage"])
def test_a_message_to_an_agent_is_read(method):
    body = a2a(
        method,
        {"kind": "text", "text": "要約 して"},
        {"kind": "file", "file": {"name": "a.txt", "bytes": "5paHIOWtlw=="}},
    )
    reading = read(body, "/")
    assert (reading.kind, reading.dialect, reading.parse) == ("agent", "a2a", "parsed")
    assert (reading.prompt, reading.conversation, reading.stream) == ("要約 して", "ctx", "tream" in method)
    assert [(one.name, one.read) for one in reading.attachments] == [("a.txt", True)]
    assert "文 字" in reading.texts


def test_a_message_to_an_agent_over_plain_http_is_read():
    body = {"message": {"role": "ROLE_USER", "parts": [{"text": "要約 して"}, {"data": {"a": 1}}]}}
    reading = read(body, "/v1/message:send")
    assert (reading.kind, reading.dialect, reading.prompt) == ("agent", "a2a", '要約 して{"a": 1}')


@pytest.mark.parametrize("path", ["/.well-known/agent-card.json", "/.well-known/agent.json"])
def test_the_card_of_an_agent_is_a_request_to_it(path):
    reading = read_request(head(path, "GET"), b"")
    assert (reading.kind, reading.dialect, reading.parse) == ("agent", "a2a", "parsed")
    card = json.dumps({"name": "Agent", "skills": [{"description": "Does a thing"}]}).encode()
    assert answer("a2a", card, JSON_TYPE).parse == "parsed"


def text(words: str) -> dict[str, str]:
    return {"kind": "text", "text": words}


@pytest.mark.parametrize(
    ("body", "media_type", "output", "reason"),
    [
        pytest.param(json.dumps(result(kind="message", role="agent", parts=[text("要約"), text("です")])).encode(), JSON_TYPE, "要約です", "", id="a message"),
        pytest.param(
            json.dumps(result(kind="task", id="t", status={"state": "completed"}, artifacts=[{"artifactId": "a", "parts": [text("要約です")]}])).encode(),
            JSON_TYPE,
            "要約です",
            "completed",
            id="a task",
        ),
        pytest.param(
            sse(
                result(kind="task", id="t", status={"state": "submitted"}),
                result(kind="status-update", taskId="t", status={"state": "working", "message": {"parts": [text("Looking it up.")]}}),
                result(kind="artifact-update", taskId="t", artifact={"artifactId": "a", "parts": [text("要約")]}),
                result(kind="artifact-update", taskId="t", append=True, artifact={"artifactId": "a", "parts": [text("です")]}),
                result(kind="status-update", taskId="t", status={"state": "completed"}, final=True),
            ),
            SSE,
            "要約です",
            "completed",
            id="updates",
        ),
        pytest.param(
            sse(result(statusUpdate={"taskId": "t", "status": {"state": "TASK_STATE_INPUT_REQUIRED", "message": {"parts": [{"text": "Which one?"}]}}})),
            SSE,
            "Which one?",
            "TASK_STATE_INPUT_REQUIRED",
            id="a question",
        ),
    ],
)  # fmt: skip
def test_the_answer_of_an_agent_is_read(body, media_type, output, reason):
    reading = answer("a2a", body, media_type)
    assert (reading.parse, reading.output, reading.finish_reason) == ("parsed", output, reason)
    assert answer("a2a", body, media_type, size=5) == reading


JSON = st.recursive(
    st.none() | st.integers(-2, 3) | st.sampled_from(["2.0", "tools/call", "message/send", "a b", "text", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["jsonrpc", "method", "params", "result", "error", "content", "message", "parts", "type", "text", "kind",
                 "status", "artifacts", "artifact", "messages", "data", "file", "name", "arguments", "id", "structuredContent"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=120)
@given(JSON)
def test_no_json_makes_an_agents_reader_stumble(value):
    written = json.dumps(value).encode()
    for method in ("tools/call", "message/send"):
        wrapped = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": value, "result": value}
        ).encode()
        for body in (written, wrapped):
            told = list(read_request(head(), body).skipped)
            told += [*answer("mcp", body, JSON_TYPE).skipped, *answer("a2a", body, JSON_TYPE).skipped]
            assert not any(skipped.startswith("reader:") for skipped in told)
