"""Whoever signs in to read content needs the role that reading takes over HTTP; a refusal reads nothing."""

from __future__ import annotations

import json

import pytest

from sekimori.governance.actors import ROLES
from sekimori.governance.content_reading import READERS
from support.archived import archived
from support.evidence import ANSWER, answered, asked

PASSWORD = "a good password 1\n"
WHY = ("--reason", "照会 15", "--as", "rin")
READS = [
    pytest.param(("log", "show", "R1", "--content"), id="log show"),
    pytest.param(("prove", "R1", "--disclose", "output"), id="prove --disclose"),
    pytest.param(("wire", "try", "R1"), id="wire try"),
    pytest.param(("verify-output", "answer.txt"), id="verify-output"),
]


@pytest.fixture
def stored(run, places, tmp_path, monkeypatch):
    archived(places, asked("R1"), answered("R1"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answer.txt").write_text(ANSWER, encoding="utf-8")
    return run


def account(run, name, *roles):
    given = [word for role in roles for word in ("--role", role)]
    result = run("user", "add", name, *given, "--password-stdin", stdin=PASSWORD)
    assert result.code == 0, result.err


def readings(run):
    return [each for each in run("log", "list", "--json").lines if each["mode"] == "reading"]


@pytest.mark.req("ABG-P4-1")
@pytest.mark.parametrize("command", READS)
def test_staff_who_signs_in_reads_no_content_and_is_told_who_may(stored, command):
    account(stored, "rin")
    result = stored(*command, *WHY, stdin=PASSWORD)
    assert (result.code, len(result.out.splitlines()) <= 1) == (1, True)  # a table's head, at most
    assert result.err.startswith("role: この操作には次の役割が必要です：auditor, security_officer")
    assert "This needs one of the roles auditor, security_officer." in result.err
    assert "sekimori user add NAME --role ROLE" in result.err
    assert readings(stored) == []


@pytest.mark.parametrize("command", READS)
def test_an_auditor_who_signs_in_reads_and_is_named(stored, command):
    account(stored, "rin", "auditor")
    result = stored(*command, *WHY, stdin=PASSWORD)
    assert result.code == 0, result.err
    assert "要約" in result.out or "passed the barrier" in result.out
    assert [(each["user"], each["user_source"]) for each in readings(stored)] == [("rin", "account")]


@pytest.mark.parametrize("role", [*ROLES, "administrator"])
def test_a_role_reads_at_the_command_line_where_it_reads_over_http(stored, role):
    account(stored, "rin", role)
    result = stored("log", "show", "R1", "--content", *WHY, stdin=PASSWORD)
    assert (result.code == 0) == (role in READERS)


def test_the_first_administrator_reads_no_content_by_being_the_first(stored):
    assert stored("user", "passwd", "admin", "--password-stdin", stdin=PASSWORD).code == 0
    result = stored("log", "show", "R1", "--content", "--reason", "照会", "--as", "admin", stdin=PASSWORD)
    assert (result.code, result.out) == (1, "")


def test_a_role_that_governance_confirmed_counts_like_one_of_the_account(stored, tmp_path):
    account(stored, "saki", "security_officer")
    account(stored, "kei", "security_officer")
    account(stored, "rin")
    for who, verb, fields in (
        ("saki", "propose-role", {"id": "r1", "holder": "rin", "role": "auditor"}),
        ("kei", "confirm-role", {"id": "r1"}),
    ):
        file = tmp_path / f"{verb}.json"
        file.write_text(json.dumps(fields), encoding="utf-8")
        done = stored("govern", "do", verb, "--file", file, "--as", who, stdin=PASSWORD)
        assert done.code == 0, done.err
    assert stored("log", "show", "R1", "--content", *WHY, stdin=PASSWORD).code == 0


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("usage", "report", "--month", "2026-10"), id="usage report"),
        pytest.param(("notice", "rates"), id="notice rates"),
    ],
)
@pytest.mark.parametrize(
    ("role", "code"), [pytest.param("", 1, id="staff"), pytest.param("auditor", 0, id="an auditor")]
)
def test_figures_about_everybody_are_for_whom_the_table_of_the_api_names(stored, command, role, code):
    account(stored, "rin", *filter(None, [role]))
    result = stored(*command, "--as", "rin", stdin=PASSWORD)
    assert result.code == code, result.err
    assert result.err.startswith("role: ") == bool(code)
