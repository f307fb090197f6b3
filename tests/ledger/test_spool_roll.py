"""A segment is given up before it is full when somebody asks for it, and only then."""

from __future__ import annotations

import asyncio

import pytest

from sekimori.errors import SpoolFullError
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.lanes import ROLL, ask_to_roll, segments
from sekimori.ledger.reading import LaneReader
from sekimori.ledger.spool import SpoolSettings, open_spool
from support.spool import SEALER, SIGNER, commit, intent, opener


@pytest.fixture
def lane(tmp_path):
    writer = LaneWriter(tmp_path, "w0-1", sealer=SEALER, segment_bytes=1 << 20, files=LocalFiles())
    yield tmp_path / "w0-1", writer
    writer.abandon()


def test_nobody_asked_and_the_segment_stays(lane):
    folder, writer = lane
    commit(writer, "w0-1", intent(1))
    writer.roll()
    assert segments(folder) == [1]


def test_who_asks_gets_a_new_segment_once(lane):
    folder, writer = lane
    commit(writer, "w0-1", intent(1))
    ask_to_roll(folder)
    writer.roll()
    writer.roll()
    assert segments(folder) == [1, 2]
    assert not (folder / ROLL).exists()


def test_a_segment_that_holds_nothing_is_not_given_up(lane):
    folder, writer = lane
    ask_to_roll(folder)
    writer.roll()
    assert (segments(folder), (folder / ROLL).exists()) == ([1], False)


def test_the_lane_reads_on_across_the_seam(lane):
    folder, writer = lane
    commit(writer, "w0-1", intent(1), intent(2))
    ask_to_roll(folder)
    writer.roll()
    commit(writer, "w0-1", intent(3))
    reader = LaneReader(folder, opener())
    assert [(item.n, item.entry.rid) for item in reader.read()] == [(1, "1"), (2, "2"), (3, "3")]


def test_a_lane_that_is_finished_meanwhile_is_not_made_again(tmp_path):
    ask_to_roll(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


async def test_a_worker_without_traffic_looks_by_itself(tmp_path):
    settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, measure_every=0.05)
    spool = open_spool(tmp_path, "w0-1", seal=SEALER, signer=SIGNER, settings=settings)
    try:
        await spool.append(intent(1))
        ask_to_roll(tmp_path / "w0-1")
        async with asyncio.timeout(5):
            while segments(tmp_path / "w0-1") != [1, 2]:
                await asyncio.sleep(0.02)
        await spool.append(intent(2))
    finally:
        await asyncio.to_thread(spool.close)


class NoRoom(LocalFiles):
    """A disk that has room for one segment."""

    def __init__(self) -> None:
        self.made = 0

    def create(self, path, size):
        self.made += 1
        if self.made > 1:
            raise OSError(28, "no space left")
        return super().create(path, size)


def test_a_disk_without_room_keeps_the_segment_and_the_wish(tmp_path):
    writer = LaneWriter(tmp_path, "w0-1", sealer=SEALER, segment_bytes=1 << 20, files=NoRoom())
    commit(writer, "w0-1", intent(1))
    ask_to_roll(tmp_path / "w0-1")
    with pytest.raises(SpoolFullError):
        writer.roll()
    assert (tmp_path / "w0-1" / ROLL).exists()
    commit(writer, "w0-1", intent(2))
    writer.close()
