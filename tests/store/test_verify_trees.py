"""Whoever has the database, the disk or an older copy of either is contradicted by what lies elsewhere."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import select, update

from sekimori.errors import StateError
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.shelf import envelope_path
from sekimori.ledger.tlog.tiles import bundles_of, tiles_of
from sekimori.store.tables import ENTRY
from sekimori.store.verify import Scope, verify, worth
from sekimori.store.verifying.verified import read_verified, write_verified
from support.evidence import Installation, answered, asked, refused
from support.limits import put, within

TREE = "gate-1-1-2026Q2"


@pytest.fixture
def grown(embedded):
    """One worker's lane, some hundred entries long, in a tree of its own; all published."""
    worker = embedded.worker("w1-1")
    for number in range(0, 300, 20):
        worker.write(*(one for n in range(number, number + 20) for one in exchange(n)))
    embedded.archivist.run_once()
    while embedded.settle().more:
        pass
    report = embedded.verify(Scope(signatures=True))
    assert report.faults == ()
    assert {tree.name: tree.leaves for tree in report.trees}[TREE] == 600
    return embedded


def exchange(n):
    return (
        (refused(f"r{n:03}"), refused(f"s{n:03}"))
        if n % 5 == 0
        else (asked(f"r{n:03}"), answered(f"r{n:03}"))
    )


def faults(house, **scope):
    return {(one.table, one.key, one.what) for one in house.verify(Scope(**scope)).faults}


def test_a_report_says_what_is_true_of_every_entry_and_every_tree(grown):
    report = grown.verify()
    assert report.verdicts == {
        "verified": 600, "erased-authorised": 0, "expired": 0, "missing": 0, "altered": 0,
    }  # fmt: skip
    (tree,) = [tree for tree in report.trees if tree.name == TREE]
    assert (tree.published, tree.here) == (600, True)
    assert report.elsewhere == ()
    checkpoint = (grown.folder / "ledger" / TREE / "checkpoint").read_text()
    assert tree.root == base64.b64decode(checkpoint.splitlines()[2]).hex()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        pytest.param(
            "DELETE FROM statement WHERE idx=0 AND tree='archive-1-2026Q2'",
            ("tree", "archive-1-2026Q2/0", "missing"),
            id="a statement",
        ),
        pytest.param(
            "UPDATE entry SET tree='', idx=NULL WHERE n=300", ("tree", f"{TREE}/299", "missing"), id="a place"
        ),
        pytest.param(
            "UPDATE entry SET idx=CASE idx WHEN 7 THEN 400 ELSE 7 END WHERE idx IN (7, 400)",
            ("tree", f"{TREE}/7", "reordered"),
            id="two places swapped",
        ),
        pytest.param("DELETE FROM entry WHERE n=600", ("tree", f"{TREE}/599", "missing"), id="the tail"),
        pytest.param("DELETE FROM entry WHERE n=1", ("tree", f"{TREE}/0", "missing"), id="the head"),
        pytest.param("DELETE FROM entry", ("tree", f"{TREE}/255", "missing"), id="all entries"),
        pytest.param("DELETE FROM tree", ("tree", TREE, "missing"), id="the trees' rows"),
        pytest.param(
            "UPDATE tree SET next_idx=next_idx-1", ("entry", "w1-1/600", "altered"), id="a counter set back"
        ),
        pytest.param(
            "UPDATE entry SET leaf=(SELECT leaf FROM entry AS e WHERE e.n=2) WHERE n=1",
            ("tree", f"{TREE}/0", "altered"),
            id="another's leaf",
        ),
        pytest.param(
            "DELETE FROM record_key WHERE rid='r001'", ("record_key", "r001", "missing"), id="a key alone"
        ),
        pytest.param("DELETE FROM data_key", ("record_key", "r001", "altered"), id="a data key"),
    ],
)
def test_what_the_database_lacks_the_tree_names(grown, statement, fault):
    grown.edit(statement)
    assert fault in faults(grown)


def test_an_erasure_that_nobody_ordered_is_a_fault(grown):
    grown.edit(
        "DELETE FROM record_key WHERE rid='r001'",
        "DELETE FROM content WHERE rid='r001'",
        "DELETE FROM search WHERE rid='r001'",
        "UPDATE record SET state='erased', operation='', reasons='', parse='', prompt_bytes=0, status=NULL, "
        "answer_parse=NULL, input_tokens=NULL, output_tokens=NULL, output_bytes=NULL WHERE rid='r001'",
    )
    assert ("record_key", "r001", "missing") in faults(grown)


def test_a_leaf_signed_with_another_key_is_found_even_where_the_tree_is_not_looked_at(grown):
    forger = LeafSigner(KeySigner(bytes(32)))
    with grown.outsider() as outsider:
        row = outsider.execute(select(ENTRY).where(ENTRY.c.n == 5)).one()
        change = update(ENTRY).where(ENTRY.c.n == 5).values(leaf=forger.sign(row.envelope))
        outsider.execute(change)
    assert {("entry", "w1-1/5", "altered"), ("tree", f"{TREE}/4", "altered")} <= faults(grown)


def test_a_signature_that_does_not_fit_is_found_when_signatures_are_asked_for(grown):
    with grown.outsider() as outsider:
        row = outsider.execute(select(ENTRY).where(ENTRY.c.n == 5)).one()
        forged = row.leaf[:40] + bytes([row.leaf[40] ^ 1]) + row.leaf[41:]
        outsider.execute(update(ENTRY).where(ENTRY.c.n == 5).values(leaf=forged))
    assert ("entry", "w1-1/5", "altered") in faults(grown, signatures=True)
    assert ("tree", f"{TREE}/4", "altered") in faults(grown)


def files_of(house):
    """Yield what a reader of the published trees reads; partial tiles of older sizes are nobody's any more."""
    for folder in sorted((house.folder / "ledger").iterdir()):
        size = int((folder / "checkpoint").read_text().splitlines()[1])
        yield folder / "checkpoint"
        bundles = list(bundles_of(size))
        yield from (folder / tile.path for tile in (*tiles_of(size), *bundles))
        if folder.name == "super":
            yield from (folder / envelope_path(tile) for tile in bundles)


def test_no_byte_of_a_file_of_a_tree_can_be_changed(grown):
    for path in files_of(grown):
        good = path.read_bytes()
        for at in (0, len(good) // 3, len(good) - 1):
            path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
            assert "tree" in {fault[0] for fault in faults(grown)}, (path, at)
        path.write_bytes(good)
    assert faults(grown) == set()


def test_every_file_of_a_tree_that_is_gone_is_missed(grown):
    for path in files_of(grown):
        good = path.read_bytes()
        path.unlink()
        assert "tree" in {fault[0] for fault in faults(grown)}, path
        path.write_bytes(good)


def test_an_older_checkpoint_with_its_older_tiles_is_contradicted(grown, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(grown.folder / "ledger" / TREE, old)
    grown.worker("w1-2").write(asked("later"))
    grown.archivist.run_once()
    while grown.settle().more:
        pass
    shutil.rmtree(grown.folder / "ledger" / TREE)
    shutil.copytree(old, grown.folder / "ledger" / TREE)
    named = grown.verify().faults
    assert {fault.key for fault in named} >= {f"{TREE}/checkpoint"}
    assert any("super-log" in fault.detail for fault in named)


def test_everything_put_back_but_the_lock_store_is_contradicted(grown, tmp_path):
    copy = tmp_path.with_name(f"{tmp_path.name}-copy")
    grown.engine.dispose()
    shutil.copytree(grown.folder, copy)
    grown.worker("w1-2").write(asked("later"))
    grown.archivist.run_once()
    while grown.settle().more:
        pass
    grown.engine.dispose()
    shutil.rmtree(grown.folder)
    shutil.copytree(copy, grown.folder)
    named = grown.verify().faults
    assert any("the lock store" in fault.detail for fault in named), named


def test_an_older_lock_store_is_contradicted(grown, tmp_path):
    path = grown.keyring / "lock-1.db"
    shutil.copy(path, tmp_path / "lock.db")
    grown.worker("w1-2").write(asked("later"))
    grown.archivist.run_once()
    while grown.settle().more:
        pass
    grown.locks.close()
    shutil.copy(tmp_path / "lock.db", path)
    assert any("the lock store remembers" in fault.detail for fault in grown.verify().faults)


def test_an_older_database_is_contradicted_by_the_trees(grown, tmp_path):
    with closing(sqlite3.connect(grown.database)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(grown.database, tmp_path / "old.db")
    grown.worker("w1-2").write(asked("later"))
    grown.archivist.run_once()
    while grown.settle().more:
        pass
    grown.engine.dispose()
    for suffix in ("-wal", "-shm"):
        grown.database.with_name(grown.database.name + suffix).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", grown.database)
    assert ("tree", f"{TREE}/600", "missing") in faults(grown)


def test_a_tree_that_vanished_whole_leaves_its_traces_in_the_super_log(grown):
    shutil.rmtree(grown.folder / "ledger" / TREE)
    (grown.keyring / "logs-1" / f"{TREE}.key").unlink()
    grown.edit("DELETE FROM entry", f"DELETE FROM tree WHERE name='{TREE}'")
    assert ("tree", TREE, "missing") in faults(grown)


@pytest.mark.parametrize(
    ("entries", "cores", "processes"),
    [
        pytest.param(0, 8, 1, id="nothing"),
        pytest.param(20_000, 2, 1, id="less than starting one takes"),
        pytest.param(120_000, 8, 2, id="enough for two"),
        pytest.param(10_000_000, 8, 8, id="as many as there are cores"),
        pytest.param(10_000_000, 1, 1, id="one core"),
    ],
)
def test_a_check_starts_as_many_processes_as_its_work_is_worth(entries, cores, processes):
    assert worth(entries, cores) == processes


def test_several_processes_find_what_one_finds(grown):
    grown.edit("DELETE FROM entry WHERE n=300", "UPDATE entry SET kind='part' WHERE n=2")
    alone, together = grown.verify(Scope(processes=1)), grown.verify(Scope(processes=2, signatures=True))
    assert set(alone.faults) == set(together.faults) != set()
    assert (alone.verdicts, alone.trees) == (together.verdicts, together.trees)


def test_several_processes_find_the_same_on_either_database(house):
    house.worker("w1-1").write(asked("r1"), answered("r1"), refused("r2"))
    house.archivist.run_once()
    house.settle()
    assert house.verify(Scope(processes=2)).verdicts["verified"] == 3
    house.edit("UPDATE entry SET kind='part' WHERE n=3")
    assert set(house.verify(Scope(processes=2)).faults) == set(house.verify().faults) != set()


def test_an_incremental_check_reads_what_is_new_and_nothing_else(grown):
    state = grown.folder / "ledger" / "verified.json"
    before = grown.verify()
    write_verified(state, grown.store_keys.store_key, before.verified)
    grown.worker("w1-2").write(asked("later"))
    grown.archivist.run_once()
    while grown.settle().more:
        pass
    since = read_verified(state, grown.store_keys.store_key)
    report = grown.verify(Scope(since=since))
    assert report.ok
    assert sum(report.verdicts.values()) == 1
    assert report.trees[1].root == grown.verify().trees[1].root


def test_an_incremental_check_sees_what_was_cut_off_behind_the_last_one(grown):
    since = grown.verify().verified
    grown.edit("DELETE FROM lane WHERE name='w1-1'", "DELETE FROM entry")
    named = grown.verify(Scope(since=since)).faults
    assert any("an earlier check saw" in fault.detail for fault in named)


def test_a_state_that_somebody_edited_counts_as_none(grown):
    state = grown.folder / "ledger" / "verified.json"
    write_verified(state, grown.store_keys.store_key, grown.verify().verified)
    assert read_verified(state, bytes(32)) is None
    state.write_bytes(state.read_bytes().replace(b"600", b"601"))
    assert read_verified(state, grown.store_keys.store_key) is None


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_state_that_is_no_file_counts_as_none_and_is_replaced(grown, kind):
    state, key = grown.folder / "ledger" / "verified.json", grown.store_keys.store_key
    found = grown.verify().verified
    put(kind, state)
    with within(60):
        assert read_verified(state, key) is None
        write_verified(state, key, found)
        assert read_verified(state, key) == found


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_a_state_is_never_written_through_what_somebody_left_for_its_draft(grown, tmp_path, kind):
    state, key = grown.folder / "ledger" / "verified.json", grown.store_keys.store_key
    secret = tmp_path / "store.key"
    secret.write_bytes(b"secret")
    put(kind, state.with_name(".verified.json.draft"), at=secret)
    found = grown.verify().verified
    with within(60):
        write_verified(state, key, found)
    assert read_verified(state, key) == found
    assert (secret.read_bytes(), state.is_symlink(), state.stat().st_mode & 0o777) == (
        b"secret",
        False,
        0o600,
    )


def test_a_state_that_can_not_be_written_is_one_sentence(grown, tmp_path):
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "verified.json"
    with pytest.raises(StateError, match=f"{state} can't be written"):
        write_verified(state, grown.store_keys.store_key, grown.verify().verified)


def test_the_trees_of_another_node_are_checked_from_the_database(migrated_url, tmp_path):
    here, there = (Installation(tmp_path / node, database=migrated_url, node=node, keyring=tmp_path / "keys",
                                keys=bytes(range(64))) for node in ("1", "2"))  # fmt: skip
    for house, lane in ((here, "w0-1"), (there, "w0-2")):
        house.worker(lane).write(asked(f"r{house.node}"), answered(f"r{house.node}"))
        house.archivist.run_once()
        while house.settle().more:
            pass
    report = here.verify()
    assert report.faults == ()
    assert set(report.elsewhere) == {"gate-2-0-2026Q2", "archive-2-2026Q2"}
    here.edit("UPDATE entry SET idx=1-idx WHERE tree='gate-2-0-2026Q2'")
    assert here.verify().ok  # nothing here contradicts it ...
    assert ("tree", "gate-2-0-2026Q2/0", "reordered") in there.faults()  # ... but its own files do
    here.close()
    there.close()


def test_logs_that_began_after_the_look_outside_are_no_strangers(house):
    outside = house.outside()
    house.worker("w1").write(asked("r1"), answered("r1"))
    house.archivist.run_once()
    house.settle()
    assert house.verify().ok
    report = verify(
        house.engine,
        house.store_keys,
        writers=house.writers,
        outside=outside,
        node=house.node,
        policies=house.names,
    )
    assert report.faults == ()
