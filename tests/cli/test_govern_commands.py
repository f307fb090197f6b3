"""Governance at the command line: what somebody may do, what is refused, and what is wrong with a file."""

from __future__ import annotations

import json

import pytest

from sekimori.cli.governing import commands_by_verb
from sekimori.governance import commands, using

PASSWORD = "a good password 1\n"


@pytest.fixture
def staff(run):
    """An installation with somebody of the staff and somebody of security."""
    for name, *roles in (("hanako",), ("saki", "--role", "security_officer")):
        result = run("user", "add", name, *roles, "--password-stdin", stdin=PASSWORD)
        assert result.code == 0, result.err
    return run


@pytest.fixture
def inquiry(tmp_path):
    file = tmp_path / "inquiry.json"
    file.write_text(json.dumps({"id": "i1", "kind": "INQUIRY", "summary": "使い方"}), encoding="utf-8")
    return file


def opened(run, inquiry):
    result = run("govern", "do", "open-report", "--file", inquiry, "--as", "hanako", stdin=PASSWORD)
    assert result.code == 0, result.err
    return result


def test_a_command_is_carried_out_listed_shown_and_remembered(staff, inquiry):
    assert "report.open i1 (version 1)" in opened(staff, inquiry).out
    listed = staff("govern", "list", "report", "--as", "saki", "--json", stdin=PASSWORD)
    assert [(each["id"], each["noun"]) for each in listed.lines] == [("i1", "report")]
    shown = staff("govern", "show", "report", "i1", "--as", "saki", "--json", stdin=PASSWORD)
    assert shown.lines[0]["opened_by"] == "hanako"
    told = staff("govern", "history", "report", "i1", "--as", "saki", "--json", stdin=PASSWORD)
    assert [(each["kind"], each["by"]) for each in told.lines] == [("report.open", "hanako")]
    plain = staff("govern", "history", "report", "i1", "--as", "saki", stdin=PASSWORD)
    assert "report.open" in plain.out
    assert staff("govern", "list", "report", "--status", "CLOSED", "--json").lines == []


def test_a_command_may_come_from_standard_input_behind_the_password(staff, inquiry):
    piped = PASSWORD + inquiry.read_text("utf-8")
    result = staff("govern", "do", "open-report", "--file", "-", "--as", "hanako", "--json", stdin=piped)
    assert result.code == 0, result.err
    assert result.lines[0]["values"][0]["summary"] == "使い方"


def test_the_same_command_under_a_key_happens_once(staff, inquiry):
    for _ in range(2):
        arguments = ("--file", inquiry, "--once", "k1", "--as", "hanako")
        assert staff("govern", "do", "open-report", *arguments, stdin=PASSWORD).code == 0
    again = staff("govern", "do", "open-report", "--file", inquiry, "--as", "hanako", stdin=PASSWORD)
    assert again.code == 1
    assert again.err.startswith("exists: ")


def test_a_refusal_has_a_code_and_two_languages_and_changes_nothing(staff, inquiry, tmp_path):
    opened(staff, inquiry)
    file = tmp_path / "take.json"
    file.write_text('{"id": "i1"}', encoding="utf-8")
    result = staff("govern", "do", "take-report", "--file", file, "--as", "hanako", stdin=PASSWORD)
    assert result.code == 1
    assert "role: この操作には次の役割が必要です" in result.err
    assert "This needs one of the roles" in result.err
    told = staff("govern", "do", "take-report", "--file", file, "--as", "hanako", "--json", stdin=PASSWORD)
    assert told.lines[0]["code"] == "role"
    shown = staff("govern", "show", "report", "i1", "--json")
    assert shown.lines[0]["status"] == "OPEN"


def test_what_replaces_the_words_of_others_takes_the_version_that_was_read(staff, tmp_path):
    def write(title, *read):
        file = tmp_path / "notice.json"
        text = {"title": title, "ja": "読んでください"}
        file.write_text(json.dumps({"id": "n1", "service": "*", "text": text}), encoding="utf-8")
        return staff("govern", "do", "write-notice", "--file", file, *read, "--as", "saki", stdin=PASSWORD)

    assert write("first").code == 0
    blind = write("second")
    assert (blind.code, "--read" in blind.err, "govern show notice n1" in blind.err) == (2, True, True)
    assert write("second", "--read", "1").code == 0
    late = write("third", "--read", "1")
    assert (late.code, "has version 2, not 1" in late.err) == (2, True)
    shown = staff("govern", "show", "notice", "n1", "--json")
    assert (shown.lines[0]["version"], "second" in json.dumps(shown.lines[0])) == (2, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("{", "is no JSON", id="half a file"),
        pytest.param("[]", "holds no JSON object", id="a list"),
        pytest.param('{"id": "i1"}', "kind", id="a field is missing"),
        pytest.param('{"id": "i1", "kind": "WISH", "summary": "x"}', "kind", id="an unknown kind"),
        pytest.param('{"id": 1, "kind": "INQUIRY", "summary": "x"}', "id", id="a number for a text"),
        pytest.param(
            '{"id": "i1", "kind": "INQUIRY", "summary": "x", "y": 1}', "y is no field", id="a field"
        ),
    ],
)
def test_a_wrong_file_is_named_with_the_field_and_what_to_do(staff, tmp_path, text, named):
    file = tmp_path / "wrong.json"
    file.write_text(text, encoding="utf-8")
    result = staff("govern", "do", "open-report", "--file", file, "--as", "hanako", stdin=PASSWORD)
    assert result.code == 2
    assert "wrong.json" in result.err
    assert named in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(("do", "open-repot"), 'no command "open-repot"', id="verb"),
        pytest.param(
            ("do", "open-report", "--file", "nowhere.json"), "nowhere.json can't be read", id="file"
        ),
        pytest.param(("do", "open-report"), "no --file was given", id="no file"),
        pytest.param(("list", "wish"), 'no kind of thing "wish"', id="noun"),
    ],
)
def test_what_is_not_there_is_named(staff, arguments, named):
    result = staff("govern", *arguments)
    assert result.code == 2
    assert named in result.err


def test_a_thing_that_is_not_there_is_told_in_two_languages(staff):
    result = staff("govern", "show", "grant", "g9")
    assert result.code == 1
    assert result.err.startswith("not-found: grant「g9」はありません。")


def test_staff_without_another_role_read_what_is_theirs_as_over_http(staff, inquiry):
    opened(staff, inquiry)
    assert staff("user", "add", "rin", "--password-stdin", stdin=PASSWORD).code == 0
    own = staff("govern", "list", "report", "--as", "hanako", "--json", stdin=PASSWORD)
    assert [each["id"] for each in own.lines] == ["i1"]
    other = staff("govern", "list", "report", "--as", "rin", "--json", stdin=PASSWORD)
    assert (other.code, other.lines) == (0, [])
    for arguments in (("show", "report", "i1"), ("history", "report", "i1")):
        assert staff("govern", *arguments, "--as", "hanako", stdin=PASSWORD).code == 0
        result = staff("govern", *arguments, "--as", "rin", stdin=PASSWORD)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("somebody-elses: 他の人のものです。")


@pytest.mark.parametrize(
    ("noun", "role", "code"),
    [
        pytest.param("role_assignment", "auditor", 0, id="whom the table names"),
        pytest.param("role_assignment", "reviewer", 0, id="only their own"),
        pytest.param("counted", "auditor", 0, id="no route, a role beside staff"),
        pytest.param("counted", "", 1, id="no route, staff"),
    ],
)
def test_who_reads_governance_is_asked_of_the_table_of_the_api(run, noun, role, code):
    given = ("--role", role) if role else ()
    assert run("user", "add", "rin", *given, "--password-stdin", stdin=PASSWORD).code == 0
    result = run("govern", "list", noun, "--as", "rin", stdin=PASSWORD)
    assert result.code == code, result.err
    assert result.err.startswith("role: ") == bool(code)


def test_a_wrong_password_does_nothing(staff, inquiry):
    arguments = ("--file", inquiry, "--as", "hanako")
    assert staff("govern", "do", "open-report", *arguments, stdin="wrong\n").code == 2
    assert staff("govern", "list", "report", "--json").lines == []


def test_every_command_has_one_name(run):
    assert set(commands_by_verb().values()) == {*commands.VERBS, *using.VERBS}
    result = run("govern", "verbs", "--json")
    assert {each["verb"] for each in result.lines} == set(commands_by_verb())
    assert "open-report" in run("govern", "verbs").out
