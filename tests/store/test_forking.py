"""A fork gives up a log for all to see; what was stored gets a place in the one that goes on."""

from __future__ import annotations

import json
import shutil

import pytest

from sekimori.errors import StateError, UsageError
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.store.engine import open_store, writing
from sekimori.store.forking import Decision, Fork
from sekimori.store.superlog_keeper import Ledger, contradictions
from support.ledger import ARCHIVE, Bench

GATE_TREE, ARCHIVE_TREE = "gate-1-0-2026Q4", "archive-1-2026Q4"


@pytest.fixture
def bench(tmp_path):
    engine = open_store(tmp_path / "sekimori.db")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (tmp_path / "data").mkdir()
    locks = SqliteLockStore.create(keys / "lock.db")
    bench = Bench(engine, tmp_path / "data" / "ledger", keys=keys / "logs", locks=locks)
    bench.store(5)
    bench.left(2)
    bench.settle()
    yield bench
    bench.close()
    engine.dispose()


def stopped(bench) -> Ledger:
    """End the keeper and return what a command opens."""
    bench.keeper.close()
    return Ledger(bench.folder, bench.keys, bench.locks, ARCHIVE)


def fork(bench, name, *, reason="the disk was restored"):
    decision = Decision(reason, "Tanaka", bench.clock())
    return Fork(stopped(bench), bench.engine, "1").fork(name, decision)


def started(bench) -> None:
    """Start again and let everything settle."""
    bench.keeper = bench.new_keeper()
    bench.settle(6)


def abandoned(bench, name="super"):
    return [one for one in map(json.loads, bench.super_log(name)) if one["k"] == "abandon"]


def restore_folder(bench, tmp_path):
    """Grow further, then put an older copy of one tree's folder in its place."""
    shutil.copytree(bench.folder / GATE_TREE, tmp_path / "copy")
    bench.store(3)
    bench.settle()
    bench.keeper.close()
    shutil.rmtree(bench.folder / GATE_TREE)
    shutil.copytree(tmp_path / "copy", bench.folder / GATE_TREE)


def test_a_fork_leaves_a_trace_and_nothing_that_was_stored_without_a_leaf(bench, tmp_path):
    restore_folder(bench, tmp_path)
    started(bench)
    assert len(bench.heard.alarms) == 1
    done = fork(bench, GATE_TREE)
    assert (done.goes_on_as, done.moved) == (f"{GATE_TREE}-2", 3)
    started(bench)
    (leaf,) = abandoned(bench)
    assert (leaf["of"], leaf["next"], leaf["by"]) == (GATE_TREE, f"{GATE_TREE}-2", "Tanaka")
    assert (leaf["folder"]["size"], leaf["memory"]["size"]) == (5, 8)
    bench.store(2)
    bench.settle()
    assert len(bench.tree(GATE_TREE)) == 5
    assert len(bench.tree(f"{GATE_TREE}-2")) == 5
    bench.check()
    assert bench.keeper.covered("w0-abc") == 10
    assert len(bench.heard.alarms) == 1


def test_a_tree_whose_folder_is_lost_gives_all_its_rows_to_the_next(bench):
    bench.keeper.close()
    shutil.rmtree(bench.folder / GATE_TREE)
    done = fork(bench, GATE_TREE)
    assert done.moved == 5
    started(bench)
    assert bench.tree(f"{GATE_TREE}-2") == bench.placed(f"{GATE_TREE}-2")
    assert len(bench.tree(f"{GATE_TREE}-2")) == 5


def test_an_older_database_gives_the_next_tree_what_was_stored_since(bench):
    bench.keeper.close()
    with writing(bench.engine) as connection:
        connection.exec_driver_sql("DELETE FROM entry WHERE tree LIKE 'gate%' AND idx >= 3")
        connection.exec_driver_sql("UPDATE tree SET next_idx = 3 WHERE name LIKE 'gate%'")
    bench.stored["w0-abc"] = 10
    bench.store(1)
    done = fork(bench, GATE_TREE, reason="the database was restored")
    assert done.moved == 1
    started(bench)
    assert len(bench.tree(f"{GATE_TREE}-2")) == 1


def test_a_fork_that_was_cut_short_is_finished_by_another(bench, tmp_path):
    restore_folder(bench, tmp_path)
    ledger = stopped(bench)

    class Cut(Fork):
        def _move(self, name, now_us):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cut(ledger, bench.engine, "1").fork(GATE_TREE, Decision("why", "Tanaka", bench.clock()))
    started(bench)
    assert "Finish what was begun" in bench.heard.alarms[-1]
    done = fork(bench, GATE_TREE)
    assert (done.index, done.moved) == (None, 3)
    started(bench)
    assert len(abandoned(bench)) == 1
    bench.check()


def test_a_lost_lock_store_is_replaced_by_forking_every_log(bench, tmp_path):
    stopped(bench)
    bench.locks.close()
    (tmp_path / "keys" / "lock.db").unlink()
    bench.locks = SqliteLockStore.create(tmp_path / "keys" / "lock.db")
    assert len(contradictions(stopped(bench))) == 2
    for name in ("super", GATE_TREE, ARCHIVE_TREE):
        fork(bench, name, reason="the key disk died")
    assert contradictions(stopped(bench)) == []
    started(bench)
    bench.store(1)
    bench.settle()
    assert [one["of"] for one in abandoned(bench, "super-2")] == ["super", GATE_TREE, ARCHIVE_TREE]
    assert json.loads(bench.super_log("super-2")[0])["k"] == "abandon"
    assert len(bench.tree(f"{GATE_TREE}-2")) == 1
    assert bench.heard.alarms == []


def test_a_new_super_log_names_the_trees_that_go_on(bench):
    fork(bench, "super")
    started(bench)
    said = [json.loads(one) for one in bench.super_log("super-2")]
    assert [one["of"] for one in said if one["k"] == "open"] == [GATE_TREE, ARCHIVE_TREE]
    started(bench)
    said = [json.loads(one) for one in bench.super_log("super-2")]
    assert sum(one["k"] == "open" for one in said) == 2


def test_a_super_log_whose_key_is_lost_can_be_given_up(bench):
    stopped(bench)
    (bench.keys.folder / "super.key").unlink()
    started(bench)
    assert "The key of the super-log is missing" in bench.heard.alarms[0]
    assert fork(bench, "super").goes_on_as == "super-2"
    started(bench)
    assert len(bench.heard.alarms) == 1
    bench.store(1)
    bench.settle()
    assert len(bench.tree(GATE_TREE)) == 6


def test_a_log_that_is_at_work_is_not_given_up(bench):
    with pytest.raises(StateError, match="Another process"):
        Fork(Ledger(bench.folder, bench.keys, bench.locks, ARCHIVE), bench.engine, "1").fork(
            GATE_TREE, Decision("why", "Tanaka", bench.clock())
        )


@pytest.mark.parametrize(
    ("name", "reason"), [("gate-1-9-2026Q4", "why"), ("super-7", "why"), (GATE_TREE, "  ")]
)
def test_a_fork_of_nothing_and_one_without_a_reason_are_refused(bench, name, reason):
    with pytest.raises(UsageError):
        fork(bench, name, reason=reason)
