import gzip
import hashlib
import json
import zlib
from base64 import b64encode

import brotli  # type: ignore[import-untyped]  # ships no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.model import Head, RequestReading, ToolCall
from sekimori.wire.read import read_request

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "議事録を要約して"}]}
MESSAGES = {"model": "claude-sonnet", "max_tokens": 9, "messages": [{"role": "user", "content": "要約して"}]}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "要約して"}]}]}


def read(path: str, body: object = b"", *, method: str = "POST", **fields: str) -> RequestReading:
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_request(Head(method, "host.example", path, headers), raw)


def chat(body: object, **fields: str) -> RequestReading:
    return read("/v1/chat/completions", body, **fields)


def user(*parts: object) -> dict[str, object]:
    return {**CHAT, "messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("path", "body", "kind", "dialect", "model"),
    [
        pytest.param("/v1/chat/completions", CHAT, "generate", "openai-chat", "gpt-4o", id="chat"),
        pytest.param(
            "/api/v3/chat/completions?x=1", CHAT, "generate", "openai-chat", "gpt-4o", id="other prefix"
        ),
        pytest.param(
            "//openai//chat/completions", CHAT, "generate", "openai-chat", "gpt-4o", id="doubled slash"
        ),
        pytest.param("/my/own/path", CHAT, "generate", "openai-chat", "gpt-4o", id="chat by its body"),
        pytest.param(
            "/openai/deployments/gpt-4o/chat/completions?api-version=1",
            {"messages": CHAT["messages"]},
            "generate",
            "openai-chat",
            "gpt-4o",
            id="Azure, deployment in the path",
        ),
        pytest.param(
            "/v1/responses",
            {"model": "gpt-5", "input": "hi"},
            "generate",
            "openai-responses",
            "gpt-5",
            id="responses",
        ),
        pytest.param(
            "/v1/responses/input_tokens",
            {"model": "gpt-5", "input": "hi"},
            "count-tokens",
            "openai-responses",
            "gpt-5",
            id="responses, count",
        ),
        pytest.param(
            "/v1/messages", MESSAGES, "generate", "anthropic-messages", "claude-sonnet", id="messages"
        ),
        pytest.param(
            "/v1/messages/count_tokens?beta=true",
            MESSAGES,
            "count-tokens",
            "anthropic-messages",
            "claude-sonnet",
            id="messages, count",
        ),
        pytest.param(
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
            {**MESSAGES, "model": None},
            "generate",
            "anthropic-messages",
            "claude@1",
            id="messages on Vertex",
        ),
        pytest.param(
            "/v1beta/models/gemini-2.5-pro:generateContent",
            GEMINI,
            "generate",
            "gemini",
            "gemini-2.5-pro",
            id="gemini",
        ),
        pytest.param(
            "/v1beta/models/gemini%2D2.5:generateContent",
            GEMINI,
            "generate",
            "gemini",
            "gemini-2.5",
            id="decoded once",
        ),
        pytest.param(
            "/v1beta/tunedModels/mine:generateContent",
            GEMINI,
            "generate",
            "gemini",
            "tunedModels/mine",
            id="tuned",
        ),
        pytest.param(
            "/v1beta/models/g:countTokens", GEMINI, "count-tokens", "gemini", "g", id="gemini, count"
        ),
        pytest.param(
            "/v1beta/models/g:embedContent",
            {"content": {"parts": [{"text": "x"}]}},
            "embed",
            "gemini",
            "g",
            id="gemini, embed",
        ),
        pytest.param(
            "/v1/embeddings",
            {"model": "e", "input": ["a b"]},
            "embed",
            "openai-embeddings",
            "e",
            id="embeddings",
        ),
        pytest.param(
            "/v1/completions",
            {"model": "i", "prompt": "a b"},
            "generate",
            "openai-completions",
            "i",
            id="completions",
        ),
    ],
)
def test_a_dialect_is_told_by_its_shape_on_any_host(path, body, kind, dialect, model):
    reading = read(path, body)
    assert (reading.kind, reading.dialect, reading.parse) == (kind, dialect, "parsed")
    assert (reading.model, reading.model_certain) == (model, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        pytest.param("GET", "/v1/models", b"", "model-list", id="models"),
        pytest.param("GET", "/v1beta/models/gemini-2.5", b"", "model-list", id="one model"),
        pytest.param("GET", "/v1/models", b"{}", "other-ai", id="models with a body"),
        pytest.param("POST", "/v1/models", b"{}", "other-ai", id="models, written"),
        pytest.param("GET", "/v1/models/../files/f", b"", "other-ai", id="dots in the path"),
        pytest.param("GET", "/v1/models%2f..%2ffiles", b"", "other-ai", id="encoded slash"),
        pytest.param("GET", "/v1/models/%252e%252e", b"", "other-ai", id="encoded twice"),
        pytest.param("GET", "/v1/models;x=y", b"", "other-ai", id="path parameter"),
        pytest.param("GET", "/v1/files/f/content", b"", "file", id="file content"),
        pytest.param("POST", "/v1/batches", b"{}", "batch", id="batch"),
        pytest.param("POST", "/v1/messages/batches", b'{"requests":[]}', "batch", id="message batch"),
        pytest.param(
            "POST", "/v1/threads/t/messages", b'{"role":"user","content":"x"}', "state", id="thread"
        ),
        pytest.param("GET", "/v1/responses/r", b"", "state", id="a kept response"),
        pytest.param("POST", "/v1/images/generations", b'{"model":"i","prompt":"p"}', "image", id="image"),
        pytest.param("POST", "/v1/audio/speech", b'{"model":"i","input":"p"}', "audio", id="speech"),
        pytest.param("POST", "/v1/moderations", b'{"input":"p"}', "moderate", id="moderation"),
        pytest.param("POST", "/v1/fine_tuning/jobs", b"{}", "train", id="tuning"),
        pytest.param("GET", "/v1/realtime?model=m", b"", "realtime", id="realtime"),
        pytest.param("POST", "/backend/anything", b'{"q":"p"}', "other-ai", id="unknown"),
        pytest.param("GET", "/", b"", "other-ai", id="a page"),
    ],
)
def test_the_kind_of_other_operations_is_told_by_their_path(method, path, body, kind):
    assert read(path, body, method=method).kind == kind


def utf16(value: object) -> bytes:
    return json.dumps(value).encode("utf-16-le")


@pytest.mark.req("MOU-1-2")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(json.dumps(CHAT).encode(), {}, id="plain"),
        pytest.param(json.dumps(CHAT, indent=4).encode(), {}, id="indented"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps(CHAT).encode(), {}, id="byte order mark"),
        pytest.param(json.dumps(CHAT).encode("utf-16"), {}, id="UTF-16 with a mark"),
        pytest.param(utf16(CHAT), {}, id="UTF-16 without a mark"),
        pytest.param(json.dumps(CHAT).encode("utf-16-be"), {}, id="UTF-16, big-endian"),
        pytest.param(json.dumps(CHAT).encode("utf-32"), {}, id="UTF-32"),
        pytest.param(
            json.dumps(CHAT).replace('"model"', r'"\u006dodel"').encode(), {}, id="escaped name, once"
        ),
        pytest.param(gzip.compress(json.dumps(CHAT).encode()), {"Content_Encoding": "gzip"}, id="gzip"),
        pytest.param(
            zlib.compress(json.dumps(CHAT).encode()), {"Content_Encoding": "deflate"}, id="deflate, zlib"
        ),
        pytest.param(
            zlib.compress(json.dumps(CHAT).encode(), wbits=-15),
            {"Content_Encoding": "deflate"},
            id="deflate, raw",
        ),
        pytest.param(brotli.compress(json.dumps(CHAT).encode()), {"Content_Encoding": "br"}, id="br"),
        pytest.param(zstandard.compress(json.dumps(CHAT).encode()), {"Content_Encoding": "ZSTD"}, id="zstd"),
        pytest.param(
            brotli.compress(gzip.compress(utf16(CHAT))),
            {"Content_Encoding": "gzip, br"},
            id="stacked, and UTF-16",
        ),
        pytest.param(
            json.dumps({**CHAT, "tools": [{"model": "nested"}]}).encode(), {}, id="another model, but nested"
        ),
        pytest.param(
            json.dumps({**CHAT, "user": ':"model":"x"'}).encode(), {}, id="looks like a member, in a text"
        ),
    ],
)
def test_a_model_is_read_for_what_it_is_in_every_encoding(body, fields):
    reading = chat(body, **fields)
    assert (reading.model, reading.model_certain) == ("gpt-4o", True)
    assert (reading.prompt, reading.parse) == ("議事録を要約して", "parsed")


def raw(members: str) -> bytes:
    return f'{{"messages":[{{"role":"user","content":"hi you"}}],{members}}}'.encode()


@pytest.mark.req("MOU-1-2")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(raw('"model":"a","model":"b"'), {}, id="twice"),
        pytest.param(raw('"model":"a","model":"a"'), {}, id="twice the same"),
        pytest.param(raw(r'"model":"a","\u006dodel":"b"'), {}, id="twice, once by escape"),
        pytest.param(raw('"model":"a","model"   :"b"'), {}, id="twice, once spaced"),
        pytest.param(raw(r'"model":"a","model":"b","x\\":1'), {}, id="twice, hidden by a backslash"),
        pytest.param(raw('"model":"a","model":"b","c":":"'), {}, id="twice, hidden by a colon"),
        pytest.param(raw('"model":"a","Model":"b"'), {}, id="another letter case"),
        pytest.param(raw(r'"model":"a","model\u0000":"b"'), {}, id="ends in NUL"),
        pytest.param(raw('"model":"a"').decode().encode("utf-16-le") + b"x", {}, id="UTF-16 with garbage"),
        pytest.param(raw('"model":"a"') + b"x", {}, id="trailing garbage"),
        pytest.param(raw('"model":"a"') * 2, {}, id="two texts"),
        pytest.param(raw('"model":"a","x":NaN'), {}, id="NaN"),
        pytest.param(raw('"model":"a",'), {}, id="trailing comma"),
        pytest.param(raw('"model":["a"]'), {}, id="a list"),
        pytest.param(raw('"model":null'), {}, id="null"),
        pytest.param(raw('"model":""'), {}, id="empty"),
        pytest.param(raw('"model":" a"'), {}, id="leading space"),
        pytest.param(raw(r'"model":"a\u0000b"'), {}, id="NUL inside"),
        pytest.param(raw('"temperature":1'), {}, id="absent"),
        pytest.param(raw('"model":"a","models":["b"]'), {}, id="alternatives"),
        pytest.param(raw('"model":"a","fallbacks":[{"model":"b"}]'), {}, id="fallbacks"),
        pytest.param(b"[" + raw('"model":"a"') + b"]", {}, id="a list of requests"),
        pytest.param(b'"model"', {}, id="a string"),
        pytest.param(b"model=a&messages=b", {}, id="a form that says JSON"),
        pytest.param(b"", {}, id="nothing"),
        pytest.param(
            raw('"model":"a"'), {"Content_Type": "application/json; charset=utf-7"}, id="odd charset"
        ),
        pytest.param(raw('"model":"a"'), {"Content_Encoding": "gzip"}, id="not what its coding says"),
        pytest.param(raw('"model":"a"'), {"Content_Encoding": "compress"}, id="unknown coding"),
        pytest.param(gzip.compress(raw('"model":"a"'))[:-4], {"Content_Encoding": "gzip"}, id="cut gzip"),
        pytest.param(
            gzip.compress(raw('"model":"a"')) + b"x", {"Content_Encoding": "gzip"}, id="gzip with garbage"
        ),
        pytest.param(raw('"model":"a"'), {"azureml_model_deployment": "b"}, id="another one in a header"),
        pytest.param(raw('"model":"a"'), {"X_HTTP_Method_Override": "GET"}, id="method override"),
        pytest.param(b"[" * 100_000, {}, id="deep"),
    ],
)
def test_a_model_that_another_server_might_read_otherwise_is_uncertain(body, fields):
    assert not chat(body, **fields).model_certain


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(
            "/openai/deployments/a/chat/completions", {**CHAT, "model": "b"}, id="path and body differ"
        ),
        pytest.param("/v1/chat/completions?model=b", CHAT, id="query and body differ"),
        pytest.param(
            "/v1beta/models/a:generateContent", {**GEMINI, "model": "models/b"}, id="gemini, path and body"
        ),
        pytest.param(
            "/v1beta/models/a:countTokens",
            {"generateContentRequest": {**GEMINI, "model": "b"}},
            id="gemini, inner",
        ),
        pytest.param("/v1beta/models/a%252fb:generateContent", GEMINI, id="encoded twice"),
        pytest.param("/v1beta/models/a%2Fb:generateContent", GEMINI, id="slash in the name"),
        pytest.param("/v1beta/models/a%00:generateContent", GEMINI, id="NUL in the name"),
        pytest.param("/v1beta/models/a%ff:generateContent", GEMINI, id="no UTF-8"),
        pytest.param("/v1beta/models/:generateContent", GEMINI, id="no name"),
    ],
)
def test_a_model_named_by_path_and_body_must_be_one_and_plain(path, body):
    assert not read(path, body).model_certain


def test_the_gemini_model_may_stand_in_the_body_as_well():
    reading = read("/v1beta/models/a:generateContent", {**GEMINI, "model": "models/a"})
    assert (reading.model, reading.model_certain) == ("a", True)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_an_operation_without_a_model_is_certain_of_it(path):
    reading = read(path, {"purpose": "x"})
    assert (reading.model, reading.model_certain, reading.parse) == (None, True, "parsed")


def test_a_hidden_duplicate_anywhere_is_seen_by_the_detector_and_told():
    body = rb'{"model":"m","messages":[{"role":"user","content":"\u6a5f\u5bc6 one","content":"two"}]}'
    reading = chat(body)
    assert reading.model_certain
    assert reading.parse == "partial"
    assert reading.skipped == ("given twice: content",)
    assert {"機密 one", "two"} <= set(reading.texts)


def test_a_chat_reads_as_a_conversation():
    reading = chat(
        {
            "model": "m",
            "stream": True,
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "hm",
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "then?"}],
                },
                {"role": "tool", "tool_call_id": "c2", "content": "rain"},
            ],
            "tools": [{"type": "function", "function": {"name": "w", "description": "Tells the weather"}}],
        }
    )
    assert [(m.role, m.text) for m in reading.messages] == [
        ("system", "Be short."),
        ("user", "Weather?"),
        ("assistant", ""),
        ("tool", "sunny"),
        ("user", "And then?"),
        ("tool", "rain"),
    ]
    assert reading.messages[2].tool_calls == (ToolCall("c1", "w", "{}"),)
    assert (reading.prompt, reading.stream, reading.tools) == ("And then?", True, ("w",))
    assert {"Be short.", "sunny", "Tells the weather", "hm"} <= set(reading.texts)


def test_the_items_of_a_response_read_as_a_conversation():
    reading = read(
        "/v1/responses",
        {
            "model": "m",
            "instructions": "Be short.",
            "previous_response_id": "resp_1",
            "input": [
                {"role": "user", "content": "first"},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "done so"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
                },
            ],
            "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
        },
    )
    assert [(m.role, m.text) for m in reading.messages] == [
        ("system", "Be short."),
        ("user", "first"),
        ("assistant", ""),
        ("assistant", ""),
        ("tool", "done so"),
        ("user", "ab"),
    ]
    assert (reading.prompt, reading.conversation, reading.tools) == ("ab", "resp_1", ("f", "web_search"))
    assert reading.parse == "parsed"


def test_a_tools_result_is_no_user_turn_even_where_the_dialect_says_user():
    reading = read(
        "/v1/messages",
        {
            **MESSAGES,
            "system": [{"type": "text", "text": "Be short."}],
            "messages": [
                {"role": "user", "content": "question"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": "b"}}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": "result text"}],
                },
            ],
        },
    )
    assert [(m.role, m.text) for m in reading.messages] == [
        ("system", "Be short."),
        ("user", "question"),
        ("assistant", ""),
        ("tool", "result text"),
    ]
    assert reading.messages[2].tool_calls == (ToolCall("t", "f", '{"a": "b"}'),)
    assert (reading.prompt, reading.parse) == ("question", "parsed")


def test_gemini_contents_read_as_a_conversation():
    reading = read(
        "/v1beta/models/g:streamGenerateContent?alt=sse",
        {
            "system_instruction": {"parts": [{"text": "Be short."}]},
            "contents": [
                {"parts": [{"text": "a"}, {"text": "b"}]},
                {
                    "role": "model",
                    "parts": [{"text": "hm", "thought": True}, {"functionCall": {"name": "f", "args": {}}}],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "f", "response": {"r": "out of it"}}}],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}],
        },
    )
    assert [(m.role, m.text) for m in reading.messages] == [
        ("system", "Be short."),
        ("user", "ab"),
        ("assistant", ""),
        ("tool", '{"r": "out of it"}'),
    ]
    assert reading.messages[2].reasoning == "hm"
    assert (reading.prompt, reading.stream, reading.tools) == ("ab", True, ("f", "googleSearch"))
    assert reading.parse == "parsed"


DATA_URL = "data:image/jpeg;base64," + b64encode(PNG).decode()
PNG_SHA256 = hashlib.sha256(PNG).hexdigest()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(
            "/v1/chat/completions",
            user({"type": "image_url", "image_url": {"url": DATA_URL}}),
            id="chat, data URL",
        ),
        pytest.param(
            "/v1/chat/completions", user({"type": "file", "file": {"file_data": DATA_URL}}), id="chat, file"
        ),
        pytest.param(
            "/v1/responses",
            {
                "model": "m",
                "input": [{"role": "user", "content": [{"type": "input_image", "image_url": DATA_URL}]}],
            },
            id="responses",
        ),
        pytest.param(
            "/v1/messages",
            {
                **MESSAGES,
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image",
                                "source": {
                                    "type": "base64",
                                    "media_type": "text/plain",
                                    "data": b64encode(PNG).decode(),
                                },
                            }
                        ],
                    }
                ],
            },
            id="messages, lying about its type",
        ),
        pytest.param(
            "/v1beta/models/g:generateContent",
            {
                "contents": [
                    {"parts": [{"inlineData": {"mimeType": "image/gif", "data": b64encode(PNG).decode()}}]}
                ]
            },
            id="gemini",
        ),
    ],
)
def test_inline_content_is_taken_out_and_named_by_what_it_is(path, body):
    (attachment,) = read(path, body).attachments
    assert (attachment.media_type, attachment.size, attachment.sha256) == ("image/png", len(PNG), PNG_SHA256)
    assert not attachment.read


@pytest.mark.parametrize(
    ("part", "reference"),
    [
        pytest.param(
            {"type": "image_url", "image_url": {"url": "https://a.example/p.png"}},
            "https://a.example/p.png",
            id="address",
        ),
        pytest.param({"type": "file", "file": {"file_id": "file-1"}}, "file-1", id="file id"),
    ],
)
def test_content_that_lies_elsewhere_is_an_unread_attachment(part, reference):
    (attachment,) = chat(user(part)).attachments
    assert (attachment.reference, attachment.size, attachment.read) == (reference, 0, False)


def test_a_plain_text_attachment_is_read_for_the_detector():
    data = b64encode("部外秘の資料 です".encode()).decode()
    reading = chat(
        user(
            {"type": "file", "file": {"filename": "資料.txt", "file_data": f"data:text/plain;base64,{data}"}}
        )
    )
    (attachment,) = reading.attachments
    assert (attachment.name, attachment.media_type, attachment.read) == ("資料.txt", "text/plain", True)
    assert {"部外秘の資料 です", "資料.txt"} <= set(reading.texts)


def test_a_body_that_nobody_can_read_counts_as_an_unread_attachment():
    reading = chat(PNG)
    assert (reading.kind, reading.parse, reading.model_certain) == ("generate", "unparsed", False)
    assert [a.media_type for a in reading.attachments] == ["image/png"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({**CHAT, "metadata": {"note": "機密性2情報 です"}}, "機密性2情報 です", id="metadata"),
        pytest.param({**CHAT, "メモ 部外秘": 1}, "メモ 部外秘", id="a member's name"),
        pytest.param(user({"type": "new_part", "words": "社外秘 です"}), "社外秘 です", id="an unknown part"),
        pytest.param(
            {
                **CHAT,
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"function": {"arguments": '{"a":"\\u6a5f\\u5bc6"}'}}],
                    }
                ],
            },
            "機密",
            id="JSON inside JSON",
        ),
        pytest.param(
            {**CHAT, "tools": [{"function": {"description": "極秘 の道具"}}]}, "極秘 の道具", id="a tool"
        ),
        pytest.param(utf16({**CHAT, "x": "部外秘 u"}), "部外秘 u", id="UTF-16"),
        pytest.param(gzip.compress(json.dumps({"x": "部外秘 g"}).encode()), "部外秘 g", id="gzip"),
        pytest.param("部外秘 です".encode(), "部外秘 です", id="no JSON at all"),
    ],
)
def test_the_detector_gets_every_text_wherever_it_stands(body, text):
    fields = {"Content_Encoding": "gzip"} if isinstance(body, bytes) and body[:1] == b"\x1f" else {}
    assert text in chat(body, **fields).texts


def test_a_prompt_in_the_target_is_a_text():
    assert (
        "社外秘 の件" in read("/search?q=%E7%A4%BE%E5%A4%96%E7%A7%98+%E3%81%AE%E4%BB%B6", method="GET").texts
    )


@pytest.mark.parametrize(
    ("path", "body", "skipped"),
    [
        pytest.param("/v1/chat/completions", {**CHAT, "novelty": "some words"}, "novelty", id="a member"),
        pytest.param(
            "/v1/chat/completions",
            user({"type": "poem", "lines": "some words"}),
            "messages[0].content[0].type=poem",
            id="a part",
        ),
        pytest.param(
            "/v1/chat/completions", {"model": "m", "query": "some words"}, "messages", id="no messages"
        ),
        pytest.param(
            "/v1/responses",
            {"model": "m", "input": [{"type": "poem", "lines": "a b"}]},
            "input[0].type=poem",
            id="an item",
        ),
        pytest.param(
            "/v1/messages",
            {**MESSAGES, "messages": [{"role": "user", "content": [{"type": "poem", "lines": "a b"}]}]},
            "messages[0].content[0].type=poem",
            id="a block",
        ),
        pytest.param(
            "/v1beta/models/g:generateContent",
            {"contents": [{"parts": [{"poem": "a b"}]}]},
            "contents[0].parts[0].poem",
            id="gemini",
        ),
        pytest.param(
            "/v1/embeddings", {"model": "m", "input": [[1, 2]]}, "input: tokens", id="tokens for text"
        ),
    ],
)
def test_text_that_is_not_understood_makes_a_reading_partial_and_is_named(path, body, skipped):
    reading = read(path, body)
    assert reading.parse == "partial"
    assert skipped in reading.skipped


def test_unknown_members_without_words_are_no_matter():
    assert chat({**CHAT, "novelty": {"level": 3, "mode": "fast"}}).parse == "parsed"


def test_a_bomb_is_unparsed_and_not_unpacked():
    reading = chat(gzip.compress(bytes(80 << 20)), Content_Encoding="gzip")
    assert (reading.kind, reading.parse) == ("generate", "unparsed")
    assert "larger than" in reading.skipped[0]


PATHS = st.sampled_from(
    [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/models/g:generateContent",
        "/v1/embeddings",
        "/v1/x",
    ]
)
WORDS = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "contents",
        "parts",
        "role",
        "content",
        "type",
        "text",
        "user",
        "tool_calls",
        "function",
        "arguments",
        "image_url",
        "url",
        "file",
        "source",
        "data",
        "tool_result",
        "tool_use",
        "inlineData",
        "functionCall",
        "args",
        "system",
        "tools",
        "prompt",
        "output",
        "choices",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(
    path=PATHS | st.text(max_size=30),
    body=st.binary(max_size=200),
    coding=st.sampled_from(["", "gzip", "br", "x"]),
)
def test_no_bytes_make_the_reader_raise(path, body, coding):
    reading = read_request(Head("POST", "h", path, (("content-encoding", coding),)), body)
    assert not [skipped for skipped in reading.skipped if skipped.startswith("reader:")]


@given(path=PATHS, body=JSON)
def test_no_json_makes_a_dialect_stumble(path, body):
    reading = read(path, body)
    assert not [skipped for skipped in reading.skipped if skipped.startswith("reader:")]


@given(
    first=st.sampled_from("ab"),
    second=st.sampled_from("ab"),
    gap=st.sampled_from(["", " ", "\n\t "]),
    tail=JSON,
)
def test_no_second_model_escapes_the_count_of_members(first, second, gap, tail):
    body = f'{{"model":"{first}","tail":{json.dumps(tail)},"model"{gap}:"{second}","messages":[]}}'
    assert not chat(body.encode()).model_certain


@given(
    body=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name.casefold().strip("\0\t\n\r \ufeff") != "model"), JSON
    )
)
def test_what_json_writes_without_duplicates_is_certain(body):
    rivals = {
        "models",
        "fallbacks",
        "fallback_models",
        "context_window_fallbacks",
        "deployment_id",
        "deployment",
        "engine",
    }
    body = {**{name: value for name, value in body.items() if name not in rivals}, "model": "m"}
    assert chat(body).model_certain
