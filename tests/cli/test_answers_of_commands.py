"""What commands answer where there is nothing to answer: one rule for exit codes, and sentences."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from sekimori.cli.main import build
from sekimori.errors import SekimoriError, UnknownError, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(UnknownError("There is no record r1."), 1, id="the answer is no"),
        pytest.param(UsageError("--before is no day."), 2, id="a wrong input"),
        pytest.param(SekimoriError("The disk is full."), 2, id="a machine that can't"),
    ],
)
def test_a_command_ends_with_1_where_the_answer_is_no_and_with_2_where_it_could_not_answer(error, code):
    app = build()

    @app.command("answer")
    def answer() -> None:
        raise error

    result = CliRunner().invoke(app, ["answer"])
    assert result.exit_code == code
    assert error.message in result.output


def test_the_version_is_printed_alone():
    result = CliRunner().invoke(build(), ["--version"])
    assert result.exit_code == 0
    assert re.fullmatch(r"sekimori \d+\.\d+\.\d+\S*\n", result.output)


def test_a_benchmark_in_a_folder_that_is_not_there_is_refused_in_one_sentence(tmp_path):
    result = CliRunner().invoke(build(), ["bench", "p50_c1", "--folder", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "is no folder" in result.output
    assert "Traceback" not in result.output
