"""Where bodies are cut: always into all of their bytes, and the same way by both readers."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.ledger.spans import ARRAYS, DEFAULT, MAX_SPANS, WHOLES, Members, Span, _fast, _slow, spans

TOOLS = [{"name": "search", "description": "調べる" * 30}]


def cut(body: bytes) -> list[tuple[bytes, bool]]:
    return [(body[start:end], turn) for start, end, turn in spans(body)]


def assert_whole(body: bytes) -> list[Span]:
    found = spans(body)
    assert b"".join(body[start:end] for start, end, _ in found) == body
    assert all(start < end for start, end, _ in found)
    assert len(found) <= MAX_SPANS
    return found


def test_a_chat_request_is_cut_at_its_turns_and_tools():
    tools = json.dumps(TOOLS).encode()
    body = b'{"model":"m","messages":[{"role":"user"}, {"a":[{}]},\n{"b":1} ],"tools":' + tools + b',"n":1}'
    assert cut(body) == [
        (b'{"model":"m","messages":[', False),
        (b'{"role":"user"}', True),
        (b', {"a":[{}]}', True),
        (b',\n{"b":1}', True),
        (b' ],"tools":', False),
        (tools, False),
        (b',"n":1}', False),
    ]


@pytest.mark.parametrize(
    ("name", "value", "turns"),
    [
        pytest.param(
            "messages", [{"role": "user"}, {"role": "assistant"}], 2, id="chat completions, messages"
        ),
        pytest.param("input", [{"role": "user"}], 1, id="responses"),
        pytest.param("contents", [{"parts": []}, {"parts": []}, {"parts": []}], 3, id="Gemini"),
        pytest.param("input", "a question", 0, id="a single text"),
        pytest.param("input", ["one", "two"], 0, id="texts to embed"),
        pytest.param("input", [1, 2, 3], 0, id="tokens"),
        pytest.param("messages", {"role": "user"}, 0, id="not an array"),
        pytest.param("others", [{}, {}], 0, id="another member"),
        pytest.param("messages", [["nested", {"role": "user"}]], 0, id="an array in the array"),
        pytest.param("messages", [["nested"], {"role": "user"}], 1, id="a turn behind an array"),
    ],
)
def test_only_the_objects_of_a_known_array_are_turns(name, value, turns):
    body = json.dumps({"model": "m", name: value, "stream": True}).encode()
    assert sum(span.turn for span in assert_whole(body)) == turns


def test_what_was_cut_stays_cut_the_same_when_turns_are_added():
    turns = [{"role": "user", "content": f"Frage {n}"} for n in range(9)]
    for length in range(1, 9):
        shorter = cut(json.dumps({"messages": turns[:length], "n": 1}).encode())
        longer = cut(json.dumps({"messages": turns[: length + 1], "n": 1}).encode())
        assert longer[: length + 1] == shorter[: length + 1]
        assert longer[-1] == shorter[-1]


def test_other_members_can_be_asked_for():
    body = b'{"dialogue":[{"a":1},{"b":2}],"context":"' + b"x" * 200 + b'"}'
    found = spans(body, Members(frozenset({b"dialogue"}), frozenset({b"context"})))
    assert [span.turn for span in found] == [False, True, True, False, False, False]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)
NAMES = st.sampled_from([name.decode() for name in sorted(ARRAYS | WHOLES)]) | st.text(max_size=4)


@settings(deadline=None)
@given(
    value=st.dictionaries(NAMES, JSON | st.text(min_size=150, max_size=160), max_size=6),
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
)
def test_both_readers_cut_json_alike(value, indent, ascii_only):
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    fast, slow = _fast(body, DEFAULT), list(_slow(body, DEFAULT))
    assert fast in (slow, [])
    assert_whole(body)


@settings(deadline=None)
@given(body=st.binary(max_size=300))
def test_any_bytes_are_cut_into_all_of_their_bytes(body):
    assert_whole(body)


@settings(deadline=None)
@given(body=st.text(alphabet='{}[]",:\\ \n1amessages', max_size=120))
def test_anything_that_looks_like_json_is_cut_into_all_of_its_bytes(body):
    assert_whole(('{"messages":[' + body).encode())
    assert_whole(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'[{"messages":[{}]}]', id="an array"),
        pytest.param(b'"messages"', id="a string"),
        pytest.param("質問".encode("utf-16"), id="another encoding"),
        pytest.param(b"\xef\xbb\xbf" + b'{"messages":[{}]}', id="a byte order mark"),
        pytest.param(b'model=m&messages=[{"a":1}]', id="a form"),
    ],
)
def test_what_is_no_json_object_is_one_piece(body):
    assert len(assert_whole(body)) == bool(body)


@pytest.mark.parametrize(
    ("body", "turns"),
    [
        pytest.param(rb'{"messages":[{"content":"\ud83d"},{"content":"b"}]}', 2, id="half a surrogate pair"),
        pytest.param(b'{"messages":[{"content":NaN},{"content":1}]}', 2, id="NaN"),
        pytest.param(b'{"messages":[{"a":1},{"b":2},{"c":"cut here', 2, id="a capture that was cut"),
        pytest.param(b'{"messages":[{"a":1}],"messages":[{"b":2}]}', 2, id="a member twice"),
        pytest.param(rb'{"messages":[{"a":"}]\\\"}"}],"n":"\\"}', 1, id="brackets and quotes in strings"),
        pytest.param(b'{"messages":[{"a":"\xff\xfe"}]}', 1, id="not UTF-8"),
        pytest.param(b'{"messages":[{"a":1}]} trailing {"messages":[{}]}', 1, id="something behind it"),
    ],
)
def test_what_is_not_quite_json_is_cut_as_far_as_it_goes(body, turns):
    assert sum(span.turn for span in assert_whole(body)) == turns


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"messages":["' + b'\\"' * 3_000_000, id="a string without an end"),
        pytest.param(b'{"a":"' + b"\\" * 6_000_001 + b'"}', id="backslashes"),
        pytest.param(b"{" + b'"' * 6_000_000, id="quotes"),
        pytest.param(b'{"messages":[' + b"1," * 3_000_000 + b"1]}", id="an array of numbers"),
        pytest.param(b'{"messages":[' + b"{}," * 2_000_000 + b"{}]}", id="an array of turns"),
        pytest.param(b'{"messages":' + b"[" * 6_000_000, id="an abyss"),
        pytest.param(b'{"messages":' + b'{"a":' * 1_000_000, id="an abyss of objects"),
        pytest.param(b'{"a"' + b" " * 6_000_000, id="blanks"),
        pytest.param(b"{" + b'"a":1,' * 1_000_000 + b'"b":1}', id="a million members"),
    ],
)
def test_a_hostile_body_costs_little_time(body):
    start = time.process_time()
    assert_whole(body)
    assert time.process_time() - start < 3
