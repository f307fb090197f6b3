"""Model patterns: ``*``, ``?``, no case, no blow-up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.policy.globs import glob_matches, globs_overlap

patterns = st.text(alphabet="ab*?", max_size=7)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        pytest.param("gpt-*", "gpt-4o", True, id="prefix"),
        pytest.param("GPT-*", "gpt-4o", True, id="case"),
        pytest.param("gpt-*", "gpt4", False, id="not quite"),
        pytest.param("*", "", True, id="everything"),
        pytest.param("gpt-?", "gpt-4o", False, id="one letter only"),
        pytest.param("*/deepseek-*", "openrouter/deepseek-r1", True, id="in the middle"),
        pytest.param("gpt-[45]", "gpt-4", False, id="brackets are letters"),
        pytest.param("gpt.4", "gpt-4", False, id="a dot is a dot"),
    ],
)
def test_a_pattern_fits_what_it_says(pattern, name, fits):
    assert glob_matches(pattern, name) is fits


@given(pattern=patterns, name=st.text(alphabet="ab", max_size=8))
def test_a_pattern_fits_exactly_what_the_same_regular_expression_fits(pattern, name):
    expression = "".join({"*": ".*", "?": "."}.get(char, char) for char in pattern)

    assert glob_matches(pattern, name) == bool(re.fullmatch(expression, name))


@given(one=patterns, other=patterns, name=st.text(alphabet="ab", max_size=8))
def test_patterns_that_fit_the_same_name_overlap(one, other, name):
    if glob_matches(one, name) and glob_matches(other, name):
        assert globs_overlap(one, other)
    assert globs_overlap(one, other) == globs_overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        pytest.param("deep*", "deepseek*", True, id="wider"),
        pytest.param("*-r1", "deepseek*", True, id="crossing"),
        pytest.param("gpt-*", "deepseek*", False, id="apart"),
        pytest.param("a?", "a", False, id="another length"),
    ],
)
def test_overlap_is_told(one, other, overlap):
    assert globs_overlap(one, other) is overlap


def test_a_pattern_of_many_stars_stays_cheap():
    assert not glob_matches("*a" * 64 + "b", "a" * 5_000)
    assert globs_overlap("*a" * 32, "*b" * 32 + "*")
