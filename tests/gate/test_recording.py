"""The process in which a worker's record is written: it outlives its worker, and no worker outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sekimori.errors import RecordError, SpoolFullError, SpoolLostError
from sekimori.gate import recording
from sekimori.ledger.lanes import is_alive
from sekimori.ledger.reading import EndState, LaneReader
from sekimori.ledger.spool import SpoolSettings, SpoolWriter
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentOpener
from support.spool import intent

LANE = "w0-1"
SETTINGS = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0, measure_every=0.05)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    KeyRing.create(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def start(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start recorders, and note their processes."""
    processes: list[Any] = []
    opened: list[SpoolWriter] = []
    popen = subprocess.Popen

    def noted(*args: Any, **options: Any) -> Any:
        processes.append(popen(*args, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)

    def start(lane: str = LANE, settings: SpoolSettings = SETTINGS) -> tuple[SpoolWriter, Any]:
        spool = recording.start(tmp_path / "spool", lane, keys=keys, settings=settings)
        opened.append(spool)
        return spool, processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
    for spool in opened:
        try:
            spool.close()
        except SpoolLostError:
            assert spool.lost
    for process in processes:
        process.wait(30)


def read(tmp_path: Path, keys: Path) -> tuple[list[str], EndState]:
    """Return the ids in the lane, and how it ends."""
    reader = LaneReader(
        tmp_path / "spool" / LANE, SegmentOpener(KeyRing.load_archive(keys).archivist_private)
    )
    rids = [item.entry.rid for item in reader.read()]
    assert reader.end is not None
    return rids, reader.end.state


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


@pytest.mark.req("MOU-2-7")
async def test_what_was_appended_is_in_the_lane_and_the_process_ends_with_it(tmp_path, keys, start):
    spool, process = start()
    await asyncio.gather(*(spool.append(intent(n)) for n in range(50)))
    assert read(tmp_path, keys)[0] == [str(n) for n in range(50)]
    spool.offer(intent("offered"))
    await asyncio.to_thread(spool.close)
    assert read(tmp_path, keys) == ([*(str(n) for n in range(50)), "offered"], EndState.CLOSED)
    assert process.poll() == 0


async def test_an_entry_larger_than_any_buffer_crosses_the_socket(tmp_path, keys, start):
    spool, _ = start()
    await asyncio.gather(
        spool.append(intent("large", size=40_000_000)),
        *(spool.append(intent(n, size=3000)) for n in range(200)),
    )
    rids = read(tmp_path, keys)[0]
    assert sorted(rids) == sorted(["large", *(str(n) for n in range(200))])


@pytest.mark.req("MOU-2-7")
async def test_a_recorder_that_is_killed_takes_the_lane_with_it(tmp_path, start):
    spool, process = start()
    await spool.append(intent("before"))
    process.kill()
    with pytest.raises(SpoolLostError):
        await spool.append(intent("lost"))
    await until(lambda: spool.lost)
    assert isinstance(spool.refusal(), SpoolLostError)
    assert spool.depth == 0
    process.wait(30)
    assert not is_alive(tmp_path / "spool" / LANE)


async def test_a_recorder_that_is_killed_while_nothing_happens_is_noticed(start):
    spool, process = start()
    process.kill()
    await until(lambda: spool.lost)


@pytest.mark.req("MOU-2-7")
async def test_what_a_worker_handed_over_before_it_died_is_written(tmp_path, keys, start):
    spool, process = start()
    os.kill(process.pid, signal.SIGSTOP)
    waiting = asyncio.ensure_future(spool.append(intent("handed over")))
    await asyncio.sleep(0.05)
    # As the kernel does for a worker that is killed: its end of the socket closes, and nobody says goodbye.
    spool._line.detach(10)
    spool._line.close()
    os.kill(process.pid, signal.SIGCONT)
    await asyncio.to_thread(process.wait, 30)
    waiting.cancel()
    assert read(tmp_path, keys) == (["handed over"], EndState.CRASHED)
    spool._lost = SpoolLostError("the test is over")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
async def test_a_signal_to_the_whole_tree_leaves_the_recorder_to_its_worker(tmp_path, keys, start, number):
    spool, process = start()
    os.kill(process.pid, number)
    await spool.append(intent("after"))
    assert read(tmp_path, keys)[0] == ["after"]


async def test_a_recorder_that_hangs_refuses_and_goes_on_by_itself(tmp_path, keys, start):
    spool, process = start(settings=SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=0.2))
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(RecordError, match="not durable within 200 ms"):
        await spool.append(intent("late"))
    with pytest.raises(RecordError, match="doesn't answer"):
        await spool.append(intent("refused"))
    os.kill(process.pid, signal.SIGCONT)
    await until(lambda: spool.refusal() is None)
    await spool.append(intent("after"))
    assert read(tmp_path, keys)[0] == ["late", "after"]


async def test_a_lane_that_exists_is_not_taken_again(start):
    start()
    with pytest.raises(SpoolLostError, match=LANE):
        start()


async def test_a_disk_without_room_is_said_at_the_start(tmp_path, start):
    with pytest.raises(SpoolFullError, match="no room"):
        start(settings=SpoolSettings(segment_bytes=1 << 42, min_free=0))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_keys_that_can_not_be_read_are_said_at_the_start(keys, start):
    (keys / "gate" / "signing.key").unlink()
    with pytest.raises(SpoolLostError, match="signing"):
        start()
