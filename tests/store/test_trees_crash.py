"""The power goes at any step between the database's commit and the checkpoint: the trees go on as if it hadn't.

The disk of the trees keeps of the changes that were not synced any subset (``support.tlog.DarkDisk``); the
lock store lies elsewhere and remembers one root a size. The database is real: what it committed stands.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekimori.store.engine import open_store, writing
from sekimori.store.events import Event, EventRepo
from support.ledger import Bench
from support.tlog import DarkDisk, MemoryLocks, Power, PowerLoss

FOLDER = Path("/data/ledger")
QUARTER_S = 92 * 86_400


class Locks(MemoryLocks):
    """Remembers, over all restarts, every root that was ever locked: one a size."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: dict[tuple[str, int], bytes] = {}

    def swap(self, origin, old, new):
        try:
            super().swap(origin, old, new)
        finally:
            head = self.known[origin].head  # what arrived, whether or not the answer did
            assert self.roots.setdefault((origin, head.size), head.root) == head.root, "two roots"


class Machine:
    """A node whose tree disk loses power again and again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.power = Power()
        self.disk = DarkDisk(self.power, {Path("/data"): None})
        self.locks = Locks()
        self.engine = open_store(folder / "sekimori.db")
        (folder / "keys").mkdir(mode=0o700)
        self.bench = Bench(
            self.engine, FOLDER, keys=folder / "keys" / "logs", locks=self.locks, files=self.disk
        )
        self.events = 0
        self.seen: dict[str, tuple[bytes, ...]] = {}

    def crash(self) -> None:
        """Go dark and come back with whatever the disk kept."""
        self.power = Power()
        self.disk = self.disk.survivor(self.dice, self.power)
        self.locks.power = self.power
        self.bench.files = self.disk
        self.bench.clock.sleep(1)
        self.bench.keeper = self.bench.new_keeper()

    def do(self, what: str, count: int) -> None:
        """Do one thing that an archivist or a command does."""
        bench = self.bench
        match what:
            case "store":
                bench.store(count)
            case "store and die":
                bench.store(count, offered=False)
                raise PowerLoss
            case "leave":
                bench.left(min(count, 40))
            case "order":
                self.events += 1
                with writing(bench.engine) as connection:
                    event = Event(said={"count": count})
                    EventRepo(connection, bench.cipher).add(f"e-{self.events}", "erase", bench.clock(), event)
            case "quarter":
                bench.clock.sleep(QUARTER_S)
            case _:
                bench.clock.sleep(1.1)
        bench.keeper.step()

    def live(self, deeds: list[tuple[str, int]], off_at: int | None, errors: dict[int, int]) -> None:
        """Do things until the power goes or all is done."""
        self.power.off_at, self.power.errors = off_at, dict(errors)
        try:
            for what, count in deeds:
                self.do(what, count)
        except PowerLoss:
            self.crash()
        finally:
            self.power.off_at, self.power.errors = None, {}

    def check(self) -> None:
        """Let everything settle and hold the trees against the database and what was seen before."""
        self.bench.settle(6, rounds=5)
        self.bench.check()
        for name in self.bench.trees():
            leaves = self.bench.tree(name)
            assert leaves[: len(self.seen.get(name, ()))] == self.seen.get(name, ())
            self.seen[name] = leaves
        said = [json.loads(envelope) for envelope in self.bench.super_log()]
        for kind, key in (("open", "of"), ("close", "of"), ("erase", "event")):
            names = [one[key] for one in said if one["k"] == kind]
            assert len(names) == len(set(names)), f"{kind} is said twice"
        assert sum(one["k"] == "erase" for one in said) == self.events
        for lane, n in self.bench.stored.items():
            assert lane == "readings-1" or self.bench.keeper.covered(lane) == n

    def close(self) -> None:
        """Let go of the database."""
        self.bench.close()
        self.engine.dispose()


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def lived(lives, seed: int) -> None:
    folder = Path(tempfile.mkdtemp())
    machine = Machine(folder, seed)
    try:
        for deeds, off_at, errors in lives:
            machine.live(deeds, off_at, errors)
        machine.check()
        machine.bench.restart()
        machine.check()
    finally:
        machine.close()
        shutil.rmtree(folder)


PLAIN = [
    ("store", 3),
    ("wait", 0),
    ("leave", 2),
    ("order", 5),
    ("wait", 0),
    ("store", 300),
    ("wait", 0),
    ("quarter", 0),
    ("wait", 0),
    ("store", 2),
    ("wait", 0),
]


def test_the_power_may_go_at_every_step_of_an_ordinary_life():
    folder = Path(tempfile.mkdtemp())
    machine = Machine(folder, 0)
    try:
        machine.live(PLAIN, None, {})
        steps = machine.power.steps
        machine.check()
    finally:
        machine.close()
        shutil.rmtree(folder)
    assert steps > 100
    for off_at in range(1, steps + 1, 5):
        lived([(PLAIN, off_at, {}), ([("store", 1)], None, {})], off_at)


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["store", "store", "store and die", "leave", "order", "wait", "wait", "quarter"]),
        st.sampled_from([1, 2, 255, 256, 1000]),
    ),
    min_size=1,
    max_size=8,
)
ERRORS = st.dictionaries(st.integers(1, 90), st.sampled_from([errno.EIO, errno.ENOSPC]), max_size=2)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    lives=st.lists(st.tuples(DEEDS, st.integers(1, 120), ERRORS), min_size=1, max_size=5),
)
def test_the_power_may_go_again_and_again_and_the_disk_may_fail(seed, lives):
    lived(lives, seed)
