"""Every fault of the configuration in plain sentences: none of them in the words of the libraries that find it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import CoreSchema

from sekimori.cli.config import Config
from sekimori.cli.config_faults import SENTENCES
from sekimori.cli.config_file import load
from sekimori.cli.config_section import Section
from sekimori.errors import ConfigError

WITNESS = '[[ledger.witnesses]]\nname = "w1"\nurl = "https://w.example"\n'
STAMPS = '[[ledger.timestamps]]\nname = "t1"\nurl = "https://t.example"\nca_file = "t.pem"\n'
FOREIGN = re.compile(
    r"Input should|Field required|Extra inputs|Value error|valid |should have|permitted|\(at "
)

CASES = [
    pytest.param(
        "value_error",
        "[gate]\nworkers = true",
        ":2: gate.workers: true is no whole number; write one without quotes, as 2",
        id="a switch for a number",
    ),
    pytest.param(
        "string_type",
        "[console]\n\ncontact = 3",
        ":3: console.contact: 3 is no text; write text, in double quotes",
        id="a number for text",
    ),
    pytest.param(
        "string_too_short",
        STAMPS.replace("t.pem", ""),
        ":4: ledger.timestamps.0.ca_file: is empty; it must name something",
        id="an empty name",
    ),
    pytest.param(
        "too_short",
        "[identity]\nsources = []",
        ":2: identity.sources: the list is empty; name at least one",
        id="an empty list",
    ),
    pytest.param(
        "int_type",
        "[gate]\nworkers = [2]",
        ":2: gate.workers: a list is no whole number; write one without quotes, as 2",
        id="a list for a number",
    ),
    pytest.param(
        "int_parsing",
        '[gate]\nworkers = "two"',
        ':2: gate.workers: "two" is no whole number; write one without quotes, as 2',
        id="a word for a number",
    ),
    pytest.param(
        "int_parsing_size",
        f'[gate]\nworkers = "{"9" * 5000}"',
        f':2: gate.workers: "{"9" * 60}…" is no whole number; write one without quotes, as 2',
        id="more digits than a number has",
    ),
    pytest.param(
        "int_from_float",
        "[gate]\nworkers = 1.5",
        ":2: gate.workers: 1.5 is no whole number; write one without quotes, as 2",
        id="a fraction",
    ),
    pytest.param(
        "finite_number",
        "[gate]\nworkers = inf",
        ":2: gate.workers: inf is no whole number; write one without quotes, as 2",
        id="no end",
    ),
    pytest.param(
        "bool_type",
        "[notices]\nrequired = []",
        ":2: notices.required: a list is neither true nor false; write one of the two, without quotes",
        id="a list for a switch",
    ),
    pytest.param(
        "bool_parsing",
        '[notices]\nrequired = "perhaps"',
        ':2: notices.required: "perhaps" is neither true nor false; write one of the two, without quotes',
        id="a word for a switch",
    ),
    pytest.param(
        "literal_error",
        'profile = "local-gov"',
        ':1: profile: "local-gov" is not known here; write "gov", "local_gov" or "enterprise"'
        "; did you mean local_gov?",
        id="an unknown word",
    ),
    pytest.param(
        "tuple_type",
        "[gate]\nconnect_ports = 443",
        ":2: gate.connect_ports: 443 is no list; write one in square brackets, texts in it in double quotes",
        id="one for a list",
    ),
    pytest.param(
        "dict_type",
        '[upstream]\nresolve = "a.example"',
        ':2: upstream.resolve: "a.example" is no table; write [upstream.resolve] and below it a line '
        "name = value for each",
        id="text for a table",
    ),
    pytest.param(
        "model_type",
        "gate = 1",
        ":1: gate: 1 is no section; write [gate] on a line of its own, its keys below it",
        id="a number for a section",
    ),
    pytest.param(
        "model_type",
        "[ledger]\nwitnesses = [3]",
        ":2: ledger.witnesses.0: 3 is no section; write [[ledger.witnesses]] on a line of its own, "
        "its keys below it",
        id="a number for one of several sections",
    ),
    pytest.param(
        "missing",
        WITNESS,
        ":1: ledger.witnesses.0.vkey: is missing; add a line vkey = … below the header",
        id="a key left out",
    ),
    pytest.param(
        "extra_forbidden",
        WITNESS + 'vkye = "x"',
        ":4: ledger.witnesses.0.vkye: there is no such key; did you mean vkey?",
        id="a key of nobody",
    ),
    pytest.param(
        "greater_than_equal",
        "[gate]\nworkers = 0",
        ":2: gate.workers: 0 is too small; the least is 1",
        id="too small",
    ),
    pytest.param(
        "greater_than_equal",
        '[ledger]\nunwitnessed_limit = "1s"',
        ':2: ledger.unwitnessed_limit: "1s" is too small; the least is "60s"',
        id="too short a time",
    ),
    pytest.param(
        "greater_than",
        '[identity.ldap]\ntimeout = "0s"',
        ':2: identity.ldap.timeout: "0s" is too small; it must be more than "0s"',
        id="no time",
    ),
    pytest.param(
        "less_than_equal",
        "[gate]\nconnect_ports = [443, 70000]",
        ":2: gate.connect_ports.1: 70000 is too large; the most is 65535",
        id="too large",
    ),
]


def faults_of(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    file = folder / "sekimori.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, environment or {})
    return [line.removeprefix(str(file)) for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(("_kind", "text", "sentence"), CASES)
def test_a_fault_says_line_key_what_is_wrong_and_what_to_write(tmp_path, _kind, text, sentence):
    assert sentence in faults_of(tmp_path, text)


# What each kind of schema can find wrong, by pydantic's list of errors, with lax reading of Python values.
RAISED = {
    "str": {"string_type"},
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number"},
    "bool": {"bool_type", "bool_parsing"},
    "literal": {"literal_error"},
    "tuple": {"tuple_type"},
    "dict": {"dict_type"},
    "model": {"model_type"},
    "model-fields": {"missing", "extra_forbidden"},
    "function-after": {"value_error"},
    "function-before": {"value_error"},
    "ge": {"greater_than_equal"},
    "gt": {"greater_than"},
    "le": {"less_than_equal"},
}
# What stands in a schema and can't fail by itself: a float and an address come out of readers of ours, a
# union is tried after such a reader, serialisers don't read.
SILENT = {"default", "model-field", "no-info", "function-plain", "float", "union", "to-string"}
SILENT |= {"dataclass", "dataclass-args", "dataclass-field", "is-instance"}


def kinds(schema: CoreSchema | Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(kind := schema.get("type"), str):
            yield kind
            if "min_length" in schema:
                yield f"{kind} of a length"
        yield from {"ge", "gt", "le", "lt", "pattern", "max_length", "multiple_of"} & schema.keys()
        for value in schema.values():
            yield from kinds(value)
    elif isinstance(schema, (list, tuple)):
        for value in schema:
            yield from kinds(value)


def test_the_table_holds_every_kind_of_fault_that_the_configuration_can_have():
    lengths = {"str of a length": {"string_too_short"}, "tuple of a length": {"too_short"}}
    found = set(kinds(Config.__pydantic_core_schema__)) - SILENT
    can_be = {fault for kind in found for fault in (RAISED | lengths)[kind]}
    assert can_be == set(SENTENCES) == {case.values[0] for case in CASES}


def keys(section: type[Section] = Config, under: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        yield (*under, name)
        if isinstance(field.default, Section):
            yield from keys(type(field.default), (*under, name))


ODD: tuple[str, ...] = (
    '""',
    '"x y"',
    '"日本"',
    "0",
    "-1",
    "true",
    "1.5",
    "nan",
    "[]",
    "[1]",
    '[""]',
    "[[]]",
    "{}",
    "{a = 1}",
)
ODD += ('{a = "b"}', "[{a = 1}]", "2026-04-01", "99999999999999999999999", '"1 GiB"', '"5h"', '"0s"')


@pytest.mark.parametrize("value", ODD)
def test_whatever_stands_at_a_key_the_answer_is_ours_and_names_the_key(tmp_path, value):
    for place in keys():
        header = f"[{'.'.join(place[:-1])}]\n" if place[:-1] else "\n"
        try:
            said = faults_of(tmp_path, f"{header}{place[-1]} = {value}")
        except pytest.fail.Exception:
            continue  # accepted
        for line in said:
            assert not FOREIGN.search(line), line
            assert re.match(r":[12]: ", line), line
            assert place[-1] in line or ".".join(place[:-1]) in line, line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "[gate\nworkers = 1", ":1: the name of a section is not closed; write [name]", id="header"
        ),
        pytest.param(
            "[gate]\nlisten = 127.0.0.1:8080",
            ":2: something follows the value; write one key a line",
            id="bare",
        ),
        pytest.param("[gate]\ndrain = soon", ':2: the value is none; write text as "…"', id="bare word"),
        pytest.param(
            "[gate]\nworkers 2", ":2: a key needs = and a value, as workers = 1", id="no equals sign"
        ),
        pytest.param("[gate]\nworkers = ", ":2: the value is none", id="no value"),
        pytest.param('[gate]\nlisten = "127', ":2: a text is not closed; add the quote", id="open text"),
        pytest.param("[gate]\nconnect_ports = [443", ":2: a list or table is not closed", id="open list"),
        pytest.param("[gate]\n\n[gate]", ":3: stands in the file twice; keep one", id="a section twice"),
        pytest.param("[gate]\nworkers = 1\nworkers = 2", ":3: stands in the file twice", id="a key twice"),
        pytest.param(
            '[gate]\ntls.key_file = "C:\\key"', ":2: a backslash in a text stands twice", id="backslash"
        ),
        pytest.param(
            '[gate]\ntls.key_file = "\\u12"', ":2: a backslash in a text stands twice", id="an escape"
        ),
        pytest.param("gate = {a = 1, a = 2}", ":1: stands in the file twice", id="a key twice in a table"),
        pytest.param("[gate]\ndrain = 2026-02-30", ":2: the value is none", id="no such day"),
        pytest.param("= 1", ":1: a line begins with a key or a [section]", id="no key"),
        pytest.param("[gate]\nworkers = 1\x01", ":2: ", id="a control character"),
        pytest.param("[gate]\nworkers: 1", ":2: a key needs = and a value", id="a colon"),
    ],
)
def test_what_is_no_toml_is_said_in_plain_sentences(tmp_path, text, sentence):
    [fault] = faults_of(tmp_path, text)
    assert fault.startswith(sentence)
    assert not FOREIGN.search(fault)


def test_a_file_in_another_encoding_and_one_of_windows_are_told_apart(tmp_path):
    file = tmp_path / "sekimori.toml"
    file.write_bytes("[console]\ncontact = '情報'\n".encode("cp932"))
    with pytest.raises(ConfigError, match=r":2: this is not UTF-8; save the file as UTF-8"):
        load(file, {})
    file.write_bytes(b"\xef\xbb\xbf[gate]\r\nworkers = 3\r\n")
    assert load(file, {}).gate.workers == 3


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SEKIMORI_GATE_WORKERS", "many", 'gate.workers: "many" is no whole number'),
        ("SEKIMORI_NOTICES_REQUIRED", "perhaps", 'notices.required: "perhaps" is neither true nor false'),
        ("SEKIMORI_STORAGE_URL", "mysql://u:secret@h/d", "storage.url: this is not what belongs here"),
        ("SEKIMORI_LEDGER_QUORUM", "most", 'ledger.quorum: write "all", "any" or how many witnesses'),
    ],
)
def test_a_variable_is_named_and_no_password_is_repeated(tmp_path, name, value, sentence):
    [fault] = faults_of(tmp_path, "", {name: value})
    assert fault.startswith(f"{name}: {sentence}")
    assert "secret" not in fault


def test_the_cases_are_toml():
    for case in CASES:
        tomllib.loads(str(case.values[1]))
