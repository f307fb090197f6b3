"""The event stream encoding of AWS: what a message carries, cut anywhere, and what no message may do."""

import itertools
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.aws_events import AwsEventDecoder, begins_message
from sekimori.wire.sse import Event


def field(name: bytes, value: bytes, kind: int = 7) -> bytes:
    sized = len(value).to_bytes(2, "big") + value if kind in (6, 7) else value
    return bytes([len(name)]) + name + bytes([kind]) + sized


def message(payload: bytes, *fields: bytes) -> bytes:
    held = b"".join(fields)
    prelude = struct.pack(">II", 16 + len(held) + len(payload), len(held))
    body = prelude + struct.pack(">I", crc32(prelude)) + held + payload
    return body + struct.pack(">I", crc32(body))


def event(kind: bytes, payload: bytes) -> bytes:
    return message(payload, field(b":message-type", b"event"), field(b":event-type", kind))


ODD = message(
    b"{}",
    field(b":event-type", b"odd"),
    field(b"yes", b"", 0),
    field(b"no", b"", 1),
    field(b"byte", b"\x01", 2),
    field(b"short", b"\x01\x02", 3),
    field(b"int", bytes(4), 4),
    field(b"long", bytes(8), 5),
    field(b"bytes", b"\xff\x00", 6),
    field(b"time", bytes(8), 8),
    field(b"uuid", bytes(16), 9),
)
STREAM = event(b"chunk", '{"bytes":"日本"}'.encode()) + event(b"stop", b"") + ODD
EVENTS = [
    Event("chunk", '{"bytes":"日本"}'.encode()),
    Event("stop", b""),
    Event("odd", b"{}"),
]


def read(pieces: list[bytes], *, limit: int = 1 << 20) -> tuple[list[Event], str]:
    decoder = AwsEventDecoder(limit=limit)
    events = [found for piece in pieces for found in decoder.feed(piece)] + decoder.finish()
    return events, decoder.fault


@given(cuts=st.sets(st.integers(0, len(STREAM)), max_size=12))
def test_where_the_network_cuts_messages_never_changes_their_events(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read([STREAM[a:b] for a, b in itertools.pairwise(edges)]) == (EVENTS, "")


def test_messages_that_come_byte_by_byte_have_the_same_events():
    assert read([STREAM[at : at + 1] for at in range(len(STREAM))]) == (EVENTS, "")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param(
            (field(b":message-type", b"exception"), field(b":exception-type", b"throttlingException")),
            "exception:throttlingException",
            id="exception",
        ),
        pytest.param(
            (field(b":message-type", b"error"), field(b":error-code", b"Internal")),
            "exception:Internal",
            id="error",
        ),
    ],
)
def test_an_exception_is_told_from_an_event(fields, kind):
    (found,) = read([message(b"{}", *fields)])[0]
    assert found.kind == kind


@pytest.mark.parametrize("at", [3, 9, 20, 60])
def test_a_flipped_bit_stops_the_reading_at_its_message(at):
    first, second = event(b"a", b"{}"), event(b"b", b'{"text":"x"}')
    broken = bytearray(first + second)
    broken[len(first) + at] ^= 1
    events, fault = read([bytes(broken)])
    assert (events, fault) == ([Event("a", b"{}")], "a message has a wrong checksum")


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        pytest.param(STREAM[:-3], "the stream ends within a message", id="cut short"),
        pytest.param(event(b"big", bytes(2000)), "an event is too large", id="too large"),
        pytest.param(
            message(b"", b"\xffno such name"), "a message has broken headers", id="a name beyond the headers"
        ),
        pytest.param(message(b"", field(b"x", b"", 77)), "a message has broken headers", id="unknown type"),
    ],
)
def test_what_is_no_whole_message_is_told(stream, fault):
    assert read([stream], limit=1000)[1] == fault


def test_a_length_that_makes_no_sense_is_refused_although_its_checksum_fits():
    prelude = struct.pack(">II", 20, 400)
    assert read([prelude + struct.pack(">I", crc32(prelude))])[1] == "a message has an impossible length"


def test_only_the_prelude_of_a_message_passes_for_one():
    assert begins_message(STREAM)
    assert not begins_message(b'{"message":"x"}')
    assert not begins_message(STREAM[:11])


@given(stream=st.binary(max_size=200), cut=st.integers(0, 200))
def test_any_bytes_give_the_same_events_however_they_are_cut(stream, cut):
    assert read([stream[:cut], stream[cut:]], limit=100) == read([stream], limit=100)


def test_a_message_that_never_ends_is_not_held_beyond_the_limit():
    prelude = struct.pack(">II", 1 << 30, 0)
    decoder = AwsEventDecoder(limit=1000)
    for _ in range(100):
        decoder.feed(prelude + struct.pack(">I", crc32(prelude)) + bytes(1000))
    assert decoder.fault == "an event is too large"
    assert len(decoder._buffer) == 0
