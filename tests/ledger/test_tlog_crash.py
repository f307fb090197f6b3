"""The power goes at any step: nothing that was published is lost, and no two roots are signed for one size.

The disk keeps of the changes that were not synced any subset (``support.tlog.DarkDisk``). After each crash
other leaves come than those that were under way, so that a tree which believed its leftovers would sign
a second root; the log's key (``WatchedSigner``) would notice.
"""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.errors import SekimoriError, StateError
from sekimori.ledger.tlog.audit import TreeAudit
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.opening import create_lane, open_lane
from sekimori.ledger.tlog.shelf import Shelf
from support.tlog import (
    LOG,
    NOW,
    DarkDisk,
    MemoryLocks,
    Power,
    PowerLoss,
    WatchedSigner,
    cosign,
    envelope,
    leaves,
)

FOLDER = Path("/data/ledger/gate-0-2026Q4")
TESTS = Path(__file__).parent.parent
SIZES = st.sampled_from([1, 5, 255, 256, 257, 300, 511, 512, 513, 700])


class Machine:
    """A log whose machine loses power again and again; ``published`` is what it told the world."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.power = Power()
        self.disk = DarkDisk(self.power, {Path("/data"): None})
        self.locks = MemoryLocks(self.power)
        self.signer = WatchedSigner()
        self.published: list[bytes] = []
        self.restarts = 0

    def start(self):
        """Begin the log or go on with it, as the archivist would."""
        known = self.locks.known
        if known:
            return open_lane(
                FOLDER, signer=self.signer, locks=self.locks, files=self.disk, keeps_envelopes=True
            )
        return create_lane(
            FOLDER,
            name="gate-0-2026Q4",
            signer=self.signer,
            locks=self.locks,
            now_us=NOW,
            files=self.disk,
            keeps_envelopes=True,
        )

    def crash(self) -> None:
        """Go dark and come back with whatever the disk kept."""
        self.restarts += 1
        self.power = Power()
        self.disk = self.disk.survivor(self.dice, self.power)
        self.locks.power = self.power

    def grow(self, lane, count: int) -> None:
        """Publish more leaves; what is told to the world from then on may never vanish."""
        mark = f"-{self.restarts}"
        start = lane.next_index
        new = leaves(count, start, mark)
        lane.append(new, [envelope(n, mark) for n in range(start, start + count)])
        lane.publish(now_us=NOW, cosign=cosign)
        assert lane.leaves(0, len(self.published)) == tuple(self.published)
        self.published = list(lane.leaves(0, lane.size))

    def check(self) -> None:
        """Start once more, without a failure, and hold everything against what was told to the world."""
        lane = self.start()
        assert lane.size >= len(self.published)
        assert lane.leaves(0, len(self.published)) == tuple(self.published)
        lane.publish(now_us=NOW)
        shelf = Shelf(FOLDER, self.disk)
        checkpoint = open_checkpoint(shelf.get("checkpoint"), log_verifier(LOG.public)).checkpoint
        audit = TreeAudit(checkpoint.size, checkpoint.root, shelf.tile)
        assert len(list(audit.leaves())) == checkpoint.size == lane.size
        assert audit.faults == []
        assert len(lane.envelopes(0, lane.size)) == lane.size
        lane.release()


def run(machine: Machine, sizes: list[int], off_at: int | None, errors: dict[int, int] | None = None) -> int:
    """Grow to these sizes until the power goes or all is done; returns how many steps that took.

    Sizes, so that after a crash another tree of the same size is tried.
    """
    machine.power.off_at, machine.power.errors = off_at, dict(errors or {})
    lane = None
    try:
        lane = machine.start()
        for size in sizes:
            machine.grow(lane, max(0, size - lane.size))
    except (PowerLoss, SekimoriError, OSError):
        machine.crash()
    else:
        lane.release()
    return machine.power.steps


def test_the_power_may_go_at_every_single_step():
    sizes = [3, 257, 259, 559]
    steps = run(Machine(random.Random(0)), sizes, None)
    assert steps > 60
    for off_at in range(1, steps + 1):
        for seed in range(3):
            machine = Machine(random.Random(seed))
            run(machine, sizes, off_at)
            run(machine, sizes, None)
            machine.check()


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    lives=st.lists(st.tuples(st.lists(SIZES, max_size=4), st.integers(1, 80)), min_size=1, max_size=6),
)
def test_the_power_may_go_again_and_again(seed, lives):
    machine = Machine(random.Random(seed))
    for sizes, off_at in lives:
        run(machine, sorted(sizes), off_at)
    machine.power.off_at = None
    machine.check()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    lives=st.lists(
        st.tuples(
            st.lists(SIZES, min_size=1, max_size=3),
            st.dictionaries(st.integers(1, 60), st.sampled_from([errno.EIO, errno.ENOSPC]), max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_the_disk_may_fail_at_any_step_and_the_power_go_with_it(seed, lives):
    machine = Machine(random.Random(seed))
    for sizes, errors in lives:
        run(machine, sorted(sizes), None, errors)
    machine.power.errors = {}
    machine.check()


def test_a_full_disk_costs_nothing_wherever_it_shows():
    batches = [3, 254, 2]
    steps = run(Machine(random.Random(0)), [3, 257, 259], None)
    for at in range(1, steps + 1):
        machine = Machine(random.Random(at))
        machine.locks.power = Power()  # another machine's disk has room
        lane = machine.start()
        lane.publish(now_us=NOW)
        machine.power.errors = {machine.power.steps + at: errno.ENOSPC}
        for count in batches:
            new, kept = (
                leaves(count, lane.next_index),
                [envelope(n) for n in range(lane.next_index, lane.next_index + count)],
            )
            lane.append(new, kept)
            try:
                lane.publish(now_us=NOW)
            except StateError:
                lane.publish(now_us=NOW)
        assert lane.leaves(0, 259) == tuple(leaves(259))
        lane.release()
        machine.power.errors = {}
        machine.check()


VICTIM = """
import sys, time
from pathlib import Path
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.opening import create_lane, open_lane
from support.tlog import LOG, leaves
folder, memory = Path(sys.argv[1]), Path(sys.argv[2])
locks = SqliteLockStore(memory)
now = lambda: time.time_ns() // 1000
if locks.read("sigsum.org/v1/tree/" + sys.argv[3]):
    lane = open_lane(folder, signer=LOG, locks=locks)
else:
    lane = create_lane(folder, name="gate-0", signer=LOG, locks=locks, now_us=now())
while True:
    lane.append(leaves(37, lane.size))
    lane.publish(now_us=now())
    print(lane.size, flush=True)
"""


def test_a_process_killed_at_any_instant_loses_nothing_that_it_published(tmp_path):
    SqliteLockStore.create(tmp_path / "lock.db").close()
    folder, dice, told = tmp_path / "gate-0", random.Random(9), 0
    origin = log_verifier(LOG.public).name.rpartition("/")[2]
    for _ in range(6):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, folder, tmp_path / "lock.db", origin],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert victim.stdout is not None
        with victim.stdout as pipe:
            first = pipe.readline()
            time.sleep(dice.uniform(0, 0.1))
            victim.send_signal(signal.SIGKILL)
            told = max([told, *map(int, (first + pipe.read()).split())])
        victim.wait()
    locks = SqliteLockStore(tmp_path / "lock.db")
    lane = open_lane(folder, signer=LOG, locks=locks)
    lane.publish(now_us=time.time_ns() // 1000)
    shelf = Shelf(folder, LocalTree())
    checkpoint = open_checkpoint(shelf.get("checkpoint"), log_verifier(LOG.public)).checkpoint
    audit = TreeAudit(checkpoint.size, checkpoint.root, shelf.tile)
    assert [leaf for _, leaf in audit.leaves()] == leaves(checkpoint.size)
    assert audit.faults == []
    assert checkpoint.size >= told > 0
    lane.release()
    locks.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_disk_of_these_tests_does_lose_what_was_not_synced(seed):
    disk = DarkDisk(Power(), {Path("/data"): None})
    for name in "abcdefgh":
        disk.write(Path("/data") / name, b"x")
    assert len(disk.survivor(random.Random(seed), Power()).names) < len(disk.names)
