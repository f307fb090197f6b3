"""What is no YAML, and what is wrong in an apply file: line, field, what is wrong, what to do; no parser's words."""

from __future__ import annotations

import inspect
import re

import pytest
from ruamel.yaml import parser, scanner

from policy.build import TODAY
from sekimori.errors import PolicyFileError
from sekimori.policy.document import read_document
from sekimori.policy.yaml_words import plain


def faults(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as caught:
        read_document(text, file="apply.yaml", today=TODAY)
    return [str(fault).removeprefix("apply.yaml:") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("services:\n\t- id: a", "2: a tab stands here; indent with spaces", id="tab"),
        pytest.param(
            "services:\n- id: a\n  hosts: [a, b\n  name: x", "3: a bracket that is opened here", id="list"
        ),
        pytest.param("services:\n- {id: a", "2: a bracket that is opened here is not closed", id="mapping"),
        pytest.param("services: ]", "1: a bracket too many", id="bracket too many"),
        pytest.param(
            "services:\n- id: 'a\n  name: b\n", "2: a text that is quoted here is not closed", id="quote"
        ),
        pytest.param("services:\n- id: a\n name: b", "3: this line is indented otherwise", id="indent"),
        pytest.param("services:\n- id: a: b", "2: a colon too many", id="colon"),
        pytest.param("services: - id", "1: an entry of a list begins a line", id="list on the key's line"),
        pytest.param("services:\n- id: @x", "2: a text that begins with this sign needs quotes", id="sign"),
        pytest.param("services:\n- id: 'b' c", "2: something follows a quoted text", id="after a quote"),
        pytest.param(
            'services:\n- id: "\\q"', "2: a backslash in double quotes stands twice", id="backslash"
        ),
        pytest.param("services:\n- id: |x", "2: nothing follows | or >", id="block text"),
        pytest.param("%YAML 2.0\n---\na: b", "1: lines that begin with %", id="directive"),
        pytest.param("services:\n- id: \x01", "2: a control character stands here; remove it", id="control"),
        pytest.param(
            "a: 1\n---\nb: 2", "2: a second document begins here; write one a file", id="two documents"
        ),
    ],
)
def test_what_is_no_yaml_is_said_at_its_line_with_what_to_do(text, sentence):
    assert faults(text)[0].startswith(sentence)


def test_every_complaint_of_the_parser_has_a_sentence_of_ours():
    source = inspect.getsource(scanner) + inspect.getsource(parser)
    complaints = set(
        re.findall(r"(?m)^ *_?f?['\"]((?:expected|found|could not|mapping|sequence) .*?)['\"],? *$", source)
    )
    assert len(complaints) > 20
    assert sorted(each for each in complaints if "this is not YAML" in plain(each.strip("\"'"))) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "services: 3", "services: must be a list; write it in brackets, as [a, b]", id="no list"
        ),
        pytest.param(
            "services: [3]", "services[0]: must be keys with values; write a line key: value", id="no entry"
        ),
        pytest.param(
            "services:\n- id: a", "services[0].hosts: is missing; add a line hosts: …", id="missing"
        ),
        pytest.param(
            "services:\n- id: []", "services[0].id: must be a single value, neither a list", id="no value"
        ),
        pytest.param(
            "groups: []", "groups: must be a mapping of names to members; write a line name:", id="groups"
        ),
        pytest.param(
            "grants:\n- id: g", "period: is missing; add a line period: {start: 2026-04-01", id="period"
        ),
        pytest.param("services:\n- id: ''", "services[0].id: is empty; write what belongs here", id="empty"),
    ],
)
def test_a_fault_of_an_entry_says_what_to_write(text, sentence):
    assert any(sentence in fault for fault in faults(text))
