"""What happens every day is no attack: crashes, restarts, clocks, erasures, checks beside an archivist at work."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from sekimori.ledger.lanes import lanes
from sekimori.store import rekeying
from sekimori.store.engine import reading, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.forking import Decision, Fork
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.logkeys import LogKeys
from sekimori.store.retention import DEFAULTS
from sekimori.store.retiring import Retirer
from sekimori.store.statements import required
from sekimori.store.superlog_keeper import Ledger
from sekimori.store.surveying import Wanted
from sekimori.store.tables import RECORD
from sekimori.store.verify import Scope
from support.adversary import HOUR_US, opened, settle
from support.evidence import START_US, Installation, answered, asked, refused
from support.release1 import write_data_key, write_store
from support.steps import Victim

SECOND_US, DAY_US = 1_000_000, 86_400_000_000


def until_stored(house: Installation, lane: str) -> None:
    """Wait for the archivist at work to have stored all that ``talk`` wrote on a lane."""
    last = select(RECORD.c.rid).where(RECORD.c.rid == f"{lane}-open")
    deadline = time.monotonic() + 60
    while True:
        with reading(house.engine) as connection:
            if connection.execute(last).first() is not None:
                return
        assert time.monotonic() < deadline, f"the archivist never came to the end of {lane}"
        time.sleep(0.05)


def check(house: Installation, **scope: bool | int) -> None:
    """Everything is sound, whoever looks now."""
    assert house.verify(Scope(**scope)).faults == ()  # type: ignore[arg-type]


def talk(house: Installation, lane: str, count: int, *, end: str = "close") -> None:
    """Let a worker write some exchanges, and end."""
    worker = house.worker(lane)
    for number in range(count):
        rid = f"{lane}-{number}"
        if number % 5:
            worker.write(asked(rid, user=f"user-{number % 3}"), answered(rid))
        else:
            worker.write(refused(rid))
    worker.write(asked(f"{lane}-open"))
    getattr(worker, end)()


# --- killed between any two steps --------------------------------------------------------------------


class Eve(NamedTuple):
    """An installation on the eve of much work; ``entries`` is how many it must have in the end."""

    folder: Path
    database: str
    entries: int


def eve(folder: Path, database: str) -> Eve:
    """Leave to the archivist whatever it can be left: lanes, an order, a reading, a quarter that ended."""
    (folder / "data").mkdir(parents=True)
    house = opened(folder, database)
    talk(house, "w1-1", 6)
    settle(house)
    talk(house, "w2-1", 4)
    talk(house, "w2-2", 4, end="die")
    house.log().content("w1-1-1", reader="sato", reader_source="os", reason="監査")
    eraser = Eraser(house.engine, house.store_keys, clock=house.clock, new_id=lambda: "erasure-1")
    eraser.carry_out(Wanted(records=frozenset({"w1-1-2"})), Authority("appi-35", "kato", "sato"))
    check(house)
    entries = 2 * sum(2 * count - len(range(0, count, 5)) + 2 for count in (4,)) + 10 + 2 + 1
    house.close()
    return Eve(folder, database, entries)


@pytest.fixture(scope="module")
def victim():
    process = Victim()
    yield process
    process.close()


def killed_at(before: Eve, database: str, folder: Path, victim: Victim, step: int) -> None:
    """Kill the archivist there; nothing is wrong then, nor after the next start, and everything is stored."""
    shutil.copytree(before.folder, folder)
    told = victim.work(folder, database, step, START_US + HOUR_US)
    assert told["killed"], step
    # What a check says of the ruins.
    house = opened(folder, database, START_US + 2 * HOUR_US)
    try:
        assert house.verify(Scope(signatures=True)).faults == (), step
        settle(house)
        assert (house.notes.alarms, lanes(house.spool)) == ([], []), step
        report = house.verify(Scope(signatures=True))
        assert report.faults == (), step
        assert report.counts["entry"] == before.entries, step
        assert report.unplaced == 0
        assert all(tree.published == tree.leaves for tree in report.trees), step
    finally:
        house.close()
        shutil.rmtree(folder)


def steps_of(before: Eve, database: str, folder: Path, victim: Victim) -> int:
    """Count the steps of a life without a crash."""
    shutil.copytree(before.folder, folder)
    told = victim.work(folder, database, 0, START_US + HOUR_US)
    assert not told["killed"]
    house = opened(folder, database, START_US + 2 * HOUR_US)
    assert house.verify().counts["entry"] == before.entries
    house.close()
    shutil.rmtree(folder)
    return int(told["steps"])


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(
    "every", [pytest.param(9, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
)
def test_an_archivist_killed_between_any_two_steps_leaves_nothing_to_complain_of(tmp_path, victim, every):
    before = eve(tmp_path / "eve", "")
    steps = steps_of(before, "", tmp_path / "run", victim)
    assert steps > 100
    for step in range(random.Random(steps).randint(1, every), steps + 1, every):
        killed_at(before, "", tmp_path / "run", victim, step)


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(
    "every", [pytest.param(29, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)]
)
def test_the_same_on_postgresql(tmp_path, victim, postgres, migrated, every):
    name = postgres.fresh(migrated)
    before = eve(tmp_path / "eve", postgres.url(name))

    def each():
        copy = postgres.fresh(name)
        yield postgres.url(copy)
        postgres.drop(copy)

    for database in each():
        steps = steps_of(before, database, tmp_path / "run", victim)
    for step in range(random.Random(steps).randint(1, every), steps + 1, every):
        for database in each():
            killed_at(before, database, tmp_path / "run", victim, step)
    postgres.drop(name)


# --- clocks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_us", "stands"),
    [
        pytest.param(-3 * SECOND_US, True, id="back by less than 5 s"),
        pytest.param(-HOUR_US, True, id="back by an hour"),
        pytest.param(HOUR_US, False, id="forward by an hour"),
        pytest.param(120 * DAY_US, False, id="forward into another quarter"),
    ],
)
def test_a_clock_that_steps_makes_nobody_an_attacker(house, step_us, stands):
    talk(house, "w1-1", 6)
    settle(house)
    house.ticks.at_us += step_us
    talk(house, "w1-2", 6, end="die")
    house.archivist.run_once()
    check(house)
    assert bool(house.notes.alarms) == stands
    assert all("clock" in alarm for alarm in house.notes.alarms)
    house.archivist = house.new_archivist()
    house.settle()
    check(house)
    house.ticks.at_us += max(0, -step_us) + 10 * SECOND_US
    settle(house)
    check(house, signatures=True)
    assert lanes(house.spool) == []


# --- a long life -------------------------------------------------------------------------------------


def fork(house: Installation, *names: str) -> None:
    """Give logs up and go on."""
    assert house.keeper is not None
    house.keeper.release()
    keys = LogKeys(house.keyring / f"logs-{house.node}")
    ledger = Ledger(house.folder / "ledger", keys, house.locks, required(house.store_keys.signing))
    for name in names:
        house.ticks.at_us += SECOND_US
        decision = Decision("the disk was restored", "tanaka", house.clock())
        Fork(ledger, house.engine, house.node).fork(name, decision)
    house.archivist = house.new_archivist()
    house.ticks.at_us += 10 * SECOND_US
    settle(house)


def test_nothing_that_an_operator_may_do_looks_like_an_attack(house):
    ids = (f"event-{number}" for number in itertools.count(1))
    authority = Authority("appi-35", "kato", "sato")
    eraser = Eraser(house.engine, house.store_keys, clock=house.clock, new_id=lambda: next(ids))

    def hold() -> None:
        with writing(house.engine) as connection:
            HoldRepo(connection, house.cipher).place(
                "hold-1", "record", "w1-1-1", reason="訴訟", by="sato", now_us=house.clock()
            )

    def lift() -> None:
        with writing(house.engine) as connection:
            HoldRepo(connection, house.cipher).lift("hold-1", reason="和解", by="sato", now_us=house.clock())

    def retire(year: int) -> None:
        now_us = int(datetime(year, 5, 2, tzinfo=UTC).timestamp()) * SECOND_US
        retirer = Retirer(
            house.engine, house.store_keys, DEFAULTS, clock=lambda: now_us, new_id=lambda: next(ids)
        )
        retirer.plausible.confirm(now_us)
        retirer.run(by="os")

    def restart() -> None:
        house.archivist.close()
        house.archivist = house.new_archivist()

    def lose(tree: str) -> None:
        shutil.rmtree(house.folder / "ledger" / tree)
        fork(house, tree)

    deeds = (
        lambda: talk(house, "w1-1", 12),
        restart,
        hold,
        lambda: eraser.carry_out(Wanted(records=frozenset({"w1-1-2"})), authority),
        lambda: eraser.carry_out(Wanted(subject="user-0"), authority),
        lambda: house.rotate(),
        lambda: talk(house, "w1-2", 5, end="die"),
        lambda: fork(house, "gate-1-1-2026Q2"),
        lambda: talk(house, "w2-1", 5),
        lambda: lose("gate-1-2-2026Q2"),
        lambda: fork(house, "super"),
        lambda: lose("super-2"),
        lambda: talk(house, "w2-2", 5),
        lambda: retire(2027),
        lift,
        lambda: retire(2027),
        restart,
        lambda: retire(2032),
        lambda: talk(house, "w1-3", 5),
    )
    since = None
    for deed in deeds:
        deed()
        check(house, signatures=True)  # before the archivist has stated it
        settle(house)
        report = house.verify(Scope(signatures=True))
        assert report.faults == ()
        assert house.verify(Scope(since=since)).faults == ()
        since = report.verified
    assert house.notes.alarms == []
    assert {"verified", "erased-authorised", "expired"} <= {
        name for name, count in report.verdicts.items() if count
    }


def test_the_move_from_an_older_release_is_none_either(unmade, tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    database = folder / "sekimori.db" if isinstance(unmade, Path) else unmade
    pairs = [(asked(f"r{number}", time_us=START_US + number), answered(f"r{number}")) for number in range(8)]
    write_store(database, {"w1": [entry for pair in pairs for entry in pair], "w2": [refused("r9")]})
    write_data_key(tmp_path / "data-keys")
    monkeypatch.setattr(rekeying, "_AT_ONCE", 5)
    house = Installation(folder, database=database, keys=bytes(range(64)))
    try:
        check(house)
        talk(house, "w3-1", 3)
        for _ in range(20):
            house.archivist._upkeep.step()
            check(house, signatures=True)
            house.settle()
            check(house)
        report = house.verify()
        assert (report.unsigned, report.unplaced, report.faults) == (0, 0, ())
        assert house.notes.alarms == []
    finally:
        house.close()


class Brisk:
    """A clock for several threads on which a tenth of a second passes with every look."""

    def __init__(self) -> None:
        self._at_us = START_US
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self._at_us += 100_000
            return self._at_us


def test_checks_beside_an_archivist_at_work_find_nothing(house):
    """Over the seams of tiles, of the super-log's too, with erasures and rotations in between."""
    house.clock = Brisk()
    house.archivist = house.new_archivist()
    ids = (f"erasure-{number}" for number in itertools.count(1))
    eraser = Eraser(house.engine, house.store_keys, clock=house.clock, new_id=lambda: next(ids))
    stop = threading.Event()
    thread = threading.Thread(target=house.archivist.run_forever, args=(stop,))
    thread.start()
    since = None
    try:
        for number in range(8):
            talk(house, f"w{number % 2}-{number}", 40)
            report = house.verify(Scope(signatures=number % 3 == 0, since=since if number % 2 else None))
            assert report.faults == ()
            since = report.verified
            if number == 4:
                house.rotate()
            if number in (3, 6):
                wanted = Wanted(subject=f"user-{number % 2}")
                until_stored(house, f"w{number % 2}-{number}")
                eraser.carry_out(wanted, Authority("appi-35", "kato", "sato"))
                check(house)
        check(house, processes=2)
    finally:
        stop.set()
        thread.join(20)
    assert house.notes.alarms == []
    settle(house)
    assert lanes(house.spool) == []
    report = house.verify(Scope(signatures=True))
    assert report.faults == ()
    assert {tree.leaves for tree in report.trees if tree.name.startswith("gate-1-0")} >= {4 * 73}
