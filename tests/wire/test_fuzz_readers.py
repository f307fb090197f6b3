"""What a peer could send to confuse the readers: they never stumble, never hang, and cuts never matter.

Values are built from the words that the readers themselves look for, so that they reach into every dialect.
"""

import gzip
import json
import time
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import target
from sekimori.wire.answer import Answer
from sekimori.wire.dialects import DIALECTS, Dialect
from sekimori.wire.draft import Draft
from sekimori.wire.model import Head, RequestReading
from sekimori.wire.read import ResponseReader, read_request
from sekimori.wire.turns import TurnReader
from support.vocabulary import vocabulary

JSON = (("content-type", "application/json"),)
WORDS = st.sampled_from(vocabulary())
TEXTS = (
    WORDS | st.text(max_size=20) | st.sampled_from(["QUJD", "data:text/plain;base64,QUJD", '{"a":"\\u3042"}'])
)
SCALARS = st.none() | st.booleans() | st.integers(-1, 10) | st.floats(allow_nan=False, width=16) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=30,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=8)
SPOKEN = st.sampled_from(DIALECTS)

few = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@few
@given(dialect=SPOKEN, body=OBJECTS)
def test_no_request_makes_a_dialect_raise(dialect: Dialect, body):
    dialect.read(Draft(), body)
    dialect.fits(body)
    if dialect.models is not None:
        assert isinstance(dialect.models(body), list)


@few
@given(dialect=SPOKEN, answer=VALUES, events=st.lists(OBJECTS, max_size=6))
def test_no_answer_makes_a_dialect_raise(dialect: Dialect, answer, events):
    dialect.whole(Answer(), answer)
    streamed = Answer()
    for event in events:
        dialect.event(streamed, event)
    if dialect.finish is not None:
        dialect.finish(streamed)
    streamed.reading()


@few
@given(
    path=st.sampled_from(target.PATHS), body=OBJECTS | VALUES, method=st.sampled_from(["POST", "GET", "PUT"])
)
def test_no_request_makes_a_reader_stumble(path, body, method):
    target.sound(read_request(Head(method, "h.test", path, JSON), json.dumps(body).encode()))


@few
@given(
    dialect=SPOKEN,
    events=st.lists(OBJECTS, max_size=5),
    framing=st.sampled_from(["sse", "lines", "array", "bare"]),
    kind=st.sampled_from(target.TYPES),
    size=st.integers(1, 50),
)
def test_where_the_network_cuts_an_answer_never_changes_what_is_read(dialect, events, framing, kind, size):
    texts = [json.dumps(event).encode() for event in events]
    body = {
        "sse": b"".join(b"event: message\ndata: " + text + b"\n\n" for text in texts),
        "lines": b"\n".join(texts),
        "array": b"[" + b",\r\n".join(texts) + b"]",
        "bare": b"".join(texts),
    }[framing]
    head, asked = Head("POST", "h.test", "/"), RequestReading("generate", dialect.name)
    headers = (("content-type", kind),)
    whole = target.answer(head, asked, headers, [body])
    target.sound(whole)
    assert (
        target.answer(head, asked, headers, [body[at : at + size] for at in range(0, len(body), size)])
        == whole
    )


@few
@given(data=st.binary(max_size=400))
def test_bytes_of_any_kind_are_read_like_the_fuzzers(data):
    target.check(data)


@few
@given(
    path=st.sampled_from(target.PATHS),
    messages=st.lists(OBJECTS.map(json.dumps).map(str.encode) | st.binary(max_size=60), max_size=6),
    text=st.booleans(),
)
def test_no_message_makes_a_turn_reader_stumble(path, messages, text):
    turns = TurnReader(Head("GET", "h.test", path, (("upgrade", "websocket"),)))
    for message in messages:
        turns.client(message, text)
        assert isinstance(turns.server(message, text), bool)


MILLIONS = 30_000_000
HOSTILE = {
    "a gzip bomb": (("content-encoding", "gzip"), gzip.compress(b"a" * MILLIONS)),
    "a gzip bomb of white space": (("content-encoding", "gzip"), gzip.compress(b" " * MILLIONS + b"{}")),
    "a deflate bomb": (("content-encoding", "deflate"), zlib.compress(b"[" * MILLIONS)),
    "deep nesting": (("content-type", "application/json"), b'{"a":' * 200_000),
    "deep arrays": (("content-type", "application/json"), b"[" * 1_000_000),
    "a long number": (("content-type", "application/json"), b'{"model":' + b"9" * 1_000_000 + b"}"),
    "one endless line": (("content-type", "text/event-stream"), b"data: " + b"a" * 4_000_000),
    "many small events": (("content-type", "text/event-stream"), b"data: {}\n\n" * 200_000),
    "endless fields": (("content-type", "text/event-stream"), b"data\n" * 500_000),
    "a huge envelope": (("content-type", "application/connect+json"), b"\0\xff\xff\xff\xff" + b"a" * 1_000_000),
    "many empty envelopes": (("content-type", "application/connect+proto"), b"\0" * 1_000_000),
    "nested protobuf": (("content-type", "application/proto"), b"\x0a\x7f" * 500_000),
    "an AWS frame of any size": (
        ("content-type", "application/vnd.amazon.eventstream"), b"\x7f\xff\xff\xff" * 250_000,
    ),
    "abutting objects": (("content-type", "application/json"), b"{}" * 400_000),
    "many parts": (("content-type", "multipart/form-data; boundary=b"), b"--b\r\n\r\na\r\n" * 100_000),
    "many fields": (("content-type", "application/x-www-form-urlencoded"), b"a=b&" * 250_000),
    "JSON in JSON in JSON": (("content-type", "application/json"), json.dumps({"a": json.dumps(["\\u3042" * 1000] * 100)}).encode()),
}  # fmt: skip


def read_hostile(name: str, limit: int) -> None:
    """Read a hostile body as a request and as an answer, of several dialects."""
    field, body = HOSTILE[name]
    for dialect in ("", "openai-chat", "gemini"):
        for path in ("/v1/chat/completions", "/aiserver.v1.ChatService/StreamUnifiedChatWithTools"):
            head = Head("POST", "h.test", path, (field,))
            target.sound(read_request(head, body, limit=limit))
            reader = ResponseReader(head, RequestReading("generate", dialect), 200, (field,), limit=limit)
            for at in range(0, len(body), 1 << 16):
                reader.feed(body[at : at + (1 << 16)])
            target.sound(reader.finish())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_costs_bounded_time(name):
    started = time.monotonic()
    read_hostile(name, 4 << 20)
    assert time.monotonic() - started < 20  # six readings of a megabyte or four, on a busy machine


@pytest.mark.parametrize("name", ["a gzip bomb", "a gzip bomb of white space", "a deflate bomb", "a huge envelope",
                                  "an AWS frame of any size", "one endless line"])  # fmt: skip
def test_a_hostile_body_costs_bounded_memory(name):
    limit = 1 << 20
    tracemalloc.start()
    try:
        read_hostile(name, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * limit


def test_the_fuzzer_would_see_a_reader_stumble():
    with pytest.raises(AssertionError, match="reader: KeyError"):
        target.sound(RequestReading(skipped=("reader: KeyError",)))
