"""The demo does what it says."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "demo.py"


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO)], capture_output=True, text=True, timeout=120, env=os.environ | environment
    )


def test_the_demo_does_what_it_says_and_leaves_nothing_behind(tmp_path):
    result = demo(TMPDIR=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("   ✓") == 11
    assert "Intact" in result.stdout
    assert "【" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_curl_the_demo_says_so_and_goes_on(tmp_path):
    result = demo(TMPDIR=str(tmp_path), PATH=str(tmp_path))
    assert "no curl" in result.stdout
    assert "✗" not in result.stdout
    assert result.returncode == 0, result.stdout + result.stderr


def for_a_peer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.recv(1)


def for_a_child() -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(20)"], check=False)


@pytest.mark.parametrize(
    "wait",
    [
        pytest.param(lambda: time.sleep(20), id="for a moment"),
        pytest.param(for_a_peer, id="for a peer that says nothing"),
        pytest.param(lambda: threading.Event().wait(20), id="for another thread"),
        pytest.param(for_a_child, id="for a child"),
    ],
)
def test_every_wait_of_the_demo_ends_with_the_name_of_what_it_waited_for(monkeypatch, wait):
    monkeypatch.syspath_prepend(str(DEMO.parent))
    patience = importlib.import_module("patience")
    started = time.monotonic()
    with (
        pytest.raises(AssertionError, match=r"the chat: not done after 0\.2 s"),
        patience.within(0.2, "the chat"),
    ):
        wait()
    assert time.monotonic() - started < 5
