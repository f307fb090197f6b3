"""What came over the wire never steers a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.cli.terminal import escape, json_line

DANGEROUS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("会議録の要約", "会議録の要約", id="Japanese stays"),
        pytest.param("\x1b[2J", "\\u001b[2J", id="terminal escape"),
        pytest.param("a\nb\rc", "a\\u000ab\\u000dc", id="new lines"),
        pytest.param("a\u2028b\u2029c\u0085d", "a\\u2028b\\u2029c\\u0085d", id="line separators"),
        pytest.param("\u202egpj.exe", "\\u202egpj.exe", id="right-to-left override"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero width"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag characters"),
        pytest.param("\\u001b", "\\\\u001b", id="a backslash that was sent"),
        pytest.param("\x9b2J", "\\u009b2J", id="C1 control"),
    ],
)
def test_a_character_that_could_steer_is_shown_as_its_code(text, shown):
    assert escape(text) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_that_could_steer_a_terminal_is_left(text):
    assert not {unicodedata.category(char) for char in escape(text)} & DANGEROUS


@given(st.text(), st.text())
def test_two_different_texts_are_never_shown_alike(one, other):
    assert (escape(one) == escape(other)) == (one == other)


@given(st.dictionaries(st.text(st.characters(codec=None)), st.text(st.characters(codec=None))))
def test_a_json_line_is_harmless_and_says_the_same(value):
    line = json_line(value)
    assert not {unicodedata.category(char) for char in line} & DANGEROUS
    assert json.loads(line) == json.loads(json.dumps(value))
