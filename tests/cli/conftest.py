"""An installation as `sekimori init` makes it, and the program as people run it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sekimori.cli.main import build
from sekimori.cli.places import Places


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def sekimori(*arguments, stdin="", environment=None, cwd=None):
    done = subprocess.run(
        [sys.executable, "-c", "from sekimori.cli.main import main; main()", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("SEKIMORI_")}
        | (environment or {}),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


# These change the process that they run in: its umask, its signals, its environment.
OWN_PROCESS = {"up", "init", "gate", "archive", "console"}


def in_process(*arguments, stdin="", environment):
    """Run a command without the price of a fresh interpreter."""
    ours = dict.fromkeys((name for name in os.environ if name.startswith("SEKIMORI_")), None)
    result = CliRunner().invoke(
        build(), [str(argument) for argument in arguments], input=stdin, env=ours | environment
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    result = sekimori("init", "--data", folder / "data", "--keys", folder / "keys")
    assert result.code == 0, result.err
    return folder


@pytest.fixture
def places(_made, tmp_path):
    """A fresh copy of an installation that was started once."""
    for name in ("data", "keys"):
        shutil.copytree(_made / name, tmp_path / name)
    return Places(tmp_path / "data", tmp_path / "keys")


@pytest.fixture
def run(places):
    """The program, told where the installation lies."""

    def call(*arguments, **options):
        folders = {"SEKIMORI_DATA": str(places.data), "SEKIMORI_KEYS": str(places.keys)}
        call = sekimori if arguments[0] in OWN_PROCESS else in_process
        return call(*arguments, environment=folders, **options)

    return call


@pytest.fixture
def policy_file(tmp_path):
    """Write an apply file; ``change`` turns its text into another."""

    def write(name="openai.yaml", change=lambda text: text):
        file = Path(tmp_path / name)
        file.write_text(change(POLICY), encoding="utf-8")
        return file

    return write


POLICY = """\
services:
  - id: openai-api
    name: OpenAI API
    provider: openai
    hosts: [api.openai.com]
    contract: individual
    contract_no: K-2026-12
    data_locations: [US]
grants:
  - id: g-2026-001
    service: openai-api
    users: [yamada]
    purpose: 会議録の要約
    period: {start: 2026-04-01, end: 2027-03-31}
    max_class: 1
    models: ["gpt-*"]
    administrator: tanaka
    decided_by: sasaki
    decided_on: 2026-03-20
"""
