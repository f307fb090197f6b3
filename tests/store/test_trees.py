"""Trees grow from what the database holds, without a gap, a duplicate or a second root."""

from __future__ import annotations

import json

import pytest

from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.store.engine import open_store, reading, writing
from sekimori.store.events import Event, EventRepo
from sekimori.store.grove import Pace
from sekimori.store.tables import ENTRY, EVENT, TREE
from support.ledger import LANE, Bench
from support.tlog import cosign

GATE_TREE, ARCHIVE_TREE = "gate-1-0-2026Q4", "archive-1-2026Q4"


@pytest.fixture
def bench(made, tmp_path):
    engine = open_store(made)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    locks = SqliteLockStore.create(keys / "lock.db")
    (tmp_path / "data").mkdir()
    bench = Bench(engine, tmp_path / "data" / "ledger", keys=keys / "logs", locks=locks)
    yield bench
    bench.close()
    engine.dispose()


def said(bench, *kinds):
    return [one for one in map(json.loads, bench.super_log()) if not kinds or one["k"] in kinds]


def test_what_is_stored_stands_in_its_tree_a_second_later(bench):
    bench.keeper.step()
    bench.store(3)
    bench.settle()
    assert bench.tree(GATE_TREE) == bench.placed(GATE_TREE)
    assert len(bench.tree(GATE_TREE)) == 3
    bench.store(300)
    bench.settle()
    bench.check()
    assert bench.heard.alarms == []
    assert [one["k"] for one in said(bench)][:2] == ["open", "checkpoint"]


def test_a_thousand_leaves_need_not_wait_for_the_second_to_end(bench):
    bench.pace = Pace(leaves=1000)
    bench.keeper = bench.new_keeper()
    bench.store(1)
    bench.settle()
    bench.store(1000)
    bench.keeper.step()
    assert len(bench.tree(GATE_TREE)) == 1001


def test_rows_of_other_processes_get_places_and_a_tree(bench):
    bench.left(5)
    bench.settle()
    bench.left(2, lane="readings-1")
    bench.settle()
    assert bench.tree(ARCHIVE_TREE) == bench.placed(ARCHIVE_TREE)
    assert len(bench.tree(ARCHIVE_TREE)) == 7


def test_what_nobody_offered_is_read_from_the_database(bench):
    bench.keeper.step()
    bench.store(5, offered=False)
    bench.store(5)
    bench.settle()
    bench.check()
    assert len(bench.tree(GATE_TREE)) == 10
    bench.store(9000, offered=False)
    bench.restart()
    bench.settle()
    bench.check()


def test_an_event_becomes_a_statement_and_a_leaf_of_the_super_log_once(bench):
    with writing(bench.engine) as connection:
        event = Event(said={"count": 3, "hold": "h-1"}, basis="a court order", by="legal")
        EventRepo(connection, bench.cipher).add("h-1", "hold", bench.clock(), event)
    bench.settle()
    bench.restart()
    bench.settle()
    bench.check()
    (leaf,) = said(bench, "hold")
    assert (leaf["count"], leaf["hold"], leaf["event"]) == (3, "h-1", "h-1")
    assert len(bench.tree(ARCHIVE_TREE)) == 1
    with reading(bench.engine) as connection:
        assert [row.placed for row in connection.execute(EVENT.select())] == [True]


@pytest.mark.req("MOU-2-7", "MOU-2-8")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"sealed": b"\1" * 60}, id="its seal"),
        pytest.param({"kind": "forgive"}, id="its kind"),
        pytest.param({"time_us": -1}, id="its time"),
    ],
)
def test_an_altered_event_is_named_once_and_holds_nothing_up(bench, change):
    with writing(bench.engine) as connection:
        events = EventRepo(connection, bench.cipher)
        events.add("e-1", "erase", bench.clock(), Event(said={"count": 1}))
        connection.execute(EVENT.update().values(change))
        events.add("e-2", "erase", bench.clock(), Event(said={"count": 2}))
        # More of them than are taken at once, and older.
        row = {"kind": "erase", "sealed": b"", "placed": False}
        copies = [{"id": f"c-{n}", "time_us": n, **row} for n in range(600)]
        connection.execute(EVENT.insert(), copies)
    bench.store(3)
    for _ in range(3):
        bench.settle()
    assert [leaf["event"] for leaf in said(bench, "erase")] == ["e-2"]
    assert len(bench.tree(GATE_TREE)) == 3
    told = [alarm for alarm in bench.heard.alarms if "altered and is not stated" in alarm]
    assert len(told) == 601
    assert "Event e-1 was altered" in " ".join(told)
    with writing(bench.engine) as connection:
        EventRepo(connection, bench.cipher).add("e-3", "erase", bench.clock(), Event(said={"count": 3}))
    bench.settle()
    assert [leaf["event"] for leaf in said(bench, "erase")] == ["e-2", "e-3"]


def test_an_event_whose_mark_was_lost_is_not_stated_again(bench):
    with writing(bench.engine) as connection:
        EventRepo(connection, bench.cipher).add("e-1", "erase", bench.clock(), Event(said={"count": 1}))
    bench.settle()
    with writing(bench.engine) as connection:
        connection.execute(EVENT.update().values(placed=False))
    bench.restart()
    bench.settle()
    assert len(said(bench, "erase")) == 1
    assert len(bench.tree(ARCHIVE_TREE)) == 1


def test_the_end_of_a_quarter_closes_its_trees(bench):
    bench.store(3)
    bench.settle()
    bench.clock.sleep(45 * 86_400)
    bench.keeper.step()
    bench.settle()
    assert [one["of"] for one in said(bench, "close")] == [GATE_TREE]
    bench.store(2)
    bench.settle()
    assert bench.trees() == [GATE_TREE, "gate-1-0-2027Q1"]
    bench.check()
    bench.restart()
    bench.settle()
    assert len(said(bench, "close")) == 1
    assert bench.heard.alarms == []
    assert bench.keeper.covered(LANE) == 5


def test_a_lane_is_covered_once_a_checkpoint_is_published(bench):
    bench.keeper.step()
    assert bench.keeper.covered(LANE) == 0
    bench.store(3)
    assert bench.keeper.covered(LANE) == 0
    bench.settle()
    assert bench.keeper.covered(LANE) == 3
    bench.store(1)
    bench.keeper.step()
    bench.store(4)
    bench.keeper.step()
    assert bench.keeper.covered(LANE) == 4
    bench.settle()
    assert bench.keeper.covered(LANE) == 8
    bench.store(2)
    bench.keeper.close()
    assert bench.keeper.covered(LANE) == 10
    bench.keeper = bench.new_keeper()
    assert bench.keeper.covered(LANE) == 0
    bench.settle()
    assert bench.keeper.covered(LANE) == 10


def test_entries_without_a_leaf_hold_nothing_up(bench):
    from sekimori.store.placing import Place

    bench.keeper.step()
    bench.store(3)
    bench.settle()
    assert bench.keeper.covered(LANE) == 3
    bench.keeper.offer(Place("", 0), [], lane=LANE, last_n=5)
    assert bench.keeper.covered(LANE) == 5


def test_with_a_witness_only_what_it_saw_is_covered(bench):
    answers: list[bool] = []
    bench.cosign = lambda offer: cosign(offer) if answers else []
    bench.enough = True
    bench.keeper = bench.new_keeper()
    bench.store(3)
    bench.settle()
    assert bench.keeper.covered(LANE) == 0
    answers.append(True)
    bench.clock.sleep(60)
    bench.settle()
    assert bench.keeper.covered(LANE) == 3
    answers.clear()
    bench.store(2)
    bench.settle()
    assert bench.keeper.covered(LANE) == 3


def test_when_nothing_happens_the_super_log_is_published_once_a_minute(bench):
    times: list[int] = []

    def noting(offer):
        times.append(bench.clock())
        return []

    bench.cosign = noting
    bench.keeper = bench.new_keeper()
    bench.store(1)
    bench.settle()
    times.clear()
    for _ in range(300):
        bench.clock.sleep(1)
        bench.keeper.step()
    assert len(times) == 5
    assert bench.heard.figures.checkpoint_age_seconds <= 61


def test_a_restored_lock_store_stops_every_tree_and_the_archivist_goes_on(bench, tmp_path):
    bench.store(3)
    bench.settle()
    copy = (tmp_path / "keys" / "lock.db").read_bytes()
    bench.store(3)
    bench.settle()
    bench.keeper.close()
    bench.locks.close()
    (tmp_path / "keys" / "lock.db").write_bytes(copy)
    bench.locks = SqliteLockStore(tmp_path / "keys" / "lock.db")
    bench.keeper = bench.new_keeper()
    bench.store(2)
    bench.settle(10)
    (alarm,) = bench.heard.alarms
    assert "sekimori ledger fork" in alarm
    assert bench.keeper.covered(LANE) == 0
    assert len(bench.tree(GATE_TREE)) == 6
    assert bench.heard.figures.trees == 0


def test_a_restored_folder_stops_every_tree(bench, tmp_path):
    import shutil

    bench.store(3)
    bench.settle()
    shutil.copytree(bench.folder, tmp_path / "copy")
    bench.store(3)
    bench.settle()
    bench.keeper.close()
    shutil.rmtree(bench.folder)
    shutil.copytree(tmp_path / "copy", bench.folder)
    bench.keeper = bench.new_keeper()
    bench.settle(10)
    (alarm,) = bench.heard.alarms
    assert "were lost or restored" in alarm


def test_a_database_that_is_an_older_copy_leaves_its_tree_alone_and_another_goes_on(bench):
    bench.store(5)
    bench.left(1)
    bench.settle()
    with writing(bench.engine) as connection:
        connection.execute(ENTRY.delete().where(ENTRY.c.idx >= 3, ENTRY.c.tree == GATE_TREE))
        connection.execute(TREE.update().where(TREE.c.name == GATE_TREE).values(next_idx=3))
    bench.keeper.close()
    bench.keeper = bench.new_keeper()
    bench.settle()
    (alarm,) = bench.heard.alarms
    assert "has 5 leaves, the database gave away 3 places" in alarm
    bench.stored[LANE] = 10
    bench.store(2)
    bench.settle()
    assert bench.tree(f"{GATE_TREE}-2") == bench.placed(f"{GATE_TREE}-2")
    assert len(bench.tree(GATE_TREE)) == 5


def test_a_clock_that_stepped_back_signs_nothing_and_says_so_once(bench):
    bench.store(1)
    bench.settle()
    bench.clock.sleep(-3600)
    bench.store(1)
    for _ in range(5):
        bench.clock.sleep(1)
        bench.keeper.step()
    assert len(bench.tree(GATE_TREE)) == 1
    (alarm,) = bench.heard.alarms
    assert "before the newest checkpoint" in alarm
    bench.clock.sleep(3700)
    bench.settle()
    assert len(bench.tree(GATE_TREE)) == 2
