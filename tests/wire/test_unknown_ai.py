"""AI traffic to a host that nobody knows shows by its shape; other traffic does not, and why is said."""

import json

import pytest

from sekimori.wire.model import Head
from sekimori.wire.read import read_request
from sekimori.wire.unknown import evidence, kind_by_shape
from support.traffic import every_recording, needs_traffic, recorded

JSON = (("content-type", "application/json"),)


def signs(method="POST", path="/", body=None, headers=(), answer=(), answered=b""):
    head = Head(method, "unknown.test", path, (*JSON, *headers))
    sent = b"" if body is None else json.dumps(body).encode()
    return evidence(head, read_request(head, sent), answer, body=sent, answered=answered)


TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("asked", "sign"),
    [
        pytest.param(
            {"path": "/x", "body": {"model": "m", "messages": TURNS}}, "reads as openai-chat", id="turns"
        ),
        pytest.param(
            {"path": "/x", "body": {"messages": TURNS}}, "turns of system, user", id="turns without a model"
        ),
        pytest.param({"path": "/v1/chat/completions"}, "path /chat/completions", id="a path"),
        pytest.param({"path": "/x/y:generateContent"}, "method generateContent", id="a method of Google's"),
        pytest.param(
            {"path": "/go", "body": {"prompt": "Hi", "max_tokens": 5}},
            "sampling: max_tokens",
            id="a prompt, sampled",
        ),
        pytest.param(
            {"path": "/go", "body": {"text": "Hi", "model": "llama-3"}},
            "text for a model",
            id="a text for a model",
        ),
        pytest.param(
            {"path": "/go", "body": {"inputs": "Hi", "parameters": {"max_new_tokens": 9}}},
            "sampling: max_new_tokens",
            id="parameters of their own",
        ),
        pytest.param(
            {"path": "/rpc", "body": {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}},
            "JSON-RPC tools/call",
            id="a tool call",
        ),
        pytest.param(
            {"path": "/go", "body": {"model": "gpt-9"}, "headers": (("user-agent", "OpenAI/Python 9.0"),)},
            "client OpenAI",
            id="an SDK and a model",
        ),
        pytest.param(
            {"path": "/go", "headers": (("authorization", "Bearer sk-ant-1234"),)},
            "a key of an AI service",
            id="a key",
        ),
        pytest.param(
            {"path": "/go", "body": {"a": 1}, "answered": b'{"usage": {"completion_tokens": 3}}'},
            "counts completion_tokens",
            id="an answer that counts tokens",
        ),
        pytest.param(
            {
                "path": "/ask",
                "body": {"query": "Hi"},
                "answer": (("content-type", "text/event-stream"),),
            },
            "answered with text/event-stream",
            id="a question answered by a stream",
        ),
        pytest.param(
            {
                "method": "GET",
                "path": "/v1/models",
                "answered": b'{"data": [{"id": "gpt-9", "object": "model"}]}',
            },
            'answered with "object": "model"',
            id="a list of models",
        ),
    ],
)
def test_ai_traffic_shows_by_its_shape(asked, sign):
    assert sign in signs(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"method": "GET", "path": "/"}, id="a page"),
        pytest.param({"method": "GET", "path": "/search?q=large+language+model"}, id="a search about AI"),
        pytest.param({"path": "/v1/customers", "body": {"email": "a@b.test"}}, id="a customer"),
        pytest.param({"path": "/v1/files", "body": {"name": "a.txt"}}, id="a file"),
        pytest.param(
            {"path": "/graphql", "body": {"query": "{ models { id } }", "variables": {}}}, id="GraphQL"
        ),
        pytest.param(
            {"path": "/rpc", "body": {"jsonrpc": "2.0", "method": "eth_call", "params": []}}, id="other RPC"
        ),
        pytest.param(
            {"path": "/api/messages", "body": {"channel": "c", "text": "Hi"}}, id="a chat between people"
        ),
        pytest.param({"path": "/query", "body": {"vector": [0.1, 0.2], "topK": 3}}, id="a vector store"),
        pytest.param({"path": "/cars", "body": {"model": "gemini blue", "year": 2020}}, id="a car"),
        pytest.param({"path": "/room", "body": {"temperature": 21.5, "humidity": 40}}, id="a thermometer"),
        pytest.param(
            {"method": "GET", "path": "/api/models/o/m", "answered": b'{"id": "o/llama-3"}'}, id="a hub"
        ),
    ],
)
def test_other_traffic_shows_nothing(asked):
    assert signs(**asked) == ()


def test_what_cannot_be_decoded_is_judged_by_the_rest():
    head = Head("POST", "unknown.test", "/x", (*JSON, ("content-encoding", "gzip")))
    assert evidence(head, read_request(head, b"no gzip"), body=b"no gzip") == ()


def test_without_a_sign_the_kind_is_none_of_ai():
    head = Head("POST", "unknown.test", "/tracing/batches", JSON)
    reading = read_request(head, b'{"events":[]}')
    assert kind_by_shape(head, reading, ()) == "not-ai"
    assert kind_by_shape(head, reading, ("a sign",)) == reading.kind


# The recorded traffic that is none of AI, each hit looked at by hand: what it is, and why it may stand.
TAKEN_FOR_AI: dict[str, str] = {}


@needs_traffic
def test_at_most_one_in_a_hundred_of_other_traffic_is_taken_for_ai():
    hits, count = {}, 0
    for recording in recorded("_negative"):
        asked, answered = recording.asked, recording.answered
        request, _ = recording.read()
        found = evidence(recording.head, request, answered.headers, body=asked.body, answered=answered.body)
        count += 1
        if found or kind_by_shape(recording.head, request, found) != "not-ai":
            hits[recording.id] = found
    assert set(hits) == set(TAKEN_FOR_AI), hits
    assert len(hits) <= count / 100


@needs_traffic
def test_recorded_ai_traffic_is_recognised_without_knowing_its_host():
    """By the request alone, as the gate must; with its answer, as whoever reads a recording can."""
    generated, unseen, unkind = 0, [], []
    for recording in every_recording():
        if recording.kind != "http" or recording.asked.absent:
            continue
        request, _ = recording.read()
        if request.kind == "generate":
            generated += 1
            if not evidence(recording.head, request, body=recording.asked.body):
                unseen.append(recording.id)
        if kind_by_shape(recording.head, request, ()) == "not-ai" and not evidence(
            recording.head,
            request,
            recording.answered.headers,
            body=recording.asked.body,
            answered=recording.answered.body,
        ):
            unkind.append(recording.id)
    assert len(unseen) <= generated / 200, unseen
    assert unkind == []
