import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import WireError
from sekimori.wire.concatenated import JsonTextsDecoder, PrefixedLinesDecoder
from sekimori.wire.envelopes import EnvelopeDecoder, is_enveloped
from sekimori.wire.protobuf import MAX_DEPTH, read_message
from sekimori.wire.signalr import SignalRDecoder


def envelope(payload: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(payload).to_bytes(4) + payload


def field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2, len(payload)]) + payload


CONNECT = envelope(b'{"a":1}') + envelope(gzip.compress(b'{"b":2}'), 1) + envelope(b"{}", 2)
PROTO = envelope(field(1, "こんにちは".encode()) + field(2, field(1, b"there")))
FRAMINGS = [
    pytest.param(
        JsonTextsDecoder,
        b')]}\'\n\n17\n[["a","]}\\""]]\n\n25\n[["b"]]\n',
        ['[["a","]}\\""]]', '[["b"]]'],
        id="Google's frames",
    ),
    pytest.param(
        JsonTextsDecoder,
        b'{"a":"}{"}{"b":[1]}\n{"c":2}',
        ['{"a":"}{"}', '{"b":[1]}', '{"c":2}'],
        id="abutting",
    ),
    pytest.param(
        PrefixedLinesDecoder, b'0:"He"\nd:{"x":1}\n\n"bare"', ['"He"', '{"x":1}', '"bare"'], id="marked lines"
    ),
    pytest.param(
        SignalRDecoder, b'{"type":6}\x1e{"a":"b"}\x1e{}', ['{"type":6}', '{"a":"b"}', "{}"], id="SignalR"
    ),
    pytest.param(
        lambda: EnvelopeDecoder("application/connect+json"),
        CONNECT,
        ['{"a":1}', '{"b":2}', "{}"],
        id="Connect",
    ),
    pytest.param(
        lambda: EnvelopeDecoder("application/connect+proto"),
        PROTO,
        ['{"1":["こんにちは"],"2":[{"1":["there"]}]}'],
        id="Connect, protobuf",
    ),
    pytest.param(
        lambda: EnvelopeDecoder("application/grpc-web+proto"),
        PROTO + envelope(b"grpc-status: 0\r\ngrpc-message: fine\r\n", 0x80),
        ['{"1":["こんにちは"],"2":[{"1":["there"]}]}', '{"grpc-status":"0","grpc-message":"fine"}'],
        id="gRPC-web with trailers",
    ),
    pytest.param(
        lambda: EnvelopeDecoder("application/grpc-web-text+proto"),
        base64.b64encode(PROTO) + base64.b64encode(envelope(b"grpc-status: 0", 0x80)),
        ['{"1":["こんにちは"],"2":[{"1":["there"]}]}', '{"grpc-status":"0"}'],
        id="gRPC-web as text",
    ),
]
DECODERS: list[Any] = [
    JsonTextsDecoder,
    PrefixedLinesDecoder,
    SignalRDecoder,
    *(
        lambda kind=kind: EnvelopeDecoder(kind)
        for kind in ("application/connect+json", "application/connect+proto", "application/grpc-web-text")
    ),
]


def texts(events):
    return [event.data.decode() for event in events]


def run(decoder, chunks):
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


@pytest.mark.parametrize(("make", "stream", "expected"), FRAMINGS)
def test_a_stream_is_cut_into_its_messages(make, stream, expected):
    decoder = make()
    assert texts(run(decoder, [stream])) == expected
    assert (decoder.fault, decoder.overflow) == ("", False)


@pytest.mark.parametrize(("make", "stream", "expected"), FRAMINGS)
def test_where_the_network_cuts_a_stream_is_no_matter(make, stream, expected):
    for size in (1, 2, 3, 7):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert texts(run(make(), chunks)) == expected


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(1, 200))
@pytest.mark.parametrize("make", DECODERS)
def test_any_bytes_cut_anywhere_come_out_the_same_and_never_raise(make, stream, cut):
    one, other = make(), make()
    assert run(one, [stream]) == run(other, [stream[:cut], stream[cut:]])
    assert one.overflow == other.overflow


@settings(max_examples=60)
@given(
    st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=12), max_size=3), max_size=5), st.data()
)
def test_objects_that_abut_come_out_as_they_went_in(values, data):
    stream = "".join(json.dumps(value, ensure_ascii=data.draw(st.booleans())) for value in values).encode()
    cut = data.draw(st.integers(0, len(stream)))
    found = run(JsonTextsDecoder(), [stream[:cut], stream[cut:]])
    assert [json.loads(event.data) for event in found] == values


@pytest.mark.parametrize(
    ("decoder", "stream"),
    [
        pytest.param(JsonTextsDecoder(limit=100), b'{"a":"' + b"x" * 200, id="JSON texts"),
        pytest.param(JsonTextsDecoder(limit=100), b'{"a":"' + b"x" * 200 + b'"}', id="a whole JSON text"),
        pytest.param(PrefixedLinesDecoder(limit=100), b"0:" + b"x" * 200, id="lines"),
        pytest.param(SignalRDecoder(limit=100), b"x" * 200, id="SignalR"),
        pytest.param(
            EnvelopeDecoder("application/connect+json", limit=100), envelope(b"x" * 200), id="an envelope"
        ),
        pytest.param(
            EnvelopeDecoder("application/connect+json", total=100),
            envelope(gzip.compress(b"x" * 10_000), 1),
            id="a bomb in an envelope",
        ),
        pytest.param(
            EnvelopeDecoder("application/connect+json", total=100),
            envelope(b"x" * 60) * 3,
            id="all envelopes",
        ),
    ],
)
def test_no_message_may_grow_without_bound(decoder, stream):
    run(decoder, [stream])
    assert decoder.overflow
    assert decoder.fault


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(envelope(b"{}")[:-1], id="a cut envelope"),
        pytest.param(envelope(b"{}", 0x40), id="unknown flags"),
        pytest.param(envelope(b"no gzip", 1), id="a broken coding"),
    ],
)
def test_broken_envelopes_are_told(stream):
    decoder = EnvelopeDecoder("application/connect+json")
    run(decoder, [stream])
    assert decoder.fault


@pytest.mark.parametrize(
    ("media_type", "enveloped"),
    [
        ("application/connect+json", True),
        ("application/connect+proto", True),
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc-web", True),
        ("application/grpc-web+proto", True),
        ("application/grpc-web-text", True),
        ("application/json", False),
        ("application/proto", False),
    ],
)
def test_the_media_type_tells_envelopes(media_type, enveloped):
    assert is_enveloped(media_type) is enveloped


def test_a_text_that_also_reads_as_a_message_is_kept_as_both():
    ambiguous = b"\n " + b"x" * 32  # a line break and a space, or field 1 with 32 bytes
    assert read_message(field(1, ambiguous)) == {"1": [{"1": ["x" * 32], "": "\n " + "x" * 32}]}


def test_a_message_deeper_than_the_bound_is_refused():
    message = b"deep"
    for _ in range(MAX_DEPTH + 4):
        message = field(1, message)
    with pytest.raises(WireError, match="deep"):
        read_message(message)


def test_a_text_with_control_characters_is_a_text_where_it_is_no_message():
    assert read_message(field(1, b"\x1b[31mred")) == {"1": ["\x1b[31mred"]}
