"""What the pages of consumer services put on the wire, each dialect with requests and answers of our own."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.wire.model import Head, RequestReading, ResponseReading, Usage
from sekimori.wire.read import read_request, read_response
from sekimori.wire.reader import ResponseReader

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
SSE = "text/event-stream"


def head(path: str, media_type: str = JSON_TYPE, method: str = "POST") -> Head:
    return Head(method, "host.example", path, (("content-type", media_type),))


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def sse(*events: object) -> bytes:
    """Write events: a pair is a named one, a string is data as it stands."""
    lines = []
    for event in events:
        name, data = event if isinstance(event, tuple) else ("", event)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        lines.append((f"event: {name}\n" if name else "") + f"data: {text}\n\n")
    return "".join(lines).encode()


def envelope(value: object, flags: int = 0) -> bytes:
    payload = dumps(value)
    return bytes([flags]) + len(payload).to_bytes(4) + payload


def google(*frames: object) -> bytes:
    """Write frames as Google does: the length counts UTF-16 units, and the line break before."""
    parts = [")]}'\n"]
    for frame in frames:
        text = json.dumps([["wrb.fr", None, json.dumps(frame, ensure_ascii=False)]], ensure_ascii=False)
        parts.append(f"\n{len(text.encode('utf-16-le')) // 2 + 2}\n{text}")
    return "".join(parts).encode()


def multipart(fields: dict[str, str], file: tuple[str, bytes] | None = None) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file:
        parts.append(
            f'--b\r\nContent-Disposition: form-data; name="files"; filename="{file[0]}"\r\n'.encode()
            + b"Content-Type: image/png\r\n\r\n"
            + file[1]
            + b"\r\n"
        )
    return b"".join(parts) + b"--b--\r\n"


MULTIPART = "multipart/form-data; boundary=b"
PNG = b"\x89PNG\r\n\x1a\n\x00"
CHATGPT = {
    "action": "next",
    "messages": [
        {
            "id": "m1",
            "author": {"role": "user"},
            "content": {"content_type": "text", "parts": ["議事録を要約して ください"]},
            "metadata": {},
        }
    ],
    "parent_message_id": "client-created-root",
    "conversation_id": "conv-1",
    "model": "gpt-5",
    "supported_encodings": ["v1"],
}
GEMINI = [
    ["議事録を要約して ください", 0, None, [[["https://img.example/x", 1], "図.png"]]],
    ["ja"],
    ["c_1", "r_1", "rc_1"],
    "!token",
]
PROMPT = "議事録を要約して ください"

REQUESTS = [
    pytest.param(head("/backend-api/f/conversation"), dumps(CHATGPT), "chatgpt-web", "gpt-5", id="ChatGPT"),
    pytest.param(head("/backend-api/conversation"), dumps(CHATGPT), "chatgpt-web", "gpt-5", id="ChatGPT, older"),
    pytest.param(head("/backend-anon/conversation"), dumps(CHATGPT), "chatgpt-web", "gpt-5", id="ChatGPT, logged out"),
    pytest.param(
        head("/api/organizations/o/chat_conversations/c/completion"),
        dumps({"prompt": PROMPT, "model": "claude-sonnet", "timezone": "Asia/Tokyo", "attachments": [], "files": [], "rendering_mode": "messages"}),
        "claude-web",
        "claude-sonnet",
        id="Claude",
    ),
    pytest.param(
        head("/u/1/_/BardChatUi/data/assistant.lamda.BardFrontendService/StreamGenerate?rt=c", FORM_TYPE),
        urlencode({"f.req": json.dumps([None, json.dumps(GEMINI)]), "at": "AN:1"}).encode(),
        "gemini-web",
        None,
        id="Gemini",
    ),
    pytest.param(
        head("/api/v0/chat/completion"),
        dumps({"chat_session_id": "s", "parent_message_id": None, "prompt": PROMPT, "ref_file_ids": [], "thinking_enabled": True}),
        "deepseek-web",
        None,
        id="DeepSeek",
    ),
    pytest.param(
        head("/rest/sse/perplexity_ask"),
        dumps({"params": {"version": "2.18", "mode": "concise", "model_preference": "turbo", "dsl_query": PROMPT}, "query_str": PROMPT}),
        "perplexity-web",
        "turbo",
        id="Perplexity",
    ),
    pytest.param(
        head("/rest/app-chat/conversations/new"),
        dumps({"temporary": False, "modelName": "grok-4", "message": PROMPT, "fileAttachments": [], "toolOverrides": {}}),
        "grok-web",
        "grok-4",
        id="Grok",
    ),
    pytest.param(
        head("/rest/app-chat/conversations/c1/responses"), dumps({"modeId": "auto", "message": PROMPT}), "grok-web", "auto", id="Grok, next turn",
    ),
    pytest.param(
        head("/2/grok/add_response.json"),
        dumps({"responses": [{"message": PROMPT, "sender": 1}], "grokModelOptionId": "grok-3"}),
        "grok-web",
        "grok-3",
        id="Grok in X",
    ),
    pytest.param(
        head("/api/graphql/", FORM_TYPE),
        urlencode({"fb_api_req_friendly_name": "useAbraSendMessageMutation", "doc_id": "1", "variables": json.dumps({"message": {"sensitive_string_value": PROMPT}, "externalConversationId": "x"})}).encode(),
        "meta-web",
        None,
        id="Meta",
    ),
    pytest.param(
        head("/api/v2/chat/completions?chat_id=1"),
        dumps({"stream": True, "chat_id": "1", "chat_mode": "normal", "model": "qwen3-max", "messages": [{"fid": "f", "role": "user", "content": PROMPT, "feature_config": {"thinking_enabled": True}, "models": ["qwen3-max"], "files": []}]}),
        "qwen-web",
        "qwen3-max",
        id="Qwen",
    ),
    pytest.param(
        head("/apiv2/kimi.gateway.chat.v1.ChatService/Chat", "application/connect+json"),
        envelope({"scenario": "SCENARIO_K2", "message": {"role": "user", "blocks": [{"text": {"content": PROMPT}}]}, "options": {"thinking": False}}),
        "kimi-web",
        None,
        id="Kimi",
    ),
    pytest.param(
        head("/api/chat/c1/completion/stream"),
        dumps({"messages": [{"role": "user", "content": PROMPT}], "refs": [], "use_search": True}),
        "kimi-web",
        None,
        id="Kimi, older",
    ),
    pytest.param(
        head("/api/chat"),
        dumps({"chatId": "c", "mode": "append", "messageInput": [{"type": "text", "text": PROMPT}], "messageFiles": [], "features": ["beta-websearch"]}),
        "lechat-web",
        None,
        id="Le Chat",
    ),
    pytest.param(
        head("/api/trpc/message.newChat?batch=1"),
        dumps({"0": {"json": {"content": [{"type": "text", "text": PROMPT}], "agentId": None, "files": []}}}),
        "lechat-web",
        None,
        id="Le Chat, first turn",
    ),
    pytest.param(
        head("/api/gql_POST"),
        dumps({"queryName": "chatHelpers_sendMessageMutation_Mutation", "variables": {"chatId": 7, "bot": "claude", "query": PROMPT, "clientNonce": "n"}, "extensions": {"hash": "h"}}),
        "poe-web",
        "claude",
        id="Poe",
    ),
    pytest.param(
        head("/chat/conversation/abc", MULTIPART),
        multipart({"data": json.dumps({"inputs": PROMPT, "id": "x", "is_retry": False}, ensure_ascii=False)}),
        "huggingchat-web",
        None,
        id="HuggingChat",
    ),
    pytest.param(
        head("/duckchat/v1/chat"),
        dumps({"model": "gpt-5-mini", "messages": [{"role": "user", "content": PROMPT}], "canUseTools": True}),
        "duck-web",
        "gpt-5-mini",
        id="Duck.ai",
    ),
    pytest.param(
        head(f"/api/streamingSearch?q={quote(PROMPT)}&domain=youchat&selectedAiModel=gpt_5&chat=%5B%5D", method="GET"),
        b"",
        "you-web",
        "gpt_5",
        id="You.com",
    ),
    pytest.param(head("/api/chat"), dumps({"text": PROMPT, "conversation": "c"}), "pi-web", None, id="Pi"),
    pytest.param(
        head("/github/chat/threads/t1/messages"),
        dumps({"content": PROMPT, "intent": "conversation", "references": [], "model": "gpt-5", "streaming": True}),
        "github-copilot-web",
        "gpt-5",
        id="Copilot on github.com",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("head", "body", "dialect", "model"), REQUESTS)
def test_the_prompt_of_a_page_is_read(head, body, dialect, model):
    reading = read_request(head, body)
    assert (reading.kind, reading.dialect, reading.parse, reading.skipped) == (
        "generate",
        dialect,
        "parsed",
        (),
    )
    assert (reading.prompt, reading.model) == (PROMPT, model)
    assert any(PROMPT in text for text in reading.texts)
    assert reading.model_certain == (model is not None)


def delta(**members: object) -> tuple[str, object]:
    return ("delta", members)


CHATGPT_STREAM = sse(
    ("delta_encoding", '"v1"'),
    {"type": "resume_conversation_token", "token": "t"},
    delta(p="", o="add", v={"message": {"id": "u", "author": {"role": "user"}, "content": {"content_type": "text", "parts": ["hello you"]}}}, c=0),
    {"type": "input_message", "input_message": {"content": {"parts": ["hello you"]}}},
    delta(p="", o="add", v={"message": {"id": "t", "author": {"role": "assistant"}, "channel": "analysis", "recipient": "all", "content": {"content_type": "text", "parts": [""]}}}, c=1),
    delta(p="/message/content/parts/0", o="append", v="Let me "),
    delta(v="think."),
    delta(p="", o="add", v={"message": {"id": "a", "author": {"role": "assistant"}, "channel": "final", "recipient": "all", "content": {"content_type": "text", "parts": [""]}, "metadata": {"model_slug": "gpt-5"}}}, c=2),
    {"type": "message_marker", "marker": "user_visible_token"},
    delta(p="/message/content/parts/0", o="append", v="こん"),
    delta(v="にちは"),
    delta(p="", o="patch", v=[{"p": "/message/content/parts/0", "o": "append", "v": "!"}, {"p": "/message/status", "o": "replace", "v": "finished_successfully"}, {"p": "/message/end_turn", "o": "replace", "v": True}]),
    {"type": "message_stream_complete", "conversation_id": "c"},
    "[DONE]",
)  # fmt: skip
CHATGPT_OLD = sse(
    {"message": {"id": "a", "author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["こん"]}}, "error": None},
    {"message": {"id": "a", "author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["こんにちは"]}, "metadata": {"model_slug": "gpt-4", "finish_details": {"type": "stop"}}}, "error": None},
    "[DONE]",
)  # fmt: skip
CLAUDE_STREAM = sse(
    ("message_start", {"type": "message_start", "message": {"id": "m", "model": "claude-sonnet", "usage": {"input_tokens": 3}}}),
    ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "こんにちは"}}),
    ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    ("message_limit", {"type": "message_limit", "message_limit": {"type": "within_limit"}}),
    ("message_stop", {"type": "message_stop"}),
)  # fmt: skip
CLAUDE_OLD = sse(
    ("completion", {"type": "completion", "completion": "こん", "stop_reason": None, "model": "claude-2"}),
    ("completion", {"type": "completion", "completion": "にちは", "stop_reason": "stop_sequence"}),
)


def gemini_frame(text: str, thoughts: str = "") -> list[object]:
    candidate: list[object] = ["rc_1", [text]] + [None] * 36
    candidate[37:] = [[[thoughts]]] if thoughts else []
    return [None, ["c_1", "r_2"], None, None, [candidate]]


DEEPSEEK_STREAM = sse(
    ("ready", {"request_message_id": 1, "response_message_id": 2}),
    {"v": {"response": {"message_id": 2, "role": "ASSISTANT", "status": "WIP", "fragments": []}}},
    {"v": [{"v": [{"id": 1, "type": "THINK", "content": "Let me "}], "p": "fragments", "o": "APPEND"}], "p": "response", "o": "BATCH"},
    {"v": "think.", "p": "response/fragments/-1/content", "o": "APPEND"},
    {"v": [{"id": 2, "type": "RESPONSE", "content": "こん"}], "p": "response/fragments", "o": "APPEND"},
    {"v": "に", "p": "response/fragments/1/content"},
    {"v": "ちは"},
    {"v": [{"v": "FINISHED", "p": "status"}, {"v": 115, "p": "accumulated_token_usage"}], "p": "response", "o": "BATCH"},
    ("finish", {}),
    ("title", {"content": "A title of it"}),
    ("close", {"click_behavior": "none"}),
)  # fmt: skip
DEEPSEEK_OLD = sse(
    {"v": {"response": {"message_id": 2, "content": "", "thinking_content": "Let me "}}},
    {"v": "think.", "p": "response/thinking_content", "o": "APPEND"},
    {"v": "こん", "p": "response/content"},
    {"v": "にちは"},
    {"p": "response/status", "o": "SET", "v": "FINISHED"},
)
PERPLEXITY_STREAM = sse(
    ("message", {"backend_uuid": "b", "blocks": [{"intended_usage": "plan", "plan_block": {"goals": [{"description": "Look it up"}]}}]}),
    ("message", {"blocks": [{"intended_usage": "ask_text", "diff_block": {"field": "markdown_block", "patches": [{"op": "replace", "path": "", "value": {"progress": "IN_PROGRESS", "chunks": ["こん"]}}]}}]}),
    ("message", {"blocks": [{"intended_usage": "ask_text", "diff_block": {"field": "markdown_block", "patches": [{"op": "add", "path": "/chunks/1", "value": "にちは"}]}}]}),
    ("message", {"display_model": "turbo", "status": "COMPLETED", "final_sse_message": True, "blocks": []}),
    ("end_of_stream", {}),
)  # fmt: skip
PERPLEXITY_CHUNKS = sse(
    {"blocks": [{"intended_usage": "ask_text", "markdown_block": {"chunks": ["こん"], "chunk_starting_offset": 0}}]},
    {"blocks": [{"intended_usage": "ask_text", "markdown_block": {"chunks": ["にちは"], "chunk_starting_offset": 1}}]},
    {"status": "COMPLETED", "display_model": "turbo", "blocks": [{"intended_usage": "ask_text", "markdown_block": {"answer": "こんにちは", "chunks": ["こん", "にちは"], "chunk_starting_offset": 0}}]},
)  # fmt: skip
GROK_STREAM = b"".join(
    dumps({"result": result})
    for result in (
        {"conversation": {"conversationId": "c"}},
        {"response": {"userResponse": {"message": "hello you"}}},
        {"response": {"token": "Let me think.", "isThinking": True}},
        {"response": {"token": "こん", "messageTag": "final"}},
        {"response": {"token": "にちは", "messageTag": "final"}},
        {"response": {"modelResponse": {"message": "こんにちは", "model": "grok-4", "responseId": "r"}}},
    )
)
META_STREAM = b"\n".join(
    dumps(
        {"data": {"node": {"bot_response_message": {"id": "m", "snippet": text, "streaming_state": state}}}}
    )
    for text, state in (("こん", "STREAMING"), ("こんにちは", "OVERALL_DONE"))
)
QWEN_STREAM = sse(
    {"response.created": {"chat_id": "1", "response_id": "r"}},
    {"choices": [{"delta": {"role": "assistant", "content": "Let me think.", "phase": "think", "status": "typing"}}]},
    {"choices": [{"delta": {"content": "こん", "phase": "answer", "status": "typing"}}]},
    {"choices": [{"delta": {"content": "にちは", "phase": "answer", "status": "finished"}}], "usage": {"input_tokens": 3, "output_tokens": 4}},
)  # fmt: skip
KIMI_STREAM = b"".join(
    (
        envelope({"heartbeat": {}}),
        envelope({"op": "set", "mask": "message", "message": {"id": "a", "role": "assistant", "status": "MESSAGE_STATUS_GENERATING"}}),
        envelope({"op": "set", "mask": "block.think", "block": {"id": "0", "think": {"content": "Let me "}}}),
        envelope({"op": "append", "mask": "block.think.content", "block": {"id": "0", "think": {"content": "think."}}}),
        envelope({"op": "set", "mask": "block.text", "block": {"id": "1", "text": {"content": "こん"}}}),
        envelope({"op": "append", "mask": "block.text.content", "block": {"id": "1", "text": {"content": "にちは"}}}),
        envelope({"op": "set", "mask": "message.status", "message": {"id": "a", "role": "assistant", "status": "MESSAGE_STATUS_COMPLETED"}}),
        envelope({}, 2),
    )
)  # fmt: skip
LECHAT_STREAM = b'f:{"messageId":"m"}\n0:"\xe3\x81\x93\xe3\x82\x93"\n0:"\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf"\nd:{"finishReason":"stop","usage":{"promptTokens":3,"completionTokens":4}}\n'
LECHAT_PATCHES = b"\n".join(
    b"15:" + dumps({"json": {"type": "message", "messageId": "m", "patches": patches}})
    for patches in (
        [{"op": "replace", "path": "/contentChunks", "value": [{"type": "text", "text": "こん"}]}],
        [{"op": "append", "path": "/contentChunks/0/text", "value": "にちは"}],
    )
)
HUGGINGCHAT_STREAM = b"\n".join(
    dumps(event)
    for event in (
        {"type": "status", "status": "started"},
        {"type": "stream", "token": "こん\0\0\0"},
        {"type": "stream", "token": "に"},
        {"type": "title", "title": "A title of it"},
        {"type": "finalAnswer", "text": "こんにちは", "interrupted": False},
    )
)
DUCK_STREAM = sse(
    {"role": "assistant", "message": "こん", "id": "x", "action": "success", "model": "gpt-5-mini"},
    {"message": "にちは"},
    "[DONE]",
)
YOU_STREAM = sse(
    ("youChatSearchResults", {"search": [{"name": "Somebody else's words"}]}),
    ("youChatToken", {"youChatToken": "こん"}),
    ("youChatToken", {"youChatToken": "にちは"}),
    ("done", "I'm Mr. Meeseeks. Look at me."),
)
PI_STREAM = sse(
    ("received", {"sid": "s", "text": "hello you"}),
    ("partial", {"text": "こん"}),
    ("partial", {"text": "にちは"}),
    ("message", {"sid": "m", "text": "こんにちは"}),
)
COPILOT_STREAM = sse(
    {"type": "functionCall", "id": "1", "name": "bing-search", "arguments": '{"q":1}', "status": "started"},
    {"type": "content", "body": "こん"},
    {"type": "content", "body": "にちは"},
    {"type": "complete", "id": "m", "content": "こんにちは", "model": "gpt-5"},
)

ANSWERS = [
    pytest.param("chatgpt-web", SSE, CHATGPT_STREAM, "Let me think.", "stop", "gpt-5", id="ChatGPT"),
    pytest.param("chatgpt-web", SSE, CHATGPT_OLD, "", "stop", "gpt-4", id="ChatGPT, older"),
    pytest.param("claude-web", SSE, CLAUDE_STREAM, "", "end_turn", "claude-sonnet", id="Claude"),
    pytest.param("claude-web", SSE, CLAUDE_OLD, "", "stop_sequence", "claude-2", id="Claude, older"),
    pytest.param(
        "gemini-web",
        JSON_TYPE,
        google(gemini_frame("こん", "Let me "), gemini_frame("こんにちは", "Let me think.")),
        "Let me think.",
        "",
        None,
        id="Gemini",
    ),
    pytest.param("deepseek-web", SSE, DEEPSEEK_STREAM, "Let me think.", "FINISHED", None, id="DeepSeek"),
    pytest.param("deepseek-web", SSE, DEEPSEEK_OLD, "Let me think.", "FINISHED", None, id="DeepSeek, older"),
    pytest.param(
        "perplexity-web", SSE, PERPLEXITY_STREAM, "", "COMPLETED", "turbo", id="Perplexity, patches"
    ),
    pytest.param("perplexity-web", SSE, PERPLEXITY_CHUNKS, "", "COMPLETED", "turbo", id="Perplexity, chunks"),
    pytest.param("grok-web", JSON_TYPE, GROK_STREAM, "Let me think.", "stop", "grok-4", id="Grok"),
    pytest.param("meta-web", "text/html", META_STREAM, "", "OVERALL_DONE", None, id="Meta"),
    pytest.param("qwen-web", SSE, QWEN_STREAM, "Let me think.", "stop", None, id="Qwen"),
    pytest.param(
        "kimi-web", "application/connect+json", KIMI_STREAM, "Let me think.", "stop", None, id="Kimi"
    ),
    pytest.param("lechat-web", "text/plain", LECHAT_STREAM, "", "stop", None, id="Le Chat, pieces"),
    pytest.param("lechat-web", "text/plain", LECHAT_PATCHES, "", "", None, id="Le Chat, patches"),
    pytest.param(
        "huggingchat-web", "application/jsonl", HUGGINGCHAT_STREAM, "", "stop", None, id="HuggingChat"
    ),
    pytest.param("duck-web", SSE, DUCK_STREAM, "", "", "gpt-5-mini", id="Duck.ai"),
    pytest.param("you-web", SSE, YOU_STREAM, "", "stop", None, id="You.com"),
    pytest.param("pi-web", SSE, PI_STREAM, "", "", None, id="Pi"),
    pytest.param("github-copilot-web", SSE, COPILOT_STREAM, "", "stop", "gpt-5", id="Copilot on github.com"),
]
STREAMS = [(param.values[0], param.values[1], param.values[2]) for param in ANSWERS]


def answer(
    dialect: str, media_type: str, body: bytes, *, size: int = 0, status: int = 200
) -> ResponseReading:
    request = RequestReading(kind="generate", dialect=dialect)
    reader = ResponseReader(head("/"), request, status, (("content-type", media_type),))
    for at in range(0, len(body), size or max(len(body), 1)):
        reader.feed(body[at : at + (size or len(body))])
    return reader.finish()


@pytest.mark.parametrize(("dialect", "media_type", "body", "reasoning", "reason", "model"), ANSWERS)
def test_an_answer_to_a_page_reads_as_people_see_it(dialect, media_type, body, reasoning, reason, model):
    reading = answer(dialect, media_type, body)
    assert (reading.parse, reading.skipped) == ("parsed", ())
    assert reading.output.rstrip("!") == "こんにちは"
    assert (reading.reasoning, reading.finish_reason, reading.model) == (reasoning, reason, model)


@pytest.mark.parametrize(("dialect", "media_type", "body"), STREAMS, ids=[param.id for param in ANSWERS])
def test_where_the_network_cuts_an_answer_to_a_page_is_no_matter(dialect, media_type, body):
    whole = answer(dialect, media_type, body)
    for size in (1, 5, 64):
        assert answer(dialect, media_type, body, size=size) == whole


@pytest.mark.parametrize(
    ("dialect", "status", "body", "error"),
    [
        ("chatgpt-web", 429, {"detail": "Too many requests"}, "Too many requests"),
        ("deepseek-web", 200, {"code": 40003, "msg": "INVALID_TOKEN", "data": None}, "INVALID_TOKEN"),
        ("gemini-web", 200, google() + b'\n9\n[["wrb.fr",null,null,null,null,[1060]]]', "error [1060]"),
        ("qwen-web", 200, {"success": False, "data": {"code": "Forbidden", "details": "not now"}}, "not now"),
        ("kimi-web", 401, {"code": "unauthenticated", "message": "sign in first"}, "sign in first"),
        ("meta-web", 200, {"errors": [{"message": "Rate limited"}]}, "Rate limited"),
        ("grok-web", 200, {"error": {"code": 8, "message": "Too many requests"}}, "Too many requests"),
        ("huggingchat-web", 400, {"message": "no such model"}, "no such model"),
        ("duck-web", 200, sse({"action": "error", "type": "ERR_CHALLENGE"}), "ERR_CHALLENGE"),
        ("lechat-web", 200, b'3:"something broke"\n', "something broke"),
        ("poe-web", 200, {"errors": [{"message": "out of points"}], "data": None}, "out of points"),
    ],
)
def test_an_error_of_a_page_is_read_as_one(dialect, status, body, error):
    written = body if isinstance(body, bytes) else dumps(body)
    media_type = SSE if written.startswith(b"data:") else JSON_TYPE
    reading = answer(dialect, media_type, written, status=status)
    assert (reading.error, reading.output) == (error, "")


def test_a_patch_that_has_no_place_makes_an_answer_partial():
    stream = sse(("delta_encoding", '"v1"'), delta(p="/message/content/parts/0", o="append", v="lost words"))
    reading = answer("chatgpt-web", SSE, stream)
    assert (reading.parse, reading.skipped) == ("partial", ("patch: it has no place",))


def test_the_files_of_a_page_are_attachments():
    message = {
        "author": {"role": "user"},
        "content": {"content_type": "multimodal_text", "parts": [{"asset_pointer": "file-service://file-1", "size_bytes": 9}, "see it"]},
        "metadata": {"attachments": [{"id": "file-1", "name": "図.png"}, {"id": "file-2", "name": "表.xlsx"}]},
    }  # fmt: skip
    reading = read_request(head("/backend-api/f/conversation"), dumps({**CHATGPT, "messages": [message]}))
    assert [(one.reference, one.name, one.read) for one in reading.attachments] == [
        ("file-service://file-1", "図.png", False),
        ("file-2", "表.xlsx", False),
    ]
    claude = {
        "prompt": "see it",
        "attachments": [{"file_name": "a.txt", "extracted_content": "部外秘 の文"}],
        "files": ["uuid-1"],
    }
    reading = read_request(head("/api/organizations/o/chat_conversations/c/completion"), dumps(claude))
    assert [(one.name, one.reference, one.read) for one in reading.attachments] == [
        ("a.txt", "", True),
        ("", "uuid-1", False),
    ]
    assert "部外秘 の文" in reading.texts
    hugging = multipart({"data": '{"inputs":"see it"}'}, ("図.png", PNG))
    reading = read_request(head("/chat/conversation/abc", MULTIPART), hugging)
    assert [(one.name, one.media_type, one.size) for one in reading.attachments] == [
        ("図.png", "image/png", 9)
    ]
    assert (reading.prompt, reading.parse) == ("see it", "parsed")


@pytest.mark.parametrize(
    ("head", "body", "skipped"),
    [
        pytest.param(head("/backend-api/f/conversation"), dumps({**CHATGPT, "brand_new": "some words"}), "brand_new", id="ChatGPT"),
        pytest.param(
            head("/x/assistant.lamda.BardFrontendService/StreamGenerate", FORM_TYPE),
            urlencode({"f.req": json.dumps([None, json.dumps([*GEMINI, ["words of whom"]])])}).encode(),
            "f.req[4]",
            id="Gemini",
        ),
        pytest.param(
            head("/api/graphql", FORM_TYPE),
            urlencode({"variables": json.dumps({"message": {"sensitive_string_value": "a", "second": "some words"}})}).encode(),
            "variables.message.second",
            id="Meta",
        ),
        pytest.param(head("/rest/sse/perplexity_ask"), dumps({"query_str": "a", "params": {"dsl_query": "other words"}}), "a second query", id="Perplexity"),
    ],
)  # fmt: skip
def test_words_that_a_page_hides_elsewhere_make_its_request_partial(head, body, skipped):
    reading = read_request(head, body)
    assert (reading.kind, reading.parse, reading.skipped) == ("generate", "partial", (skipped,))


@pytest.mark.parametrize(
    ("head", "body"),
    [
        pytest.param(head("/api/chat"), {"model": "llama3", "messages": [{"role": "user", "content": "hi"}]}, id="Ollama's chat"),
        pytest.param(head("/v1/chat/completions"), {"model": "a", "messages": [{"role": "user", "content": "hi"}]}, id="OpenAI's chat"),
        pytest.param(head("/v1/threads/t/messages"), {"role": "user", "content": "hi"}, id="a thread of OpenAI"),
        pytest.param(head("/api/graphql"), {"query": "{viewer{id}}", "variables": {"message": {"text": "hi you"}}}, id="somebody's GraphQL"),
        pytest.param(head("/rpc"), {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": []}, id="somebody's JSON-RPC"),
    ],
)  # fmt: skip
def test_what_only_resembles_a_page_is_not_taken_for_one(head, body):
    assert not read_request(head, dumps(body)).dialect.endswith(("-web", "mcp", "a2a", "amazon-q"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | st.sampled_from(["", "a b", "add", "/message", "[[1]]", "final"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["v", "p", "o", "c", "message", "content", "parts", "author", "blocks", "block", "diff_block", "patches",
                 "path", "op", "value", "result", "response", "choices", "delta", "text", "type", "data", "node", "json",
                 "fragments", "variables", "event", "id", "error", "params", "messages", "token", "modelResponse"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=14,
)  # fmt: skip
HEADS: list[Any] = [param.values[0] for param in REQUESTS]
PATHS = [(head.path, head.headers) for head in HEADS]
WEB = sorted({str(param.values[0]) for param in ANSWERS})


@settings(max_examples=25)
@given(JSON)
@pytest.mark.parametrize(("path", "headers"), PATHS, ids=[param.id for param in REQUESTS])
def test_no_json_makes_a_page_reader_stumble(path, headers, value):
    body = urlencode(
        {"f.req": json.dumps([None, json.dumps(value)]), "variables": json.dumps(value)}
    ).encode()
    for written in (dumps(value), body, envelope(value), multipart({"data": json.dumps(value)})):
        reading = read_request(Head("POST", "host.example", path, headers), written)
        assert not any(skipped.startswith("reader:") for skipped in reading.skipped)


@settings(max_examples=25)
@given(st.lists(JSON, max_size=5))
@pytest.mark.parametrize("dialect", WEB)
def test_no_json_makes_a_page_reader_stumble_over_an_answer(dialect, values):
    lines = b"\n".join(map(dumps, values))
    marked = b"".join(b"15:" + dumps(value) + b"\n" for value in values)
    for media_type, body in (
        (SSE, sse(*values)),
        (JSON_TYPE, lines),
        (JSON_TYPE, google(*values)),
        ("application/connect+json", b"".join(map(envelope, values))),
        ("text/plain", marked),
    ):
        reading = answer(dialect, media_type, body)
        assert not any(skipped.startswith("reader:") for skipped in reading.skipped)
        assert answer(dialect, media_type, body, size=3) == reading


def test_a_whole_exchange_goes_through_the_public_readers():
    request = read_request(head("/api/v0/chat/completion"), dumps({"prompt": PROMPT, "chat_session_id": "s"}))
    response = read_response(head("/"), request, 200, (("content-type", SSE),), DEEPSEEK_STREAM)
    assert (request.conversation, response.output) == ("s", "こんにちは")
    assert response.usage == Usage(total_tokens=115)
