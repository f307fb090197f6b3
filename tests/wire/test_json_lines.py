"""JSON texts one after another: to a line each, several to a line, over several lines, cut anywhere."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.jsontext import read_json
from sekimori.wire.lines import JsonLinesDecoder

VALUES = [{"a": '}\n{"'}, {"b": [{"c": "日本\\"}]}, {"d": {"e": []}}]


def read(pieces: list[bytes], *, limit: int = 1 << 20) -> tuple[list[object], bool]:
    decoder = JsonLinesDecoder(limit=limit)
    found = [value for piece in pieces for value in decoder.feed(piece)] + decoder.finish()
    return [
        read_json(value) if isinstance(value, (bytes, str)) else value for value in found
    ], decoder.overflow


STREAMS = [
    pytest.param("\n".join(json.dumps(v) for v in VALUES), id="lines"),
    pytest.param("\r\n\r\n".join(json.dumps(v) for v in VALUES) + "\r\n", id="blank lines"),
    pytest.param("".join(json.dumps(v) for v in VALUES), id="without any break"),
    pytest.param("\n".join(json.dumps(v, indent=2) for v in VALUES), id="over several lines"),
    pytest.param("".join(f"\x1e{json.dumps(v)}\n" for v in VALUES), id="sequence"),
]


@pytest.mark.parametrize("stream", STREAMS)
@given(data=st.data())
def test_where_the_network_cuts_lines_never_changes_their_values(stream, data):
    raw = stream.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    assert read(pieces) == (VALUES, False)


def test_a_line_that_is_no_json_is_given_out_for_what_it_is():
    decoder = JsonLinesDecoder()
    assert decoder.feed(b'{"a":1}\nnot json\n{"b":2}\n') == [{"a": 1}, b"not json", {"b": 2}]


def test_a_value_that_never_ends_is_given_out_at_the_end():
    decoder = JsonLinesDecoder()
    assert decoder.feed(b'{"a":1}\n{"b":\n"x"\n') == [{"a": 1}]
    assert decoder.finish() == [b'{"b":\n"x"']


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b'{"a":1}\n{"b":"' + b"x" * 200 + b'"}\n', id="in one line"),
        pytest.param(b'{"a":1}\n{"b":[\n' + b'"x",\n' * 60, id="over many lines"),
    ],
)
def test_a_value_beyond_the_limit_stops_the_reading_after_those_before_it(stream):
    assert read([stream], limit=100) == ([{"a": 1}], True)
    assert read([stream[at : at + 1] for at in range(len(stream))], limit=100) == ([{"a": 1}], True)


@given(stream=st.text('[]{}",\\a\n', max_size=60), cut=st.integers(0, 60))
def test_any_text_gives_the_same_values_however_it_is_cut(stream, cut):
    raw = stream.encode()
    whole, parted = JsonLinesDecoder(), JsonLinesDecoder()
    assert [*parted.feed(raw[:cut]), *parted.feed(raw[cut:]), *parted.finish()] == [
        *whole.feed(raw),
        *whole.finish(),
    ]
