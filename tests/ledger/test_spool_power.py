"""The power goes, and of what was not synced any sectors are there: what was acknowledged is, and nothing is broken.

``test_spool_crash`` kills the process; here the machine goes dark, under a file layer that keeps what was
synced and of the rest any subset, sector by sector. The disk may also refuse and fail before it does.
"""

import errno
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import IntegrityError, RecordError, SpoolFullError, SpoolLostError
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.lanes import lanes
from sekimori.ledger.reading import EndState, LaneReader
from support.spool import SEALER, commit, intent, opener
from support.tlog import Power, PowerLoss

LANE = "w1-1"
SECTOR = 512
SEGMENT = 16 * 1024


class DarkFiles(LocalFiles):
    """The real disk, whose power goes at a step; ``loose`` are the changes since the last sync."""

    def __init__(self, power: Power, dice: random.Random) -> None:
        self.power = power
        self.dice = dice
        self.loose: list[Callable[[], None]] = []
        self._own: dict[int, int] = {}
        self._all: list[int] = []

    def create(self, path: Path, size: int) -> int:
        self.power.step()
        handle = super().create(path, size)
        # A descriptor of our own: the lane's may be closed by the time the power goes.
        self._own[handle] = os.dup(handle)
        self._all.append(self._own[handle])
        return handle

    def write(self, handle: int, data: bytes, offset: int) -> int:
        self.power.step()
        before = os.pread(handle, len(data), offset)
        wrote = super().write(handle, data, offset)
        own = self._own[handle]
        self.loose.append(lambda: self._tear(own, before, offset))
        self.power.step()
        return wrote

    def sync(self, handle: int) -> None:
        self.power.step()
        super().sync(handle)
        self.loose.clear()
        self.power.step()

    def truncate(self, handle: int, size: int) -> None:
        whole = os.fstat(handle).st_size
        self.power.step()
        os.ftruncate(handle, size)
        own = self._own[handle]
        self.loose.append(lambda: os.ftruncate(own, whole))
        self.power.step()
        os.fsync(handle)
        self.loose.clear()

    def publish(self, draft: Path, path: Path) -> None:
        self.power.step()
        draft.rename(path)
        self.loose.append(lambda: self._unname(draft, path))
        self.power.step()
        self.loose.clear()

    def go_dark(self) -> None:
        """Lose any of what was not synced."""
        for lose in reversed(self.loose):
            if self.dice.random() < 0.7:
                lose()

    def end(self) -> None:
        """Give all descriptors back."""
        for own in self._all:
            os.close(own)

    def _tear(self, own: int, before: bytes, offset: int) -> None:
        # A sector arrived or it didn't; sectors are those of the disk, wherever the write began.
        end = offset + len(before)
        for at in range(offset // SECTOR * SECTOR, end, SECTOR):
            start, stop = max(at, offset), min(at + SECTOR, end)
            if self.dice.random() < 0.5:
                os.pwrite(own, before[start - offset : stop - offset], start)

    def _unname(self, draft: Path, path: Path) -> None:
        if path.exists():
            path.rename(draft)


class Machine:
    """One lane's writer, and what it acknowledged."""

    def __init__(self, spool: Path, seed: int) -> None:
        self.spool = spool
        self.power = Power()
        self.files = DarkFiles(self.power, random.Random(seed))
        self.acknowledged: list[str] = []
        self.tried: list[str] = []

    def live(self, sizes: list[int], *, closes: bool) -> None:
        """Write commits until the power goes, the disk fails or all is done."""
        writer = None
        try:
            writer = LaneWriter(self.spool, LANE, sealer=SEALER, segment_bytes=SEGMENT, files=self.files)
            for number, size in enumerate(sizes):
                self.tried.append(str(number))
                with suppress(SpoolFullError):  # nothing was written: the next may find room
                    commit(writer, LANE, intent(number, size=size))
                    self.acknowledged.append(str(number))
            if closes:
                writer.close()
        except PowerLoss:
            self.files.go_dark()
        except (SpoolLostError, SpoolFullError):
            # The lane is given up; whether what was not synced ever arrives is for the kernel to say.
            self.files.go_dark()
        finally:
            if writer is not None:
                with suppress(OSError):
                    writer.abandon()

    def check(self, *, closed: bool = False) -> None:
        """Read everything back."""
        if not lanes(self.spool):
            assert self.acknowledged == []
            return
        (lane,) = lanes(self.spool)
        reader = LaneReader(lane, opener())
        items = list(reader.read())
        there = [item.entry.rid for item in items]
        assert [item.n for item in items] == list(range(1, len(items) + 1))
        # Everything acknowledged, in order; of what nobody acknowledged at most the last commit.
        assert [rid for rid in there if rid in self.acknowledged] == self.acknowledged
        assert len(there) <= len(self.acknowledged) + 1
        assert set(there) <= set(self.tried)
        assert reader.end is not None
        if closed:
            assert (reader.end.state, reader.end.torn_bytes) == (EndState.CLOSED, 0)


def lived(
    spool: Path, sizes: list[int], off_at: int | None, seed: int, errors: dict[int, int] | None = None
) -> int:
    machine = Machine(spool, seed)
    machine.power.off_at, machine.power.errors = off_at, dict(errors or {})
    try:
        machine.live(sizes, closes=True)
        machine.check(closed=off_at is None and not errors)
    finally:
        machine.files.end()
        shutil.rmtree(spool, ignore_errors=True)
    return machine.power.steps


PLAIN = [0, 300, 5000, 40, 9000, 9000, 20_000, 1]


@pytest.mark.req("MOU-2-7")
def test_the_power_may_go_at_every_step_of_a_lane(tmp_path):
    steps = lived(tmp_path / "spool", PLAIN, None, 0)
    assert steps > 40
    for off_at in range(1, steps + 1):
        for seed in range(4):
            lived(tmp_path / "spool", PLAIN, off_at, seed)


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_the_disk_may_fail_at_every_step_of_a_lane(tmp_path, error):
    steps = lived(tmp_path / "spool", PLAIN, None, 0)
    for at in range(1, steps + 1):
        lived(tmp_path / "spool", PLAIN, None, at, {at: error})


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    sizes=st.lists(st.sampled_from([0, 1, 400, 511, 4000, 15_000, 70_000]), min_size=1, max_size=12),
    off_at=st.none() | st.integers(1, 80),
    errors=st.dictionaries(st.integers(1, 80), st.sampled_from([errno.EIO, errno.ENOSPC]), max_size=2),
)
def test_whatever_happens_to_a_lane_what_was_acknowledged_is_there(
    tmp_path_factory, seed, sizes, off_at, errors
):
    lived(tmp_path_factory.mktemp("power") / "spool", sizes, off_at, seed, errors)


@pytest.mark.parametrize("seed", range(3))
def test_the_disk_of_these_tests_does_tear_what_was_not_synced(tmp_path, seed):
    files = DarkFiles(Power(), random.Random(seed))
    handle = files.create(tmp_path / "file", 1 << 16)
    files.write(handle, b"\xff" * (1 << 16), 0)
    for lose in files.loose:
        lose()
    files.close(handle)
    files.end()
    assert 0 in set((tmp_path / "file").read_bytes())


def test_a_segment_that_somebody_deletes_while_it_is_written_is_noticed_with_the_next_commit(tmp_path):
    writer = LaneWriter(tmp_path, LANE, sealer=SEALER, segment_bytes=SEGMENT, files=LocalFiles())
    commit(writer, LANE, intent("known"))
    next((tmp_path / LANE).glob("seg-*")).unlink()
    with pytest.raises(RecordError, match="removed or replaced"):
        commit(writer, LANE, intent("refused"))
    writer.abandon()
    with suppress(IntegrityError):
        assert list(LaneReader(tmp_path / LANE, opener()).read()) == []
