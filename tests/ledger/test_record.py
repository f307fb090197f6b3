"""What is written of one exchange survives being written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.ledger.record import Body, Intent, Outcome, Redaction, decode, encode

texts = st.text(st.characters(codec="utf-8"), max_size=30)
counts = st.integers(0, 2**53)
redactions = st.lists(st.builds(Redaction, texts, texts, counts, counts, texts), max_size=2).map(tuple)
bodies = st.builds(Body, sha256=texts, size=counts, stored=st.binary(max_size=200), redacted=redactions)
headers = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
intents = st.builds(
    Intent, rid=texts, time_us=counts, user=texts, klass=st.integers(1, 3), headers=headers, body=bodies
)
outcomes = st.builds(Outcome, rid=texts, time_us=counts, state=texts, redacted=redactions, body=bodies)


@given(entry=intents | outcomes)
def test_an_entry_comes_back_as_it_was_written(entry):
    assert decode(encode(entry)) == entry


def test_bytes_of_a_body_are_never_reinterpreted():
    body = Body(stored=b'{"a":1,"a":2}\xff\x00')
    assert decode(encode(Intent(rid="a", time_us=0, body=body))).body.stored == body.stored


def test_a_field_that_a_later_release_added_is_ignored():
    later = msgspec.msgpack.encode({"type": "intent", "rid": "a", "time_us": 1, "mood": "sunny"})
    assert decode(later) == Intent(rid="a", time_us=1)


def test_an_entry_of_an_earlier_release_gets_the_defaults():
    earlier = msgspec.msgpack.encode({"type": "outcome", "rid": "a", "time_us": 1, "state": "complete"})
    assert decode(earlier) == Outcome(rid="a", time_us=1, state="complete")


@given(data=st.binary(max_size=100))
def test_any_bytes_are_an_entry_or_a_decode_error(data):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(data)
