"""Killed at any instant: what was acknowledged is there, what is there is whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sekimori.ledger.lanes import lanes
from sekimori.ledger.reading import EndState, LaneReader
from support.spool import opener

TESTS = Path(__file__).parent.parent
KILLS = 10


def kill_somewhere(spool_dir: Path, lane: str, instant: float) -> list[str]:
    """Run the victim, kill it that long after its first acknowledgement, return what it acknowledged."""
    victim = subprocess.Popen(
        [sys.executable, "-m", "support.spool_victim", spool_dir, lane],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert victim.stdout is not None
    with victim.stdout as pipe:
        first = pipe.readline()
        time.sleep(instant)
        victim.send_signal(signal.SIGKILL)
        rest = pipe.read()
    victim.wait()
    lines = (first + rest).decode().split("\n")
    assert lines.pop() == ""
    return lines


def check(lane_dir: Path, acknowledged: list[str]) -> None:
    """Read the whole lane again and hold it against what was acknowledged."""
    reader = LaneReader(lane_dir, opener())
    assert not reader.is_alive()
    items = list(reader.read())
    there = [item.entry.rid for item in items]
    assert [item.n for item in items] == list(range(1, len(items) + 1))
    assert set(acknowledged) <= set(there)
    assert len(there) == len(set(there))
    assert reader.end is not None
    assert reader.end.state is EndState.CRASHED


def rounds(spool_dir: Path, kills: int) -> None:
    acknowledged = 0
    for number in range(kills):
        lane = f"w1-{number}"
        known = kill_somewhere(spool_dir, lane, random.uniform(0.0, 0.25))
        check(spool_dir / lane, known)
        acknowledged += len(known)
    assert len(lanes(spool_dir)) == kills
    assert acknowledged > kills


@pytest.mark.req("MOU-2-7")
def test_a_writer_killed_at_any_instant_loses_nothing_that_it_acknowledged(tmp_path):
    rounds(tmp_path / "spool", KILLS)


@pytest.mark.long
def test_a_hundred_kills_lose_nothing_that_was_acknowledged(tmp_path):
    rounds(tmp_path / "spool", 100)
