"""What ``--help`` tells: a map for a newcomer, a purpose and an example for everything, on one screen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sekimori.cli.command_map import SECTIONS
from sekimori.cli.main import build

PROGRAM = build()
SCREEN = 60


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command or typer.main.get_command(PROGRAM)
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


EVERY = list(commands())
GROUPS = [path for path, command in EVERY if path and hasattr(command, "commands")]


@cache
def help_of(path: tuple[str, ...], width: int = 100) -> str:
    return CliRunner().invoke(PROGRAM, [*path, "--help"], env={"COLUMNS": str(width)}).stdout


def test_every_command_stands_on_the_map_once_with_what_it_is_for():
    named = [name for section in SECTIONS.values() for name in section]
    assert sorted(named) == sorted(path[0] for path, _ in EVERY if len(path) == 1)
    shown = help_of((), 80)
    assert "Others:" not in shown
    for heading, section in SECTIONS.items():
        assert f"\n{heading}:\n" in shown
        for name, said in section.items():
            assert re.search(rf"^  {name} +{re.escape(said)}$", shown, re.MULTILINE), name


def test_the_map_says_where_to_begin_and_what_the_exit_codes_are():
    shown = help_of(())
    for line in (
        "sekimori up",
        "sekimori apply",
        "sekimori user add",
        "sekimori log list",
        "Exit codes: 0",
        "--data",
    ):
        assert line in shown


@pytest.mark.parametrize("path", [path for path, _ in EVERY], ids=lambda path: " ".join(path) or "sekimori")
def test_help_fits_a_screen(path):
    lines = help_of(path).splitlines()
    assert len(lines) <= SCREEN
    # An example is one line, however long: it is there to be pasted.
    assert [line for line in lines if len(line) > 100 and not line.lstrip().startswith("sekimori ")] == []


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_a_group_says_what_it_is_for_and_shows_how_its_commands_are_used(path):
    shown = help_of(path)
    examples = re.findall(r"^ +(?:\S+ \| )?sekimori (.+)$", shown.partition("Example")[2], re.MULTILINE)
    assert examples
    known = {known for known, _ in EVERY}
    for example in examples:
        words = tuple(example.split())
        assert words[:1] == path
        assert words[:2] in known or words[1].startswith("-")


@pytest.mark.parametrize("path", [path for path, _ in EVERY if path], ids=" ".join)
def test_options_of_examples_are_options_of_their_command(path):
    shown = help_of(path)
    below = {name: help_of(name) for name, _ in EVERY if name[:-1] == path}
    for example in re.findall(
        r"^ +sekimori (.+)$", shown.partition("Example")[2].partition("Options:")[0], re.MULTILINE
    ):
        words = tuple(example.split())
        page = below.get(words[:2], shown)
        for option in re.findall(r"(?<=\s)--[a-z-]+", example):
            assert option in page, example
