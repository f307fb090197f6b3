"""References, captures and their budget."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.exchange import Budget, Capture, new_reference

NOW = 1_795_000_000_000_000


def test_references_sort_by_time():
    made = [new_reference(NOW + step, lambda size: b"\xff" * size) for step in range(100)]
    assert made == sorted(made)
    assert len(set(made)) == 100


@given(st.integers(0, (1 << 52) - 1), st.binary(min_size=6, max_size=6))
def test_a_reference_is_twenty_characters_that_can_be_read_out(time_us, random):
    reference = new_reference(time_us, lambda _: random)
    assert len(reference) == 20
    assert not set(reference) & set("ILOU")


@given(st.lists(st.binary(max_size=40)), st.integers(0, 200))
def test_a_capture_hashes_everything_and_keeps_a_prefix_within_its_limit(chunks, limit):
    budget = Budget(1000)
    capture = Capture(limit, budget)
    for chunk in chunks:
        capture.add(chunk, NOW)
    whole = b"".join(chunks)
    assert capture.size == len(whole)
    assert capture.hash.digest() == hashlib.sha256(whole).digest()
    kept = capture.take()
    assert whole.startswith(kept)
    assert len(kept) <= limit
    assert (kept == whole) == (not capture.cut)
    assert budget.used == 0


def test_captures_together_never_hold_more_than_the_budget():
    budget = Budget(100)
    first, second = Capture(80, budget), Capture(80, budget)
    first.add(b"x" * 80, NOW)
    second.add(b"y" * 80, NOW)
    assert (first.cut, second.cut) == (False, True)
    assert budget.used == 80
    first.take()
    assert budget.used == 0
