"""Which tree a leaf goes to, how trees are named, and how far a lane is covered: without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import IntegrityError
from sekimori.store.placing import TreeName, parse_name, quarter_of, series_of
from sekimori.store.reach import Reach

JAPAN = timezone(timedelta(hours=9))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(when: str) -> int:
    return (datetime.fromisoformat(when).replace(tzinfo=JAPAN) - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("time_us", "quarter"),
    [
        pytest.param(us("2026-01-01"), "2026Q1", id="new year in Japan, still December elsewhere"),
        pytest.param(us("2026-01-01") - 1, "2025Q4", id="a microsecond before"),
        pytest.param(us("2026-03-31T23:59:59"), "2026Q1", id="the last second of March"),
        pytest.param(us("2026-04-01"), "2026Q2", id="the first of April"),
        pytest.param(us("2026-12-31T12:00"), "2026Q4", id="New Year's Eve"),
    ],
)
def test_quarters_are_those_of_the_calendar_in_japan(time_us, quarter):
    assert quarter_of(time_us) == quarter


@pytest.mark.parametrize(
    ("lane", "series"),
    [
        pytest.param("w0-19a5c", "gate-n1-0", id="a gate worker"),
        pytest.param("w12-19a5c", "gate-n1-12", id="a gate worker of two digits"),
        pytest.param("archivist-n1", "archive-n1", id="the archivist's own lane"),
        pytest.param("readings-1", "archive-n1", id="readings"),
        pytest.param("web-1", "archive-n1", id="the web server"),
        pytest.param("", "archive-n1", id="statements"),
        pytest.param("migrated", "gate-n1-0", id="a spool lane of another name"),
    ],
)
def test_each_lane_has_its_tree(lane, series):
    assert series_of(lane, "n1") == series


@given(
    series=st.sampled_from(["gate-1-0", "gate-host-2-12", "archive-1", "archive-a1b2c3d4"]),
    quarter=st.sampled_from(["2026Q4", "2027Q1"]),
    turn=st.integers(1, 30),
)
def test_a_tree_s_name_can_be_read_again(series, quarter, turn):
    name = TreeName(series, quarter, turn)
    assert parse_name(str(name)) == name
    assert name.kind == series.partition("-")[0]


@pytest.mark.parametrize(
    "name", ["", "super", "gate-1-0", "gate-1-0-2026Q5", "../x-2026Q4", "archive-2026Q4"]
)
def test_other_names_are_refused(name):
    with pytest.raises(IntegrityError):
        parse_name(name)


def test_a_lane_is_covered_as_far_as_its_trees_are():
    reach = Reach()
    reach.add("w0-a", "t", 5, 5)
    assert reach.covered("w0-a") == 0
    reach.begin("w0-a", {"t": 5, "other": 2}, 5)
    reach.is_safe("t", 9)
    assert reach.covered("w0-a") == 0
    reach.is_safe("other", 2)
    assert reach.covered("w0-a") == 5
    reach.add("w0-a", "t", 12, 8)
    reach.add("w0-a", "", 0, 9)
    reach.add("w0-a", "next", 3, 12)
    assert reach.covered("w0-a") == 5
    reach.is_safe("next", 3)
    assert reach.covered("w0-a") == 5
    reach.is_safe("t", 12)
    assert reach.covered("w0-a") == 12


@given(st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.integers(1, 4)), max_size=40), st.data())
def test_no_entry_counts_as_covered_before_its_place_is(stored, data):
    """Against the obvious way: a list of every entry with its place."""
    reach, ends, entries = Reach(), {"a": 0, "b": 0}, []
    reach.begin("l", {}, 0)
    safe = {"a": 0, "b": 0}
    for tree, count in stored:
        for _ in range(count):
            ends[tree] = ends.get(tree, 0) + 1
            entries.append((tree, ends[tree]))
        reach.add("l", tree, ends[tree] if tree else 0, len(entries))
        for name, before in list(safe.items()):
            safe[name] = data.draw(st.integers(before, ends[name]))
            reach.is_safe(name, safe[name])
        bound = next((n for n, (t, end) in enumerate(entries) if t and end > safe[t]), len(entries))
        assert reach.covered("l") <= bound
    for name in safe:
        reach.is_safe(name, ends[name])
    assert reach.covered("l") == len(entries)
