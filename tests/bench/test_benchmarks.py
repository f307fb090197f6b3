"""The benchmarks run and say what the contract says; no test looks at a clock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SEKIMORI = Path(sys.executable).with_name("sekimori")
FIELDS = ["name", "value", "unit", "peer", "peer_value", "ratio", "rounds", "spread"]


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SEKIMORI), "bench", *arguments, "--json", "--quick", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("decide", None),
        ("compile", None),
        ("standing", None),
        ("spool_rps", "the same bytes, neither signed nor sealed"),
        ("store_rps", "plain rows"),
        ("bytes_per_turn", "whole bodies, compressed"),
        ("verify_rps", "SHA-256 of the same rows"),
    ],
)
def test_a_benchmark_of_the_core_prints_the_fields_of_the_contract(name, peer, tmp_path):
    result = bench(name, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    figure = json.loads(line)
    assert list(figure)[: len(FIELDS)] == FIELDS
    assert figure["name"] == name
    assert figure["value"] > 0
    assert figure["peer"] == peer
    assert figure["rounds"] >= 1
    assert not list(tmp_path.iterdir())


@pytest.mark.e2e
def test_a_benchmark_of_the_gate_stands_beside_a_bare_mitmdump(tmp_path):
    result = bench("keepalive_rps", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    figure = json.loads(result.stdout)
    assert figure["peer"] == "mitmdump 12.2.3"
    assert figure["ratio"] == pytest.approx(figure["value"] / figure["peer_value"], rel=1e-2)
    assert {"cpu_s_per_request", "peer_cpu_s_per_request", "p50_ms", "p99_ms", "within"} <= set(figure)


def test_a_benchmark_that_does_not_exist_is_wrong_use_and_the_names_are_listed(tmp_path):
    result = bench("throughput", folder=tmp_path)
    assert result.returncode == 2
    assert "keepalive_rps p50_c1 first_chunk" in result.stderr
