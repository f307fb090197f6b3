import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.sse import Event, JsonArrayDecoder, SseDecoder

STREAM = (
    b"\xef\xbb\xbf: a comment\r\ndata: one\r\n\r\nevent: named\rdata:two\rdata:  lines\r\r"
    b'id: 7\nretry: 1\ndata\ndata: {"a":"\xe2\x80\xa8"}\n\nevent: nothing\n\ndata: unended'
)
EVENTS = [
    Event("message", "one"),
    Event("named", "two\n lines"),
    Event("message", '\n{"a":"\u2028"}'),
    Event("message", "unended"),
]


def events_of(pieces: Iterable[bytes], *, limit: int = 1 << 20) -> tuple[list[Event], bool]:
    decoder = SseDecoder(limit=limit)
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.finish(), decoder.overflow


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    return [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]


@given(data=st.data())
def test_where_the_network_cuts_a_stream_never_changes_its_events(data):
    assert events_of(cut(data, STREAM)) == (EVENTS, False)


def test_a_stream_that_comes_byte_by_byte_has_the_same_events():
    assert events_of([STREAM[at : at + 1] for at in range(len(STREAM))]) == (EVENTS, False)


@given(data=st.data(), stream=st.binary(max_size=120))
def test_any_bytes_give_the_same_events_however_they_are_cut(data, stream):
    assert events_of(cut(data, stream), limit=20) == events_of([stream], limit=20)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: ok\n\ndata: " + b"x" * 200, id="an endless line"),
        pytest.param(b"data: ok\n\n" + b"data: x\n" * 40, id="an endless event"),
    ],
)
def test_an_event_beyond_the_limit_stops_the_reading_after_those_before_it(stream):
    assert events_of([stream], limit=100) == ([Event("message", "ok")], True)


def test_comments_may_go_on_for_ever():
    stream = b": still here\n" * 1000 + b"data: ok\n\n"
    assert events_of([stream], limit=100) == ([Event("message", "ok")], False)


ELEMENTS = [{"a": ']}\\"{['}, {"b": [{"c": []}]}, {"d": "日本 \\"}]


def elements_of(pieces: Iterable[bytes], *, limit: int = 1 << 20) -> tuple[list[bytes], bool]:
    decoder = JsonArrayDecoder(limit=limit)
    return [element for piece in pieces for element in decoder.feed(piece)], decoder.overflow


@pytest.mark.parametrize("indent", [None, 2])
@given(data=st.data())
def test_where_the_network_cuts_an_array_never_changes_its_elements(indent, data):
    stream = json.dumps(ELEMENTS, indent=indent, ensure_ascii=False).encode()
    elements, overflow = elements_of(cut(data, stream))
    assert ([json.loads(element) for element in elements], overflow) == (ELEMENTS, False)


@given(data=st.data(), stream=st.text('[]{}",\\ab', max_size=60))
def test_any_array_bytes_give_the_same_elements_however_they_are_cut(data, stream):
    raw = stream.encode()
    assert elements_of(cut(data, raw))[0] == elements_of([raw])[0]


def test_an_element_beyond_the_limit_stops_the_reading():
    stream = b'[{"a":1},{"b":"' + b"x" * 200
    assert elements_of([stream], limit=100) == ([b'{"a":1}'], True)
