"""The writing end of the spool: durable when it says so, and refusing when it can't be."""

import asyncio
import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sekimori.errors import RecordError, SpoolFullError, SpoolLostError, StateError
from sekimori.ledger.lanes import is_alive, mark_shipped, pending, segments
from sekimori.ledger.orders import Answer
from sekimori.ledger.reading import EndState, LaneReader
from sekimori.ledger.record import Body, Intent
from sekimori.ledger.spool import SpoolSettings, SpoolWriter, open_spool
from support.spool import PROMPT, SEALER, SIGNER, Disk, intent, opener, read_lane, rids

SMALL = SpoolSettings(
    segment_bytes=64 * 1024, record_timeout=0.2, measure_every=0.02, close_timeout=2.0, min_free=0
)


@pytest.fixture
def disk():
    disk = Disk()
    yield disk
    disk.answering.set()


@pytest.fixture
def start(tmp_path, disk):
    """Open lanes that are closed again whatever the test did to them."""
    opened = []

    def start(lane="w1-1", settings=SMALL, seal=SEALER, **changes):
        spool = open_spool(
            tmp_path / "spool", lane, seal=seal, signer=SIGNER, settings=settings, files=disk, **changes
        )
        opened.append(spool)
        return spool

    yield start
    disk.answering.set()
    disk.full = False
    disk.sync_error = disk.write_error = 0
    for spool in opened:
        try:
            spool.close()
        except SpoolLostError:
            assert spool.lost


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


async def fill(spool: SpoolWriter, *, size: int, accepted: list[str]) -> None:
    """Append entry after entry until one is refused; note those that were not."""
    for n in range(1000):
        await spool.append(intent(n, size=size))
        accepted.append(str(n))


def ending(lane_dir: Path) -> tuple[EndState, int]:
    """Return how a lane ends and how many entries it holds."""
    reader = LaneReader(lane_dir, opener())
    count = len(list(reader.read()))
    assert reader.end is not None
    return reader.end.state, count


def hang(disk: Disk) -> None:
    """Let the next sync take for ever."""
    disk.asked.clear()
    disk.answering.clear()


@pytest.mark.req("MOU-2-7")
async def test_an_entry_is_durable_when_append_returns(tmp_path, start, disk):
    spool = start()
    disk.calls.clear()
    await spool.append(intent("a"))
    assert disk.calls == ["write", "sync"]
    assert rids(tmp_path / "spool/w1-1") == ["a"]


@pytest.mark.req("MOU-2-7")
async def test_append_does_not_return_before_the_sync_has(start, disk):
    spool = start()
    hang(disk)
    waiting = asyncio.create_task(spool.append(intent("a")))
    await until(disk.asked.is_set)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert spool.depth == 1
    assert spool.oldest_us >= 40_000
    disk.answering.set()
    await waiting
    await until(lambda: spool.depth == 0)
    assert spool.oldest_us == 0


async def test_what_arrives_during_a_sync_is_the_next_commit(tmp_path, start, disk):
    spool = start()
    hang(disk)
    tasks = [asyncio.create_task(spool.append(intent(0)))]
    await until(disk.asked.is_set)
    tasks += [asyncio.create_task(spool.append(intent(n))) for n in range(1, 20)]
    await until(lambda: spool.depth == 20)
    disk.calls.clear()
    disk.answering.set()
    await asyncio.gather(*tasks)
    assert disk.calls.count("sync") == 2
    assert rids(tmp_path / "spool/w1-1") == [str(n) for n in range(20)]


async def test_a_commit_is_one_order_and_one_answer(start, disk, monkeypatch):
    spool = start()
    answers: list[Answer] = []
    original = spool._line._heard

    def counted(answer):
        answers.append(answer)
        original(answer)

    monkeypatch.setattr(spool._line, "_heard", counted)
    hang(disk)
    tasks = [asyncio.create_task(spool.append(intent(0)))]
    await until(disk.asked.is_set)
    tasks += [asyncio.create_task(spool.append(intent(n))) for n in range(1, 50)]
    await until(lambda: spool.depth == 50)
    disk.answering.set()
    await asyncio.gather(*tasks)
    assert [answer.ordered for answer in answers].count(True) == 2


async def test_a_commit_stays_small_enough_to_be_quick(start, disk):
    spool = start(settings=SpoolSettings(batch_bytes=10_000, record_timeout=2.0))
    hang(disk)
    first = asyncio.create_task(spool.append(intent(0)))
    await until(disk.asked.is_set)
    for n in range(10):
        spool.offer(intent(n, size=4000))
    disk.calls.clear()
    disk.answering.set()
    await first
    await until(lambda: spool.depth == 0)
    assert disk.calls.count("sync") == 1 + 5


async def test_an_offered_entry_is_written_without_anybody_waiting(tmp_path, start):
    spool = start()
    spool.offer(intent("offered"))
    await spool.append(intent("appended"))
    assert rids(tmp_path / "spool/w1-1") == ["offered", "appended"]
    assert spool.dropped == 0


async def test_entries_go_on_in_the_next_segment(tmp_path, start):
    spool = start()
    for n in range(30):
        await spool.append(intent(n, size=5000))
    lane = tmp_path / "spool/w1-1"
    assert len(segments(lane)) >= 3
    assert [item.n for item in read_lane(lane)] == list(range(1, 31))


async def test_an_entry_larger_than_a_segment_gets_one_of_its_size(tmp_path, start):
    spool = start()
    await spool.append(intent("huge", size=300_000))
    await spool.append(intent("small"))
    assert rids(tmp_path / "spool/w1-1") == ["huge", "small"]


@pytest.mark.req("ABG-CG5-1")
async def test_nothing_that_was_said_lies_readable_on_the_disk(tmp_path, start):
    spool = start()
    for n in range(20):
        await spool.append(intent(f"rid-{n}", size=3000))
    spool.close()
    files = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for secret in (PROMPT.encode(), PROMPT.encode("utf-16-le"), b"yamada", b"rid-7", b"intent"):
            assert secret not in content, path
    assert any(path.suffix == ".spool" for path in files)


async def test_only_the_owner_reaches_the_spool(tmp_path, start):
    before = os.umask(0o077)  # what `up` sets; roles that run apart share the spool with their group
    try:
        spool = start()
        await spool.append(intent("a"))
    finally:
        os.umask(before)
    for path in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_a_lane_is_never_taken_twice(start):
    start().close()
    with pytest.raises(StateError, match="exists already"):
        start()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "W1", "x" * 64, "名"])
async def test_a_lane_name_that_is_no_plain_folder_name_is_refused(start, name):
    with pytest.raises(StateError, match="name of a lane"):
        start(lane=name)


async def test_a_lane_is_alive_until_it_is_closed(tmp_path, start):
    spool = start()
    lane = tmp_path / "spool/w1-1"
    assert is_alive(lane)
    spool.close()
    assert not is_alive(lane)


async def test_closing_writes_what_was_accepted_and_says_that_it_is_the_end(tmp_path, start):
    spool = start()
    for n in range(5):
        spool.offer(intent(n))
    spool.close()
    assert ending(tmp_path / "spool/w1-1") == (EndState.CLOSED, 5)
    spool.close()
    with pytest.raises(RecordError, match="closed"):
        spool.offer(intent("late"))


# Limits: refused before anything is accepted.


async def test_a_queue_that_is_full_refuses(start, disk):
    spool = start(settings=SpoolSettings(queue_entries=3, record_timeout=2.0))
    hang(disk)
    for n in range(3):
        spool.offer(intent(n))
    with pytest.raises(SpoolFullError, match="More entries wait"):
        spool.offer(intent("one too many"))
    disk.answering.set()
    await until(lambda: spool.depth == 0)
    await spool.append(intent("later"))


async def test_a_queue_refuses_more_bytes_than_it_may_hold(start, disk):
    spool = start(settings=SpoolSettings(queue_bytes=50_000, record_timeout=2.0))
    hang(disk)
    spool.offer(intent(0, size=40_000))
    with pytest.raises(SpoolFullError, match="More bytes wait"):
        spool.offer(intent(1, size=40_000))
    with pytest.raises(RecordError, match="larger than the spool's queue"):
        spool.offer(intent(2, size=60_000))


@pytest.mark.req("MOU-2-7")
async def test_past_the_high_water_mark_nothing_is_accepted_until_the_archivist_comes(tmp_path, start):
    spool = start(settings=SpoolSettings(high_water=20_000, min_free=0, measure_every=0.02))
    accepted: list[str] = []
    with pytest.raises(SpoolFullError, match="archivist has not taken"):
        await fill(spool, size=3000, accepted=accepted)
    lane = tmp_path / "spool/w1-1"
    items = read_lane(lane)
    assert [item.entry.rid for item in items] == accepted
    assert 5 <= len(accepted) <= 8
    mark_shipped(lane, items[-1].position)
    await until(lambda: spool.refusal() is None)
    await spool.append(intent("again"))


async def test_what_dead_lanes_hold_counts_too(start):
    first = start(lane="w1-1")
    for n in range(10):
        await first.append(intent(n, size=3000))
    first.close()
    with pytest.raises(SpoolFullError, match="archivist has not taken"):
        start(lane="w1-2", settings=SpoolSettings(high_water=20_000)).offer(intent("a"))


async def test_a_disk_with_little_room_left_refuses_and_recovers_by_itself(start, disk):
    disk.free = 999
    spool = start(settings=SpoolSettings(min_free=1000, measure_every=0.02))
    with pytest.raises(SpoolFullError, match="999 bytes free"):
        await spool.append(intent("a"))
    disk.free = 1001
    await until(lambda: spool.refusal() is None)
    await spool.append(intent("b"))


async def test_a_disk_that_is_full_at_the_start_leaves_no_lane_behind(tmp_path, start, disk):
    disk.full = True
    with pytest.raises(SpoolFullError, match="no room"):
        start()
    assert list((tmp_path / "spool").iterdir()) == []
    disk.full = False
    start()


@pytest.mark.req("MOU-2-7")
async def test_a_disk_that_is_full_at_the_next_segment_refuses_and_loses_nothing(tmp_path, start, disk):
    spool = start()
    disk.full = True
    accepted: list[str] = []
    with pytest.raises(SpoolFullError, match="no room"):
        await fill(spool, size=5000, accepted=accepted)
    assert len(accepted) > 5
    with pytest.raises(SpoolFullError):
        await spool.append(intent("refused", size=5000))
    disk.full = False
    await until(lambda: spool.refusal() is None)
    await spool.append(intent("after"))
    items = read_lane(tmp_path / "spool/w1-1")
    assert [item.entry.rid for item in items] == [*accepted, "after"]
    assert [item.n for item in items] == list(range(1, len(accepted) + 2))


async def test_a_lane_can_be_closed_on_a_full_disk(tmp_path, start, disk):
    spool = start()
    disk.full = True
    with pytest.raises(SpoolFullError):
        await fill(spool, size=500, accepted=[])
    spool.close()
    assert ending(tmp_path / "spool/w1-1")[0] is EndState.CLOSED


# A disk that doesn't answer.


@pytest.mark.req("MOU-2-7")
async def test_a_disk_that_hangs_refuses_after_the_time_out_and_then_at_once(tmp_path, start, disk):
    spool = start()
    hang(disk)
    with pytest.raises(RecordError, match="not durable within 200 ms"):
        await spool.append(intent("slow"))
    with pytest.raises(RecordError, match="doesn't answer"):
        spool.offer(intent("refused"))
    disk.answering.set()
    await until(lambda: spool.depth == 0)
    await spool.append(intent("after"))
    assert rids(tmp_path / "spool/w1-1") == ["slow", "after"]


async def test_an_entry_whose_caller_went_away_is_written_all_the_same(tmp_path, start, disk):
    spool = start()
    hang(disk)
    waiting = asyncio.create_task(spool.append(intent("cancelled")))
    await until(disk.asked.is_set)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    disk.answering.set()
    await spool.append(intent("after"))
    assert rids(tmp_path / "spool/w1-1") == ["cancelled", "after"]


async def test_a_hanging_disk_does_not_hang_whoever_closes(start, disk):
    spool = start(settings=SpoolSettings(close_timeout=0.05))
    hang(disk)
    spool.offer(intent("a"))
    await until(disk.asked.is_set)
    with pytest.raises(SpoolLostError, match="doesn't answer"):
        spool.close()


def test_an_event_loop_that_ended_while_the_disk_worked_harms_nobody(tmp_path, start, disk):
    spool = start()
    hang(disk)

    async def impatient() -> None:
        waiting = asyncio.create_task(spool.append(intent("a")))
        await asyncio.sleep(0.02)
        waiting.cancel()

    asyncio.run(impatient())
    disk.answering.set()
    spool.close()
    assert rids(tmp_path / "spool/w1-1") == ["a"]


# A disk that fails: the lane is closed for good.


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param({"sync_error": errno.EIO}, "Input/output error", id="the sync fails"),
        pytest.param({"sync_error": errno.ENOSPC}, "No space left", id="the sync finds no space"),
        pytest.param({"write_error": errno.ENOSPC}, "No space left", id="the write finds no space"),
        pytest.param({"write_error": errno.EROFS}, "Read-only", id="the disk went read-only"),
        pytest.param({"most": 0}, "Input/output error", id="the disk takes no more bytes"),
        pytest.param({"removes": True}, "removed or replaced", id="the file is removed"),
        pytest.param({"replaces": True}, "removed or replaced", id="the file is replaced by a copy"),
    ],
)
async def test_after_a_failed_commit_the_lane_takes_nothing_any_more(tmp_path, start, disk, fault, message):
    spool = start()
    await spool.append(intent("before"))
    for name, value in fault.items():
        setattr(disk, name, value)
    with pytest.raises(SpoolLostError):
        await spool.append(intent("lost"))
    await until(lambda: spool.lost is not None)
    for name in fault:
        setattr(disk, name, vars(Disk())[name])  # the disk seems well again, and is not believed
    with pytest.raises(SpoolLostError, match=message):
        await spool.append(intent("after"))
    with pytest.raises(SpoolLostError, match=message):
        spool.close()
    assert not is_alive(tmp_path / "spool/w1-1")
    assert spool.depth == 0


async def test_an_acknowledged_entry_survives_the_failure_after_it(tmp_path, start, disk):
    spool = start()
    await spool.append(intent("before"))
    disk.sync_error = errno.EIO
    with pytest.raises(SpoolLostError):
        await spool.append(intent("lost"))
    with pytest.raises(SpoolLostError):
        spool.close()
    assert rids(tmp_path / "spool/w1-1")[:1] == ["before"]
    assert ending(tmp_path / "spool/w1-1")[0] is EndState.CRASHED


async def test_everybody_who_waits_is_told_when_the_lane_is_lost(start, disk):
    spool = start()
    hang(disk)
    tasks = [asyncio.create_task(spool.append(intent(0)))]
    await until(disk.asked.is_set)
    tasks += [asyncio.create_task(spool.append(intent(n))) for n in range(1, 10)]
    spool.offer(intent("offered"))
    await until(lambda: spool.depth == 11)
    disk.sync_error = errno.EIO
    disk.answering.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, SpoolLostError) for result in results)
    assert len({id(result) for result in results}) == 10
    await until(lambda: spool.dropped == 1)


@pytest.mark.parametrize("fault", ["create_error", "publish_error", "cut_error"])
async def test_a_next_segment_that_can_not_be_made_for_another_reason_ends_the_lane(start, disk, fault):
    spool = start()
    setattr(disk, fault, errno.EIO)
    with pytest.raises(SpoolLostError):
        await fill(spool, size=5000, accepted=[])
    await until(lambda: spool.lost is not None)
    with pytest.raises(SpoolLostError, match="Input/output error"):
        spool.offer(intent("after"))


async def test_a_first_segment_that_can_not_be_written_leaves_no_lane_behind(tmp_path, start, disk):
    disk.sync_error = errno.EIO
    with pytest.raises(SpoolLostError):
        start()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_short_write_is_finished(tmp_path, start, disk):
    spool = start()
    disk.most = 1000
    await spool.append(intent("a", size=5000))
    assert rids(tmp_path / "spool/w1-1") == ["a"]


async def test_an_entry_that_can_not_be_encoded_is_refused_alone(tmp_path, start):
    spool = start()
    good = asyncio.create_task(spool.append(intent("good")))
    with pytest.raises(RecordError, match="can't be encoded"):
        await spool.append(Intent(rid="\ud800", key=bytes(32), time_us=0, body=Body()))
    await good
    spool.offer(Intent(rid="\ud800", key=bytes(32), time_us=0))
    await spool.append(intent("after"))
    assert rids(tmp_path / "spool/w1-1") == ["good", "after"]
    assert spool.dropped == 1


class BrokenChain:
    """Fails at the first frame with an error that nobody foresaw."""

    preamble = SEALER.open_segment().preamble

    def seal(self, plaintext, context):
        raise MemoryError("no more")


class BrokenSealer:
    """Starts chains that don't hold."""

    def open_segment(self):
        return BrokenChain()


async def test_an_error_that_nobody_foresaw_closes_the_lane(start):
    spool = start(seal=BrokenSealer())
    with pytest.raises(SpoolLostError, match="lost while this entry was written"):
        await spool.append(intent("a"))
    await until(lambda: spool.lost is not None)
    with pytest.raises(SpoolLostError, match="MemoryError"):
        spool.offer(intent("b"))


async def test_a_spool_folder_that_can_not_be_measured_closes_the_lane(start, disk):
    spool = start()

    def broken(folder):
        raise OSError(errno.EIO, "Input/output error")

    disk.free_bytes = broken
    await until(lambda: spool.lost is not None)
    with pytest.raises(SpoolLostError, match="can't be measured"):
        spool.offer(intent("a"))


# What the operator sees.


async def test_the_figures_show_what_waits_for_the_archivist(tmp_path, start):
    spool = start()
    assert spool.bytes == 0
    for n in range(4):
        await spool.append(intent(n, size=2000))
    await until(lambda: spool.depth == 0)
    assert 8000 < spool.bytes < 12_000
    assert abs(spool.bytes - pending(tmp_path / "spool")["w1-1"]) < 100


async def test_a_recorder_in_a_thread_can_not_keep_a_tool_from_ending(start):
    start()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "recorder-w1-1"]
    assert thread.daemon


# What a hostile reader of the spool found.


async def test_what_was_ordered_while_the_recorder_measured_is_written_though_its_worker_is_gone(
    tmp_path, start, disk
):
    """The recorder finds its status to have changed and nobody to tell it to, and an order all the same."""
    spool = start(settings=SpoolSettings(segment_bytes=64 * 1024, measure_every=0.02, min_free=1))
    await spool.append(intent("before"))
    measuring, go_on = threading.Event(), threading.Event()

    def slowly(folder):
        measuring.set()
        go_on.wait(10)
        return 0  # which is news, and to be told

    disk.free_bytes = slowly
    await until(measuring.is_set)
    waiting = asyncio.ensure_future(spool.append(intent("handed over")))
    await asyncio.sleep(0.02)
    spool._line.detach(10)
    spool._line.close()
    go_on.set()
    await asyncio.to_thread(spool._join, 10)
    waiting.cancel()
    assert rids(tmp_path / "spool/w1-1") == ["before", "handed over"]
    spool._lost = SpoolLostError("the test is over")


async def test_an_order_that_can_not_be_made_loses_the_lane_and_tells_everybody(start, monkeypatch):
    spool = start()

    def no_memory(drafts):
        raise MemoryError

    monkeypatch.setattr("sekimori.ledger.spool.commit_order", no_memory)
    with pytest.raises(SpoolLostError):
        await spool.append(intent("a"))
    assert "MemoryError" in str(spool.lost)
    assert spool.depth == 0


class NoBuffers(socket.socket):
    """A socket for which the kernel has no memory any more, once."""

    tried = False

    def send(self, *args: Any) -> int:
        if not self.tried:
            self.tried = True
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super().send(*args)


async def test_an_order_that_the_kernel_does_not_take_ends_the_lane_on_both_sides(tmp_path, start):
    spool = start()
    spool._line.detach(10)
    spool._line._sock = NoBuffers(fileno=spool._line._sock.detach())
    with pytest.raises(SpoolLostError):
        await spool.append(intent("a"))
    await until(lambda: not is_alive(tmp_path / "spool/w1-1"))


def test_a_spool_goes_on_in_a_second_event_loop(tmp_path, start, disk):
    spool = start()

    async def first() -> None:
        await spool.append(intent("a"))
        hang(disk)
        spool.offer(intent("b"))
        waiting = asyncio.ensure_future(spool.append(intent("c")))
        await asyncio.sleep(0.02)
        waiting.cancel()

    async def second() -> None:
        with pytest.raises(RecordError, match=r"not durable|doesn't answer"):
            await spool.append(intent("d"))
        disk.answering.set()
        await until(lambda: spool.refusal() is None)
        await spool.append(intent("e"))

    asyncio.run(first())
    asyncio.run(second())
    assert rids(tmp_path / "spool/w1-1")[0] == "a"
    assert rids(tmp_path / "spool/w1-1")[-1] == "e"


async def test_a_lane_whose_closing_took_too_long_can_be_closed_once_the_disk_answers(tmp_path, start, disk):
    spool = start(settings=SpoolSettings(segment_bytes=64 * 1024, close_timeout=0.2, min_free=0))
    await spool.append(intent("a"))
    hang(disk)
    spool.offer(intent("b"))
    for _ in range(2):
        with pytest.raises(SpoolLostError, match="can't be closed"):
            spool.close()
    disk.answering.set()
    spool.close()
    assert ending(tmp_path / "spool/w1-1") == (EndState.CLOSED, 2)


async def test_the_time_to_close_is_for_all_commits_together(start, disk):
    spool = start(settings=SpoolSettings(batch_bytes=1, close_timeout=0.5, record_timeout=30, min_free=0))
    original = disk.sync

    def slow(handle):
        time.sleep(0.2)
        original(handle)

    disk.sync = slow
    for n in range(20):
        spool.offer(intent(n))
    with pytest.raises(SpoolLostError, match="can't be closed"):
        spool.close()
    assert spool.depth > 10
    disk.sync = original


async def test_a_large_entry_is_given_the_time_that_its_bytes_take(start):
    spool = start(settings=SpoolSettings(record_timeout=0.2, min_free=0))
    assert spool._time_for(0) == 0.2
    assert spool._time_for(64 * 1024 * 1024) == 1.2


async def test_a_fault_of_the_disk_that_nobody_foresaw_is_told_as_what_it_is(tmp_path, start):
    spool = start()
    await spool.append(intent("a"))
    (tmp_path / "spool/w1-1/roll").mkdir()  # the wish for a new segment, which can't be taken away
    await until(lambda: spool.lost is not None)
    assert "The spool's writer failed: IsADirectoryError" in str(spool.lost)
