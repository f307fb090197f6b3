"""The record on a terminal: columns that fit and align, in Japanese too; one record as a sheet."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sekimori.cli.log_lines import HEADER, listing, moment, sheet

RECORD: dict[str, Any] = {
    "id": "CR66SDCP0QHKBTDWJHB0",
    "time": "2026-11-21T15:26:31.687344Z",
    "ended": None,
    "user": "yamada",
    "user_source": "basic",
    "service": "openai-api",
    "model": "gpt-4o",
    "host": "api.openai.com",
    "port": 443,
    "method": "POST",
    "path": "/v1/chat/completions",
    "decision": "allow",
    "reasons": [],
    "state": "complete",
    "class": 1,
    "class_source": "default",
    "policy": "d9b0",
    "unsigned_policy": True,
    "stored_sha256": {"request": None, "response": None},
    "detected": [],
    "stream": False,
}
WIDE = RECORD | {
    "user": "山田太郎左衛門之丞",
    "service": "生成ＡＩ文書作成支援サービス",
    "model": "大規模言語模型" * 4,
}
DENIED = RECORD | {
    "decision": "deny",
    "reasons": ["DENY_IDENTITY_UNAVAILABLE", "DENY_NO_GRANT"],
    "state": "blocked",
}


def columns_of(lines: list[str]) -> list[list[str]]:
    """Cut every line where the headings begin, by columns of the terminal."""
    starts = [cell_len(lines[0][: lines[0].index(name)]) for name in HEADER if name in lines[0]]
    return [
        [cut(line, at, end) for at, end in zip(starts, [*starts[1:], 999], strict=True)] for line in lines
    ]


def cut(line: str, start: int, end: int) -> str:
    at, text = 0, ""
    for char in line:
        if start <= at < end:
            text += char
        at += cell_len(char)
    return text.strip()


def test_a_list_tells_when_who_what_and_why_in_japan():
    lines = list(listing([RECORD, DENIED | {"id": "CR66SDCP1QHKBTDWJHB0"}], 100))
    allowed, denied = columns_of(lines)[1:]
    assert allowed == ["2026-11-22 00:26:31", "yamada", "openai-api", "gpt-4o", "allow", "1", "CR66SDCP0Q"]
    assert denied[4:] == ["DENY_IDENTITY_UNAVAILABLE +1", "1", "CR66SDCP1Q"]


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_columns_align_and_fit_where_names_are_japanese(width):
    lines = list(
        listing(
            [RECORD, WIDE | {"id": "CR66SDCPZZZZZZZZZZZZ"}, DENIED | {"id": "CR66SDCQ000000000000"}], width
        )
    )
    assert max(map(cell_len, lines)) <= width
    rows = columns_of(lines)
    assert {row[0] for row in rows[1:]} == {"2026-11-22 00:26:31"[5 if width < 90 else 0 :]}
    assert [row[-1] for row in rows[1:]] == ["CR66SDCP0Q", "CR66SDCPZZ", "CR66SDCQ00"]
    assert rows[3][-3] == "DENY_IDENTITY_UNAVAILABLE +1"


def test_ids_are_as_short_as_tells_them_apart():
    ids = ["CR66SDCP0QHKBTDWJHB0", "CR66SDCP0QHKXXXXXXXX", "CR66SDCQ0QHKBTDWJHB0"]
    lines = list(listing([RECORD | {"id": each} for each in ids], 100))
    assert [line.split()[-1] for line in lines[1:]] == ["CR66SDCP0QHKB", "CR66SDCP0QHKX", "CR66SDCQ0QHKB"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"state": "partial"}, "allow, partial", id="an answer cut short"),
        pytest.param({"state": "unknown-crash"}, "allow, unknown-crash", id="a worker that died"),
        pytest.param({"decision": "hold", "reasons": ["HOLD"]}, "hold HOLD", id="held"),
        pytest.param({"decision": "deny", "reasons": ["DENY_NO_GRANT"]}, "DENY_NO_GRANT", id="refused"),
        pytest.param({"decision": "deny", "reasons": []}, "deny", id="refused by nobody knows what"),
    ],
)
def test_a_decision_is_told_with_its_reason_and_what_became_of_it(change, said):
    assert columns_of(list(listing([RECORD | change], 100)))[1][4] == said


def test_a_list_of_nothing_has_its_headings():
    assert list(listing([], 100)) == ["  ".join(HEADER)]


@given(st.text(st.characters(codec=None)), st.text(), st.integers(60, 200))
def test_nothing_that_came_over_the_wire_steers_the_terminal(user, model, width):
    record = RECORD | {"user": user, "model": model, "path": user}
    for line in [*listing([record], width), *sheet(record | {"prompt": model}, width)]:
        assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_sheet_says_what_is_known_by_topics_and_leaves_out_the_rest():
    lines = list(sheet(DENIED, 100))
    assert lines[0] == "id:               CR66SDCP0QHKBTDWJHB0"
    assert lines[1] == "time:             2026-11-22 00:26:31 JST (2026-11-21T15:26:31.687344Z)"
    assert "request:          POST api.openai.com/v1/chat/completions" in lines
    assert "user:             yamada (basic)" in lines
    assert "policy:           d9b0 (unsigned)" in lines
    assert [line for line in lines if line and ":" not in line and not line.startswith(" ")] == [
        "Decision",
        "Who",
        "Request",
        "Answer",
    ]
    assert not any(line.startswith(("stored_sha256", "detected", "stream", "ended")) for line in lines)


def test_reasons_are_told_in_both_languages_and_folded_to_the_width():
    lines = list(sheet(DENIED, 80))
    reasons = [line for line in lines if line.startswith(("reasons:", " "))]
    assert "DENY_NO_GRANT: このAIサービスの利用は承認されていません。" in "\n".join(reasons)
    assert max(map(cell_len, lines)) <= 80
    assert not any(line[18:19] == " " for line in reasons)


def test_a_reason_of_another_release_is_shown_as_it_is():
    assert "reasons:          DENY_SOMETHING_NEW" in list(
        sheet(DENIED | {"reasons": ["DENY_SOMETHING_NEW"]}, 100)
    )


def test_content_keeps_its_lines():
    lines = list(sheet(RECORD | {"prompt": "一行目\n二行目\x1b[2J"}, 100))
    assert lines[-3:] == ["prompt:", "一行目", "二行目\\u001b[2J"]


def test_a_moment_is_that_of_a_clock_in_japan():
    assert moment("2026-12-31T15:00:00.000000Z") == "2027-01-01 00:00:00"
