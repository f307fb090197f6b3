"""Recorded pages, agents and sessions, where the folder with them is there: all of them, read right."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sekimori.wire.model import Head
from sekimori.wire.read import read_request, read_response
from sekimori.wire.reader import ResponseReader
from sekimori.wire.session import SocketMessage, read_session
from support.traffic import TRAFFIC, needs_traffic

pytestmark = needs_traffic
REALTIME = ["openai-realtime", "azure-realtime", "azure-voice-live", "gemini-live"]


def recordings(provider: str) -> Iterator[Any]:
    with gzip.open(TRAFFIC / f"{provider}.jsonl.gz") as lines:
        for line in lines:
            yield json.loads(line)


def side(record: Any, name: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    held = record.get(name) or {}
    fields = tuple((str(key), str(value)) for key, value in held.get("headers") or [])
    return fields, base64.b64decode(held.get("body_b64") or "")


def head(record: Any) -> Head:
    url = urlsplit(record["request"]["url"])
    target = url.path + (f"?{url.query}" if url.query else "")
    return Head(record["request"]["method"], url.netloc, target, side(record, "request")[0])


def exchange(record: Any):
    request = read_request(head(record), side(record, "request")[1])
    fields, body = side(record, "response")
    return request, read_response(head(record), request, record["response"]["status"], fields, body)


@pytest.mark.parametrize(
    ("provider", "kinds", "dialects"),
    [
        ("deepseek-web", {"generate"}, {"deepseek-web"}),
        ("mcp", {"tool"}, {"mcp"}),
        ("mcp-sdk-generated", {"tool"}, {"mcp"}),
        ("a2a", {"agent"}, {"a2a"}),
        ("chatgpt-codex", {"generate"}, {"openai-responses"}),
    ],
)
def test_every_recorded_exchange_is_parsed(provider, kinds, dialects):
    read = [(record["id"], *exchange(record)) for record in recordings(provider)]
    assert {request.kind for _, request, _ in read} == kinds
    assert {request.dialect for _, request, _ in read} == dialects
    unread = [one for one in read if (one[1].parse, one[2].parse) != ("parsed", "parsed")]
    assert unread == []


def test_the_recorded_page_of_deepseek_reads_as_its_pieces_joined():
    (record,) = recordings("deepseek-web")
    request, response = exchange(record)
    body = side(record, "response")[1].decode()
    pieces = [json.loads(line[6:])["v"] for line in body.splitlines() if line.startswith('data: {"v": "')]
    assert request.prompt == json.loads(side(record, "request")[1])["prompt"]
    assert response.output.endswith("".join(pieces))
    assert (len(pieces) > 50, response.usage.total_tokens) == (True, 115)


def test_every_recorded_call_of_a_tool_has_its_arguments_and_its_text():
    for record in (*recordings("mcp"), *recordings("mcp-sdk-generated")):
        asked = side(record, "request")[1]
        if b'"tools/call"' not in asked:
            continue
        request, response = exchange(record)
        assert json.loads(request.messages[0].text) == json.loads(asked)["params"].get("arguments", {})
        found = [
            json.loads(line[6:])
            for line in side(record, "response")[1].decode().splitlines()
            if line.startswith("data: {")
        ]
        results = [
            one["result"]
            for one in found
            if isinstance(one.get("result"), dict) and one["id"] == json.loads(asked)["id"]
        ]
        for held in results:
            texts = [part["text"] for part in held.get("content", ()) if part.get("type") == "text"]
            assert "".join(texts) in response.output


@pytest.mark.parametrize("provider", ["deepseek-web", "mcp", "mcp-sdk-generated"])
def test_where_the_network_cuts_a_recording_is_no_matter(provider):
    for record in list(recordings(provider))[:20]:
        fields, body = side(record, "response")
        request, whole = exchange(record)
        reader = ResponseReader(head(record), request, record["response"]["status"], fields)
        for at in range(0, len(body), 97):
            reader.feed(body[at : at + 97])
        assert reader.finish() == whole


def sent(record: Any) -> list[dict[str, Any]]:
    frames = [frame for frame in record["frames"] if frame["direction"] == "sent"]
    return [json.loads(base64.b64decode(frame["payload_b64"])) for frame in frames]


def said_in(event: dict[str, Any]) -> str:
    """Find what a user typed, without any reader of ours."""
    held = event.get("item") or (event.get("client_content") or {}).get("turns", [{}])[-1]
    if held.get("role") != "user":
        return ""
    return "".join(part.get("text", "") for part in held.get("content") or held.get("parts") or ())


@pytest.mark.parametrize("provider", REALTIME)
def test_every_recorded_session_is_divided_and_read(provider):
    for record in recordings(provider):
        script = [
            SocketMessage(
                frame["direction"] == "sent",
                base64.b64decode(frame["payload_b64"]),
                frame["opcode"] == "text",
            )
            for frame in record["frames"]
        ]
        turns = list(read_session(head(record), script))
        assert {request.parse for request, _ in turns} == {"parsed"}, record["id"]
        typed = [text for text in map(said_in, sent(record)) if text]
        told = [
            message.text
            for request, _ in turns
            for message in request.messages
            if message.role == "user" and message.text
        ]
        assert [text for text in told if text in typed] == typed, record["id"]
        # The last turn of a session may have been left without an answer.
        answered = [response for _, response in turns if response.parse == "parsed"]
        assert len(answered) >= len(turns) - 1
        assert all(response.output or response.tool_calls for response in answered), record["id"]
