"""WebSocket sessions of services and pages, divided into turns and read as exchanges."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.wire.model import Head, ToolCall, Usage
from sekimori.wire.read import read_request
from sekimori.wire.session import SocketMessage, read_session
from sekimori.wire.sockets import SOCKETS
from sekimori.wire.turns import TurnReader

PROMPT = "議事録を要約して"
UNKNOWN = "/ws"
RS = "\x1e"


def at(path: str) -> Head:
    return Head("GET", "host.example", path)


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def hub(*values: object) -> bytes:
    """Write messages of SignalR."""
    return "".join(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + RS for value in values
    ).encode()


def bot(text: str) -> dict[str, str]:
    return {"author": "bot", "messageId": "m", "text": text}


def pushed(text: str, state: str) -> bytes:
    added = {"author": "claude", "text": text, "state": state}
    payload = {"subscription_name": "messageAdded", "data": {"messageAdded": added}}
    return dumps({"messages": [json.dumps({"message_type": "subscriptionUpdate", "payload": payload})]})


def item(text: str) -> bytes:
    inner = {"type": "stream-item", "encoded_item": text}
    return dumps([{"type": "message", "payload": {"type": "conversation-turn-stream", "payload": inner}}])


def turn(text: str, *, final: bool, human: bool = False) -> dict[str, object]:
    author = {"author_id": "a", **({"is_human": True} if human else {})}
    return {
        "turn_key": {"turn_id": "t"},
        "author": author,
        "candidates": [{"raw_content": text, "is_final": final}],
    }


SETUP = {
    "setup": {
        "model": "models/gemini-live",
        "systemInstruction": {"parts": [{"text": "Be short."}]},
        "tools": [{"functionDeclarations": [{"name": "weather"}]}],
    }
}
SESSIONS: list[Any] = [
    pytest.param(
        "/v1/realtime?model=gpt-realtime",
        [
            ("<", dumps({"type": "session.created", "session": {"model": "gpt-realtime"}})),
            (">", dumps({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": PROMPT}]}})),
            (">", dumps({"type": "response.create"})),
            ("<", dumps({"type": "response.output_text.delta", "delta": "要約"})),
            ("<", dumps({"type": "response.done", "response": {"id": "r", "status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "要約です"}]}], "usage": {"total_tokens": 9}}})),
        ],
        "openai-realtime",
        ["starts_turn", "joins_turn"],
        id="OpenAI's realtime",
    ),
    pytest.param(
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        [
            (">", dumps(SETUP)),
            ("<", dumps({"setupComplete": {}})),
            (">", dumps({"client_content": {"turns": [{"role": "user", "parts": [{"text": PROMPT}]}], "turnComplete": True}})),
            ("<", dumps({"serverContent": {"modelTurn": {"parts": [{"text": "Let me think.", "thought": True}]}}})),
            ("<", dumps({"serverContent": {"outputTranscription": {"text": "要約"}}})),
            ("<", dumps({"serverContent": {"outputTranscription": {"text": "です"}}})),
            ("<", dumps({"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 9}})),
        ],
        "gemini-live",
        ["control", "starts_turn"],
        id="Gemini's live sessions",
    ),
    pytest.param(
        "/c/api/chat?api-version=2",
        [
            (">", dumps({"event": "setOptions", "supportedCards": ["image"]})),
            (">", dumps({"event": "send", "conversationId": "c", "content": [{"type": "text", "text": PROMPT}], "mode": "chat"})),
            ("<", dumps({"event": "received", "conversationId": "c"})),
            ("<", dumps({"event": "appendText", "messageId": "m", "partId": "p", "text": "要約"})),
            ("<", dumps({"event": "appendText", "messageId": "m", "partId": "p", "text": "です"})),
            ("<", dumps({"event": "suggestedFollowups", "suggestions": ["Tell me more"]})),
            ("<", dumps({"event": "done", "messageId": "m"})),
        ],
        "copilot-web",
        ["control", "starts_turn"],
        id="Copilot",
    ),
    pytest.param(
        "/m365Copilot/Chathub/o@t?access_token=x",
        [
            (">", hub({"protocol": "json", "version": 1})),
            (">", hub({"type": 4, "target": "chat", "invocationId": "0", "arguments": [{"source": "officeweb", "message": {"author": "user", "text": PROMPT, "messageType": "Chat"}}]})),
            ("<", hub({"type": 6}, {"type": 1, "target": "update", "arguments": [{"messages": [bot("要約")]}]})),
            ("<", hub({"type": 1, "target": "update", "arguments": [{"messages": [{**bot("Searching"), "messageType": "Progress"}]}]})),
            ("<", hub({"type": 2, "invocationId": "0", "item": {"messages": [{"author": "user", "text": PROMPT}, bot("要約です")], "result": {"value": "Success"}}}, {"type": 3, "invocationId": "0"})),
        ],
        "m365-copilot",
        ["control", "starts_turn"],
        id="Microsoft 365 Copilot",
    ),
    pytest.param(
        UNKNOWN,
        [
            (">", dumps({"command": "create_and_generate_turn", "request_id": "r", "payload": {"character_id": "c", "turn": {"candidates": [{"raw_content": PROMPT}]}}})),
            ("<", dumps({"command": "add_turn", "turn": turn(PROMPT, final=True, human=True)})),
            ("<", dumps({"command": "add_turn", "turn": turn("要約", final=False)})),
            ("<", dumps({"command": "update_turn", "turn": turn("要約です", final=True)})),
        ],
        "character-ai",
        ["starts_turn"],
        id="character.ai",
    ),
    pytest.param(
        UNKNOWN,
        [
            (">", dumps([{"id": 1, "command": {"type": "subscribe", "topic_id": "conversation-turn-1", "offset": 0}}])),
            ("<", item('event: delta_encoding\ndata: "v1"\n\n')),
            ("<", item('event: delta\ndata: {"p":"","o":"add","v":{"message":{"id":"a","author":{"role":"assistant"},"content":{"content_type":"text","parts":["要約"]}}}}\n\n')),
            ("<", item('event: delta\ndata: {"p":"/message/content/parts/0","o":"append",')),
            ("<", item('"v":"です"}\n\n')),
            ("<", item("data: [DONE]\n\n")),
        ],
        "chatgpt-web",
        ["starts_turn"],
        id="ChatGPT's handoff",
    ),
]  # fmt: skip


def messages(script):
    return [SocketMessage(side == ">", payload) for side, payload in script]


@pytest.mark.parametrize(("path", "script", "dialect", "parts"), SESSIONS)
def test_the_messages_of_a_session_are_divided_into_turns(path, script, dialect, parts):
    reader = TurnReader(at(path))
    said, ends = [], []
    for side, payload in script:
        if side == ">":
            said.append(reader.client(payload, True))
        else:
            ends.append(reader.server(payload, True))
    assert [event.part for event in said] == parts
    assert {event.parse for event in said} == {"parsed"}
    assert (ends[-1], any(ends[:-1] if dialect != "character-ai" else ends[1:-1])) == (True, False)
    assert reader.dialect == dialect
    assert reader.client(script[[side for side, _ in script].index(">")][1], True).part in (
        "starts_turn",
        "control",
    )


@pytest.mark.parametrize(("path", "script", "dialect", "parts"), SESSIONS)
def test_a_session_reads_as_an_exchange(path, script, dialect, parts):
    ((request, response),) = list(read_session(at(path), messages(script)))
    assert (request.kind, request.dialect, request.parse) == ("realtime", dialect, "parsed"), parts
    assert request.prompt == (PROMPT if dialect != "chatgpt-web" else "")
    assert (response.output, response.parse, response.skipped) == ("要約です", "parsed", ())


def test_the_model_instructions_and_tools_of_a_session_are_read():
    script = SESSIONS[1].values[1]
    ((request, response),) = list(read_session(at(SESSIONS[1].values[0]), messages(script)))
    assert (request.model, request.model_certain, request.tools) == ("gemini-live", True, ("weather",))
    assert [(one.role, one.text) for one in request.messages] == [("system", "Be short."), ("user", PROMPT)]
    assert (response.reasoning, response.usage) == ("Let me think.", Usage(total_tokens=9))


def test_poe_pushes_its_answers_and_each_message_stands_for_itself():
    reader = TurnReader(at("/up/box1/updates?min_seq=1"), answers=True)
    assert (reader.name, reader.dialect) == ("poe-web", "")
    assert reader.server(pushed("要約", "incomplete"), True)
    assert reader.server(pushed("要約です", "complete"), True)
    reading = reader.answer()
    assert (reading.output, reading.model, reading.finish_reason) == ("要約です", "claude", "complete")


def test_a_call_and_its_result_are_turns_of_their_own_kind():
    script = [
        (">", dumps({"clientContent": {"turns": [{"parts": [{"text": PROMPT}]}]}})),
        (
            "<",
            dumps(
                {"toolCall": {"functionCalls": [{"id": "1", "name": "weather", "args": {"city": "東京"}}]}}
            ),
        ),
        ("<", dumps({"serverContent": {"turnComplete": True}})),
        (">", dumps({"toolResponse": {"functionResponses": [{"id": "1", "response": {"output": "晴れ"}}]}})),
        (
            "<",
            dumps({"serverContent": {"modelTurn": {"parts": [{"text": "晴れです"}]}, "turnComplete": True}}),
        ),
    ]
    first, second = read_session(at("/x.BidiGenerateContent"), messages(script))
    assert first[1].tool_calls == (ToolCall("1", "weather", '{"city": "東京"}'),)
    assert [(one.role, one.text) for one in second[0].messages] == [("tool", '{"output": "晴れ"}')]
    assert (second[0].prompt, second[1].output) == ("", "晴れです")


def test_what_a_service_heard_is_the_prompt_of_a_spoken_turn():
    sound = base64.b64encode(bytes(32)).decode()
    script = [
        (">", dumps({"type": "input_audio_buffer.append", "audio": sound})),
        ("<", dumps({"type": "conversation.item.input_audio_transcription.completed", "transcript": PROMPT})),
        ("<", dumps({"type": "response.done", "response": {"output": []}})),
    ]
    ((request, _),) = read_session(at("/v1/realtime"), messages(script))
    assert (request.prompt, [one.media_type for one in request.attachments]) == (PROMPT, ["audio/pcm"])


def test_words_that_a_known_message_hides_elsewhere_make_it_partial():
    event = {
        "event": "send",
        "conversationId": "c",
        "content": [{"type": "brand_new", "words": "some words"}],
    }
    read = TurnReader(at("/c/api/chat")).client(dumps(event), True)
    assert (read.parse, read.skipped) == ("partial", ("content.type=brand_new",))


def test_a_model_given_twice_is_uncertain():
    payload = b'{"setup":{"model":"models/a","model":"models/b"}}'
    read = TurnReader(at("/x.BidiGenerateContent")).client(payload, True)
    assert (read.model, read.model_certain, read.parse) == ("b", False, "partial")


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/realtime", "openai-realtime"),
        ("/voice-live/realtime?api-version=1", "openai-realtime"),
        ("/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent", "gemini-live"),
        ("/c/api/chat", "copilot-web"),
        ("/m365Copilot/Chathub/o@t", "m365-copilot"),
        ("/up/box/updates", "poe-web"),
        ("/p5/ws/user/u1", "chatgpt-web"),
    ],
)
def test_the_handshake_of_a_known_session_is_told_by_its_target(path, dialect):
    reading = read_request(at(path), b"")
    assert (reading.kind, reading.dialect, reading.parse) == ("realtime", dialect, "parsed")


def test_a_session_of_an_unknown_service_may_show_its_dialect_by_a_message():
    reader = TurnReader(at(UNKNOWN))
    assert reader.server(dumps({"hello": "there"}), True)
    told = [reader.dialect]
    assert not reader.server(dumps({"type": "session.created", "session": {"model": "m"}}), True)
    assert [*told, reader.dialect] == ["", "openai-realtime"]


JSON = st.recursive(
    st.none() | st.integers(-2, 8) | st.sampled_from(["", "a b", "chat", "update", "send", "done", "add_turn", "bot"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "event", "command", "target", "arguments", "message", "messages", "text", "content", "turn",
                 "candidates", "author", "item", "session", "response", "output", "setup", "clientContent", "turns", "parts",
                 "realtimeInput", "toolResponse", "serverContent", "modelTurn", "payload", "encoded_item", "data", "model"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(JSON, st.booleans()), max_size=4))
@pytest.mark.parametrize("dialect", [socket.name for socket in SOCKETS])
def test_no_json_makes_a_session_reader_raise(dialect, script):
    for answers in (True, False):
        reader = TurnReader(at(UNKNOWN), dialect, answers=answers)
        for value, ours in script:
            for payload in (dumps(value), hub(value)):
                reader.client(payload, True) if ours else reader.server(payload, True)
        reader.heard()
        reader.answer()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.booleans()), max_size=6))
@pytest.mark.parametrize("dialect", ["", *(socket.name for socket in SOCKETS)])
def test_no_bytes_make_a_session_reader_raise_in_any_dialect(dialect, script):
    reader = TurnReader(at(UNKNOWN), dialect, answers=True)
    for payload, is_text, ours in script:
        reader.client(payload, is_text) if ours else reader.server(payload, is_text)
    reader.answer()
