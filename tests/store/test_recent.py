"""What was stored last is handed out once and whole, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.store.recent import Recent
from support.evidence import answered, asked


def entries(first: int, last: int) -> list[tuple[int, Any]]:
    """Number intents and outcomes in turn, an intent first where the number is odd."""
    return [(n, asked(f"r{n}") if n % 2 else answered(f"r{n - 1}")) for n in range(first, last + 1)]


def rids(taken: Any) -> list[str] | None:
    return None if taken is None else [intent.rid for intent in taken]


def test_intents_come_in_their_order_without_bodies_and_keys():
    recent = Recent()
    recent.note("w1", entries(1, 4))
    taken = recent.take("w1", 0, 4)
    assert rids(taken) == ["r1", "r3"]
    assert [(intent.body.stored, intent.key) for intent in taken or ()] == [(b"", b"")] * 2


@pytest.mark.parametrize(
    ("after", "upto"),
    [
        pytest.param(0, 6, id="more than was stored"),
        pytest.param(0, 2, id="from before it began"),
    ],
)
def test_what_is_not_remembered_whole_is_not_handed_out(after, upto):
    recent = Recent()
    recent.note("w1", entries(3, 5))
    assert recent.take("w1", after, upto) is None
    assert rids(recent.take("w1", 2, 5)) == ["r3", "r5"]


def test_nothing_is_handed_out_twice():
    recent = Recent()
    recent.note("w1", entries(1, 4))
    assert rids(recent.take("w1", 0, 2)) == ["r1"]
    assert recent.take("w1", 0, 2) is None
    assert rids(recent.take("w1", 2, 4)) == ["r3"]


def test_a_gap_forgets_what_lay_before_it():
    recent = Recent()
    recent.note("w1", entries(1, 2))
    recent.note("w1", entries(5, 6))
    assert recent.take("w1", 0, 6) is None
    assert rids(recent.take("w1", 4, 6)) == ["r5"]


def test_lanes_are_remembered_apart_and_forgotten_when_they_end():
    recent = Recent()
    recent.note("w1", entries(1, 2))
    recent.note("w2", entries(1, 4))
    recent.forget("w1")
    assert recent.take("w1", 0, 2) is None
    assert rids(recent.take("w2", 0, 4)) == ["r1", "r3"]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), max_size=12), st.integers(1, 20))
def test_whatever_comes_no_intent_is_left_out_and_none_is_made_up(pieces, limit):
    recent = Recent(limit)
    counted = 0
    for first, length in pieces:
        recent.note("w1", entries(first, first + length - 1))
        upto = first + length - 1
        taken = rids(recent.take("w1", counted, upto))
        if taken is not None:
            assert taken == [f"r{n}" for n in range(counted + 1, upto + 1) if n % 2]
            counted = upto
