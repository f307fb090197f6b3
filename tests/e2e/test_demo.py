"""The demo does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
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
