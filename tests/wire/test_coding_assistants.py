"""What coding assistants put on the wire, each dialect with requests and answers of our own."""

import base64
import gzip
import json
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.wire.model import Head, RequestReading, ToolCall
from sekimori.wire.read import read_request
from sekimori.wire.reader import ResponseReader

JSON_TYPE = "application/json"
CONNECT = "application/connect+proto"
SSE = "text/event-stream"
PROMPT = "この関数を 直して"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\x00").decode()


def head(path: str, media_type: str = JSON_TYPE, *fields: tuple[str, str]) -> Head:
    return Head("POST", "host.example", path, (("content-type", media_type), *fields))


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def sse(*events: object) -> bytes:
    lines = []
    for event in events:
        name, data = event if isinstance(event, tuple) else ("", event)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        lines.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
    return "".join(lines).encode()


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    payload = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def envelope(payload: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(payload).to_bytes(4) + payload


def aws(kind: str, payload: object, message_type: str = "event") -> bytes:
    """Write a message of an AWS event stream."""
    fields = b""
    for name, value in ((":message-type", message_type), (f":{message_type}-type", kind)):
        fields += bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2) + value.encode()
    body = dumps(payload)
    prelude = (len(fields) + len(body) + 16).to_bytes(4) + len(fields).to_bytes(4)
    message = prelude + crc32(prelude).to_bytes(4) + fields + body
    return message + crc32(message).to_bytes(4)


CURSOR = field(
    1,
    field(1, field(1, "What is this?") + field(2, 1) + field(13, "b1c2"))
    + field(1, field(1, "A function.") + field(2, 2))
    + field(1, field(1, PROMPT) + field(2, 1))
    + field(3, field(1, "Be short, please."))
    + field(5, field(1, "claude-4-sonnet"))
    + field(23, "conv-1"),
)
CURSOR_OLD = (
    field(2, field(1, PROMPT) + field(2, 1))
    + field(4, field(1, "Be short, please."))
    + field(7, field(1, "gpt-4"))
)
WINDSURF = (
    field(1, field(1, "windsurf") + field(3, "key"))
    + field(2, "Be short, please.")
    + field(3, field(1, "m1") + field(2, 1) + field(3, PROMPT))
)
JETBRAINS = {
    "prompt": "ij.chat.request.new-chat-on-start",
    "profile": "anthropic-claude-4-sonnet",
    "chat": {
        "messages": [
            {"type": "system_message", "content": "Be short, please."},
            {"type": "assistant_message_tool", "id": "t1", "toolName": "read", "content": '{"path":"a"}'},
            {"type": "tool_message", "id": "t1", "toolName": "read", "result": "its text"},
            {"type": "user_message", "content": PROMPT},
        ]
    },
    "parameters": {"data": [{"type": "json", "fqdn": "llm.parameters.tools"}, {"type": "json", "value": '[{"name":"read"}]'}]},
}  # fmt: skip
CODE_ASSIST = {
    "model": "gemini-2.5-pro",
    "project": "p",
    "user_prompt_id": "u",
    "request": {
        "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
        "systemInstruction": {"parts": [{"text": "Be short, please."}]},
        "session_id": "s-1",
    },
}
AMAZON_Q = {
    "conversationState": {
        "chatTriggerType": "MANUAL",
        "conversationId": "c-1",
        "currentMessage": {
            "userInputMessage": {
                "content": PROMPT,
                "modelId": "CLAUDE_SONNET_4",
                "origin": "AI_EDITOR",
                "images": [{"format": "png", "source": {"bytes": PNG}}],
                "userInputMessageContext": {
                    "editorState": {"document": {"relativeFilePath": "a.py", "text": "def a(): pass"}},
                    "toolResults": [{"toolUseId": "t1", "content": [{"text": "its text"}], "status": "success"}],
                    "tools": [{"toolSpecification": {"name": "fsRead", "description": "Reads a file."}}],
                },
            }
        },
        "history": [
            {"userInputMessage": {"content": "What is this?"}},
            {"assistantResponseMessage": {"content": "A function.", "toolUses": [{"toolUseId": "t1", "name": "fsRead", "input": {"path": "a"}}]}},
        ],
    },
    "profileArn": "arn:aws:x",
}  # fmt: skip
CODY = {
    "model": "anthropic::2024-10-22::claude-sonnet",
    "maxTokensToSample": 4000,
    "messages": [{"speaker": "system", "text": "Be short, please."}, {"speaker": "human", "text": PROMPT}],
}
INLINE = {
    "prompt": PROMPT,
    "suffix": "\n    return a",
    "max_tokens": 50,
    "temperature": 0,
    "top_p": 1,
    "n": 1,
    "stop": ["\n"],
    "nwo": "a/b",
    "stream": True,
    "extra": {"language": "python", "next_indent": 0, "trim_by_indentation": True},
}
CHAT = "/aiserver.v1.ChatService/StreamUnifiedChatWithTools"

REQUESTS = [
    pytest.param(head(CHAT, CONNECT), envelope(CURSOR), "cursor", "claude-4-sonnet", id="Cursor"),
    pytest.param(
        head(CHAT, CONNECT),
        envelope(gzip.compress(CURSOR), 1),
        "cursor",
        "claude-4-sonnet",
        id="Cursor, compressed",
    ),
    pytest.param(
        head("/aiserver.v1.AiService/StreamChat", CONNECT),
        envelope(CURSOR_OLD),
        "cursor",
        "gpt-4",
        id="Cursor, older",
    ),
    pytest.param(
        head("/exa.api_server_pb.ApiServerService/GetChatMessage", "application/grpc-web+proto"),
        envelope(WINDSURF),
        "windsurf",
        None,
        id="Windsurf",
    ),
    pytest.param(
        head("/exa.api_server_pb.ApiServerService/GetChatMessage", "application/proto"),
        WINDSURF,
        "windsurf",
        None,
        id="Windsurf, bare",
    ),
    pytest.param(
        head("/user/v5/llm/chat/stream/v8"),
        dumps(JETBRAINS),
        "jetbrains-ai",
        "anthropic-claude-4-sonnet",
        id="JetBrains",
    ),
    pytest.param(
        head("/v1internal:streamGenerateContent?alt=sse"),
        dumps(CODE_ASSIST),
        "gemini-code-assist",
        "gemini-2.5-pro",
        id="Gemini Code Assist",
    ),
    pytest.param(
        head("/generateAssistantResponse"), dumps(AMAZON_Q), "amazon-q", "CLAUDE_SONNET_4", id="Kiro"
    ),
    pytest.param(
        head("/", "application/x-amz-json-1.0"), dumps(AMAZON_Q), "amazon-q", "CLAUDE_SONNET_4", id="Amazon Q"
    ),
    pytest.param(
        head("/.api/completions/stream?api-version=8"),
        dumps(CODY),
        "sourcegraph-cody",
        "anthropic::2024-10-22::claude-sonnet",
        id="Cody",
    ),
]


@pytest.mark.parametrize(("head", "body", "dialect", "model"), REQUESTS)
def test_the_prompt_of_an_assistant_is_read(head, body, dialect, model):
    reading = read_request(head, body)
    assert (reading.kind, reading.dialect, reading.parse, reading.skipped) == (
        "generate",
        dialect,
        "parsed",
        (),
    )
    assert (reading.prompt, reading.model, reading.model_certain) == (PROMPT, model, model is not None)
    assert PROMPT in reading.texts


@pytest.mark.parametrize(("head", "body", "dialect", "model"), [REQUESTS[at] for at in (0, 3, 5, 6, 9)])
def test_the_instructions_of_an_assistant_are_read(head, body, dialect, model):
    reading = read_request(head, body)
    assert [one.text for one in reading.messages if one.role == "system"] == ["Be short, please."], (
        dialect,
        model,
    )


def test_the_inline_completions_of_copilot_are_completions():
    reading = read_request(head("/v1/engines/copilot-codex/completions"), dumps(INLINE))
    assert (reading.kind, reading.dialect) == ("generate", "openai-completions")
    assert (reading.model, reading.prompt, reading.stream) == ("copilot-codex", PROMPT, True)


def test_the_conversation_of_amazon_q_is_read_with_its_tools_and_files():
    reading = read_request(head("/generateAssistantResponse"), dumps(AMAZON_Q))
    assert [(one.role, one.text) for one in reading.messages] == [
        ("user", "What is this?"),
        ("assistant", "A function."),
        ("tool", "its text"),
        ("user", PROMPT),
    ]
    assert reading.messages[1].tool_calls == (ToolCall("t1", "fsRead", '{"path": "a"}'),)
    assert [(one.name, one.media_type, one.read) for one in reading.attachments] == [
        ("", "image/png", False),
        ("a.py", "text/plain", True),
    ]
    assert (reading.tools, reading.conversation) == (("fsRead",), "c-1")


def test_what_a_protobuf_holds_elsewhere_is_seen_and_makes_the_reading_partial():
    reading = read_request(head(CHAT, CONNECT), envelope(CURSOR + field(9, field(4, "部外秘 のコード"))))
    assert (reading.prompt, reading.parse, reading.skipped) == (PROMPT, "partial", ("field 9.4",))
    assert "部外秘 のコード" in reading.texts


def test_a_picture_in_a_protobuf_makes_the_reading_partial():
    reading = read_request(head(CHAT, CONNECT), envelope(CURSOR + field(9, b"\x89PNG\xff" * 40)))
    assert (reading.parse, reading.skipped) == ("partial", ("field 9",))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x00\x00\x00\x00\xffno", id="cut"),
        pytest.param(envelope(b"\xff\xff"), id="no protobuf"),
    ],
)
def test_envelopes_that_cannot_be_read_are_an_unread_attachment(body):
    reading = read_request(head(CHAT, CONNECT), body)
    assert (reading.parse, reading.model_certain, len(reading.attachments)) == ("unparsed", False, 1)
    assert not reading.attachments[0].read


ANSWERS = [
    pytest.param(
        "cursor",
        CONNECT,
        envelope(field(2, field(25, field(1, "Let me think."))))
        + envelope(gzip.compress(field(2, field(1, "直し"))), 1)
        + envelope(field(2, field(1, "ました")))
        + envelope(b"{}", 2),
        "",
        id="Cursor",
    ),
    pytest.param(
        "windsurf",
        "application/grpc-web+proto",
        envelope(field(1, "m") + field(9, "Let me think."))
        + envelope(field(3, "直し"))
        + envelope(field(3, "ました"))
        + envelope(b"grpc-status: 0\r\n", 0x80),
        "",
        id="Windsurf",
    ),
    pytest.param(
        "jetbrains-ai",
        SSE,
        sse(
            {"type": "Reasoning", "content": "Let me think."},
            {"type": "Content", "content": "直し"},
            {"type": "Content", "content": "ました"},
            {"type": "FinishMetadata", "reason": "stop"},
            {"type": "QuotaMetadata", "spent": {"amount": "1"}},
            "end",
        ),
        "stop",
        id="JetBrains",
    ),
    pytest.param(
        "gemini-code-assist",
        SSE,
        sse(
            *(
                {"response": {"candidates": [{"content": {"parts": [part]}, **end}]}, "traceId": "t"}
                for part, end in (
                    ({"text": "Let me think.", "thought": True}, {}),
                    ({"text": "直し"}, {}),
                    ({"text": "ました"}, {"finishReason": "STOP"}),
                )
            )
        ),
        "STOP",
        id="Gemini Code Assist",
    ),
    pytest.param(
        "amazon-q",
        "application/vnd.amazon.eventstream",
        aws("messageMetadataEvent", {"conversationId": "c-1"})
        + aws("reasoningContentEvent", {"text": "Let me think."})
        + aws("assistantResponseEvent", {"content": "直し"})
        + aws("assistantResponseEvent", {"content": "ました"})
        + aws("meteringEvent", {"unit": "credit", "usage": 0.1}),
        "",
        id="Amazon Q",
    ),
    pytest.param(
        "sourcegraph-cody",
        SSE,
        sse(
            ("completion", {"delta_thinking": {"text": "Let me think."}}),
            ("completion", {"deltaText": "直し"}),
            ("completion", {"deltaText": "ました", "stopReason": "end_turn"}),
            ("done", {}),
        ),
        "end_turn",
        id="Cody",
    ),
]


def answer(dialect, media_type, body, *, size=0, status=200):
    reader = ResponseReader(
        head("/"), RequestReading(kind="generate", dialect=dialect), status, (("content-type", media_type),)
    )
    for at in range(0, len(body), size or max(len(body), 1)):
        reader.feed(body[at : at + (size or len(body))])
    return reader.finish()


@pytest.mark.parametrize(("dialect", "media_type", "body", "reason"), ANSWERS)
def test_an_assistants_answer_reads_as_people_see_it(dialect, media_type, body, reason):
    reading = answer(dialect, media_type, body)
    assert (reading.parse, reading.skipped, reading.error) == ("parsed", (), "")
    assert (reading.output, reading.reasoning) == ("直しました", "Let me think.")
    assert reading.finish_reason == reason


@pytest.mark.parametrize(("dialect", "media_type", "body", "reason"), ANSWERS)
def test_where_the_network_cuts_an_assistants_answer_is_no_matter(dialect, media_type, body, reason):
    for size in (1, 7):
        assert answer(dialect, media_type, body, size=size) == answer(dialect, media_type, body), reason


@pytest.mark.parametrize(
    ("dialect", "media_type", "body"),
    [
        pytest.param(
            "jetbrains-ai",
            SSE,
            sse({"type": "ToolCall", "id": "t1", "name": "read", "content": ""}, {"type": "ToolCall", "content": '{"path":'}, {"type": "ToolCall", "content": '"a"}'}),
            id="JetBrains",
        ),
        pytest.param(
            "amazon-q",
            "application/vnd.amazon.eventstream",
            aws("toolUseEvent", {"toolUseId": "t1", "name": "read"})
            + aws("toolUseEvent", {"toolUseId": "t1", "name": "read", "input": '{"path":'})
            + aws("toolUseEvent", {"toolUseId": "t1", "name": "read", "input": '"a"}', "stop": True}),
            id="Amazon Q",
        ),
    ],
)  # fmt: skip
def test_the_pieces_of_an_assistants_tool_call_are_joined(dialect, media_type, body):
    assert answer(dialect, media_type, body).tool_calls == (ToolCall("t1", "read", '{"path":"a"}'),)


@pytest.mark.parametrize(
    ("dialect", "media_type", "body", "status", "error"),
    [
        pytest.param("cursor", CONNECT, envelope(dumps({"error": {"code": "resource_exhausted", "message": "Slow down"}}), 2), 200, "Slow down", id="Connect's end"),
        pytest.param("windsurf", "application/grpc", envelope(b"grpc-status: 8\r\ngrpc-message: Slow down\r\n", 0x80), 200, "Slow down", id="gRPC's trailers"),
        pytest.param("windsurf", JSON_TYPE, dumps({"code": "unauthenticated", "message": "Sign in"}), 401, "Sign in", id="Connect's error"),
        pytest.param("amazon-q", "application/vnd.amazon.eventstream", aws("throttlingException", {"message": "Slow down"}, "exception"), 200, "Slow down", id="Amazon Q"),
        pytest.param("sourcegraph-cody", SSE, sse(("error", {"error": "Slow down"})), 200, "Slow down", id="Cody"),
    ],
)  # fmt: skip
def test_an_assistants_error_is_read_as_one(dialect, media_type, body, status, error):
    assert answer(dialect, media_type, body, status=status).error == error


@settings(max_examples=60)
@given(st.binary(max_size=120), st.sampled_from([CONNECT, "application/grpc-web-text", "application/proto"]))
@pytest.mark.parametrize("dialect", ["cursor", "windsurf"])
def test_no_bytes_make_an_assistants_reader_stumble(dialect, body, media_type):
    for written in (body, envelope(body), envelope(body, 1), envelope(body, 2)):
        request = read_request(
            head(CHAT if dialect == "cursor" else "/exa.a/GetChatMessage", media_type), written
        )
        told = (*request.skipped, *answer(dialect, media_type, written).skipped)
        assert not any(skipped.startswith("reader:") for skipped in told)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/aiserver.v1.AiService/AvailableModels", "state"),
        ("/aiserver.v1.RepositoryService/FastUpdateFileV2", "other-ai"),
        ("/exa.auth_pb.AuthService/GetUserJwt", "state"),
        ("/exa.api_server_pb.ApiServerService/GetEmbeddings", "other-ai"),
        ("/v1internal:loadCodeAssist", "state"),
        ("/v1internal:generateCode", "generate"),
        ("/v1internal:brandNew", "other-ai"),
    ],
)
def test_what_an_assistant_calls_beside_a_chat_has_a_kind(path, kind):
    media_type = JSON_TYPE if "internal" in path else "application/proto"
    body = b"{}" if "internal" in path else field(1, "x")
    assert read_request(head(path, media_type), body).kind == kind


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(head("/generateAssistantResponse"), {**AMAZON_Q, "modelId": "other"}, id="Amazon Q"),
        pytest.param(
            head("/v1internal:generateContent"),
            {**CODE_ASSIST, "request": {"model": "models/x"}},
            id="Code Assist",
        ),
    ],
)
def test_an_assistants_model_named_twice_is_uncertain(head, body):
    assert not read_request(head, dumps(body)).model_certain
