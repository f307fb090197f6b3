"""Whoever edits the database without the key is found, and what he touched is named."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import threading
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, Update, select, update

from sekimori.ledger.record import Part
from sekimori.store.engine import session, writing
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.holding_orders import HoldRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.surveying import Wanted
from sekimori.store.tables import METADATA
from sekimori.store.verify import COVERS, Scope, verify
from support.adversary import account
from support.evidence import answered, asked, body, refused
from support.governed import exchanged

SNAPSHOT = b'{"format":1}'
POLICY = hashlib.sha256(SNAPSHOT).hexdigest()


def copied(place: str) -> str:
    return (
        f"INSERT INTO entry SELECT {place}, rid, kind, time_us, sealed, envelope, leaf, tree, idx FROM entry "
        "WHERE lane='w1' AND n=1"
    )


@pytest.fixture
def stored(house):
    """Two lanes: one living with an answered, a refused and an open exchange, one dead; one reading."""
    with session(house.engine) as opened:
        PolicyRepo(opened, house.names).keep_snapshot(POLICY, SNAPSHOT)
    worker = house.worker("w1")
    worker.write(asked("r1", policy=POLICY), refused("r2", policy=POLICY))
    worker.write(answered("r1"), asked("r4", policy=POLICY))
    worker.write(asked("t1", mode="turn"), Part(rid="t1", time_us=1, number=1, body=body(b"more")))
    other = house.worker("w2")
    other.write(asked("r3", policy=POLICY))
    other.die()
    house.archivist.run_once()
    house.log().content("r1", reader="sato", reader_source="os", reason="監査")
    house.settle()
    assert house.verify().faults == ()
    return house


@pytest.fixture
def lived_in(stored):
    """The same, some time later: a conversation went on, a large file came, one was erased, holds came and went."""
    account(stored, lambda people: people.add("sato", now_us=stored.clock(), roles=["auditor"]))
    worker = stored.worker("w1-2")
    talk = [{"role": "user", "content": "前回の会議録です。" + "予算は承認された。" * 40}]
    large = [*talk, {"role": "user", "content": random.Random(7).randbytes(40_000).hex()}]
    for number, messages in enumerate((talk, large, [*large, {"role": "user", "content": "続けて"}])):
        said = json.dumps({"model": "gpt-x", "messages": messages}, ensure_ascii=False).encode()
        worker.write(asked(f"talk-{number}", policy=POLICY, body=body(said)), answered(f"talk-{number}"))
    worker.write(asked("gone", policy=POLICY, prompt="消してください"), answered("gone", text="はい"))
    worker.close()
    stored.archivist.run_once()
    with writing(stored.engine) as connection:
        holds = HoldRepo(connection, stored.cipher)
        for id_ in ("hold-1", "hold-2"):
            holds.place(id_, "record", "r1", reason="訴訟", by="sato", now_us=stored.clock())
        holds.lift("hold-2", reason="和解", by="sato", now_us=stored.clock())
    for _ in range(3):
        stored.settle()
    eraser = Eraser(stored.engine, stored.store_keys, clock=stored.clock, new_id=lambda: "erasure-1")
    eraser.carry_out(Wanted(records=frozenset({"gone"})), Authority("appi-35", "kato", "sato"))
    for _ in range(3):
        stored.settle()
    exchanged(stored)
    for _ in range(3):
        stored.settle()
    report = stored.verify(Scope(signatures=True))
    assert report.faults == ()
    assert report.verdicts["erased-authorised"] == 2
    return stored


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        pytest.param("DELETE FROM entry WHERE lane='w1' AND n=6", ("entry", "w1/6", "missing"), id="tail"),
        pytest.param(
            "DELETE FROM entry WHERE lane='w1' AND n>=5", ("entry", "w1/5-6", "missing"), id="long tail"
        ),
        pytest.param("DELETE FROM entry WHERE lane='w1' AND n=1", ("entry", "w1/1", "missing"), id="head"),
        pytest.param("DELETE FROM entry WHERE lane='w1' AND n=3", ("entry", "w1/3", "missing"), id="middle"),
        pytest.param(
            "DELETE FROM entry WHERE lane='w2'", ("entry", "w2/1", "missing"), id="all entries of a lane"
        ),
        pytest.param(
            "DELETE FROM entry WHERE lane='archivist-1'",
            ("entry", "archivist-1/1", "missing"),
            id="the archivist's word",
        ),
        pytest.param(
            "DELETE FROM content WHERE lane='w1' AND n=3", ("content", "w1/3", "missing"), id="an answer"
        ),
        pytest.param(
            "DELETE FROM record WHERE rid='r2'", ("record", "r2", "missing"), id="a refusal's record"
        ),
        pytest.param("DELETE FROM lane WHERE name='w2'", ("lane", "w2", "missing"), id="a lane's row"),
        pytest.param("DELETE FROM lane_list", ("lane_list", "", "missing"), id="the list of lanes"),
        pytest.param("DELETE FROM reading", ("reading", "reading-1", "missing"), id="a reading"),
        pytest.param("DELETE FROM policy_version", ("policy_version", POLICY, "missing"), id="a policy"),
        pytest.param(
            copied("lane, 77"),
            ("entry", "w1/77", "extra"),
            id="a copied entry behind the last",
        ),
        pytest.param(
            copied("lane, 0"),
            ("entry", "w1/0", "extra"),
            id="a copied entry before the first",
        ),
        pytest.param(
            copied("'w9', n"),
            ("entry", "w9/1", "altered"),
            id="a copied entry in a lane of its own",
        ),
        pytest.param(
            "INSERT INTO content SELECT lane, 2, rid, time_us, part, sealed_sha256, sealed FROM content WHERE n=3",
            ("content", "w1/2", "extra"),
            id="content for a refusal",
        ),
        pytest.param(
            "INSERT INTO content SELECT lane, 99, rid, time_us, part, sealed_sha256, sealed FROM content WHERE n=3",
            ("content", "w1/99", "extra"),
            id="content without an entry",
        ),
        pytest.param(
            "INSERT INTO lane (name, last_n, opened_us, closed_us, torn_bytes, position, node, sealed) "
            "SELECT 'w9', last_n, opened_us, closed_us, torn_bytes, position, node, sealed FROM lane "
            "WHERE name='w1'",
            ("lane", "w9", "extra"),
            id="a copied lane",
        ),
        pytest.param(
            "INSERT INTO reading VALUES ('reading-9', 'r1', 1)",
            ("reading", "reading-9", "extra"),
            id="a reading that nobody did",
        ),
        pytest.param(
            "UPDATE record SET state='open', outcome_lane=NULL, outcome_n=NULL WHERE rid='r1'",
            ("record", "r1", "altered"),
            id="an answer disowned",
        ),
        pytest.param(
            "UPDATE record SET outcome_lane='w1', outcome_n=77 WHERE rid='r4'",
            ("record", "r4", "altered"),
            id="an answer invented",
        ),
        pytest.param(
            "UPDATE entry SET sealed=(SELECT sealed FROM entry WHERE lane='w1' AND n=4) WHERE lane='w1' AND n=1",
            ("entry", "w1/1", "altered"),
            id="another entry's seal",
        ),
        pytest.param(
            "UPDATE content SET sealed=(SELECT sealed FROM content WHERE lane='w1' AND n=4) "
            "WHERE lane='w1' AND n=1",
            ("content", "w1/1", "altered"),
            id="another prompt's seal",
        ),
        pytest.param(
            "UPDATE lane SET sealed=(SELECT sealed FROM lane WHERE name='w2') WHERE name='w1'",
            ("lane", "w1", "altered"),
            id="another lane's seal",
        ),
        pytest.param(
            "UPDATE lane_list SET sealed=(SELECT sealed FROM lane WHERE name='w2')",
            ("lane_list", "", "altered"),
            id="a lane's seal for the list",
        ),
    ],
)
def test_each_attack_on_rows_is_named(stored, statement, fault):
    stored.edit(statement)
    assert fault in stored.faults()


def test_two_swapped_entries_are_both_named(stored):
    stored.edit(
        "CREATE TABLE t AS SELECT * FROM entry WHERE lane='w1' AND n IN (1,4)",
        "UPDATE entry SET sealed=(SELECT sealed FROM t WHERE t.n=5-entry.n) WHERE lane='w1' AND n IN (1,4)",
        "DROP TABLE t",
    )
    assert {("entry", "w1/1", "altered"), ("entry", "w1/4", "altered")} <= stored.faults()


def test_a_lane_removed_with_all_that_hangs_on_it_is_missed(stored):
    stored.edit(
        "DELETE FROM record WHERE lane='w2'",
        "DELETE FROM content WHERE lane='w2'",
        "DELETE FROM entry WHERE lane='w2'",
        "DELETE FROM lane WHERE name='w2'",
    )
    assert ("lane", "w2", "missing") in stored.faults()


def test_an_exchange_removed_from_every_table_is_missed(stored):
    stored.edit(
        "DELETE FROM record WHERE rid='r1'",
        "DELETE FROM content WHERE rid='r1'",
        "DELETE FROM entry WHERE rid='r1'",
        "DELETE FROM reading",
    )
    assert {("entry", "w1/1", "missing"), ("entry", "w1/3", "missing")} <= stored.faults()


def test_a_cut_tail_with_its_lane_s_figures_adjusted_is_found(stored):
    stored.edit(
        "DELETE FROM record WHERE rid='t1'",
        "DELETE FROM content WHERE rid='t1'",
        "DELETE FROM entry WHERE rid='t1'",
        "UPDATE lane SET last_n=4 WHERE name='w1'",
    )
    assert ("lane", "w1", "altered") in stored.faults()


HOUSEKEEPING = {
    ("lane_list", "id"),  # its CHECK refuses any other value
    ("tree", "opened_us"),
    ("tree", "closed_us"),
    ("event", "placed"),
    ("governed", "due_us"),
}
"""What no leaf and no seal speaks of, and nothing hangs on."""


@pytest.mark.parametrize("table", COVERS)
def test_an_edit_of_any_column_of_any_row_is_found(lived_in, table):
    stored = lived_in
    where = METADATA.tables[table]
    with stored.outsider() as outsider:
        rows = [dict(row) for row in outsider.execute(select(where)).mappings()]
    assert rows
    if stored.engine.dialect.name == "postgresql":
        # Each column of some row: what is compared is the same, and a round trip costs ten times as much.
        edits = [(column, rows[at % len(rows)]) for at, column in enumerate(where.columns)]
    else:
        edits = list(product(where.columns, rows))
    for column, row in edits:
        if (table, column.name) in HOUSEKEEPING or _is_gone(table, column.name, row):
            continue
        after = row | {column.name: _other(row[column.name])}
        with stored.outsider() as outsider:
            changed = outsider.execute(_key(where, row, update(where)).values({column: after[column.name]}))
            assert changed.rowcount == 1
        named = {fault[0] for fault in stored.faults()}
        assert table in named, f"{column.name} of {row!r}"
        with stored.outsider() as outsider:
            outsider.execute(_key(where, after, update(where)).values({column: row[column.name]}))
    assert stored.verify().ok


def _is_gone(table: str, column: str, row: dict[str, Any]) -> bool:
    """Tell whether an edit changes only what nobody can read any more, or what an erasure leaves unproven."""
    if row.get("rid") != "gone":
        return False
    return (table, column) in {
        ("entry", "sealed"),
        ("record", "mode"),
        ("record", "klass"),
        ("record", "decision"),
    }


def _key(table: Table, row: dict[str, Any], statement: Update) -> Update:
    return statement.where(*(column == row[column.name] for column in table.primary_key))


def _other(value: Any) -> Any:
    match value:
        case None:
            return 7
        case int():
            return value + 100
        case str():
            return value + "x"
        case bytes():
            return bytes([value[0]]) + value[1:-1] + bytes([value[-1] ^ 1])


SEALED = [("entry", "sealed"), ("content", "sealed"), ("lane", "sealed"), ("lane_list", "sealed")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.sampled_from(SEALED), at=st.integers(0, 10_000), bit=st.integers(0, 7), row=st.integers(0, 20)
)
def test_no_bit_of_a_seal_can_be_flipped_unseen(stored, where, at, bit, row):
    table, column = METADATA.tables[where[0]], METADATA.tables[where[0]].c[where[1]]
    with stored.outsider() as outsider:
        rows = [dict(found) for found in outsider.execute(select(table)).mappings()]
    chosen = rows[row % len(rows)]
    after = bytearray(chosen[column.name])
    after[at % len(after)] ^= 1 << bit
    with stored.outsider() as outsider:
        outsider.execute(_key(table, chosen, update(table)).values({column: bytes(after)}))
    named = {fault[0] for fault in stored.faults()}
    with stored.outsider() as outsider:
        outsider.execute(_key(table, chosen, update(table)).values({column: chosen[column.name]}))
    assert table.name in named


def test_a_database_file_that_is_broken_inside_is_named_and_not_hidden(embedded):
    # SQLite alone: PostgreSQL answers for the pages of its own files.
    stored = embedded
    stored.worker("w1").write(asked("r1"), answered("r1"))
    stored.archivist.run_once()
    stored.engine.dispose()
    with closing(sqlite3.connect(stored.database)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name='entry'").fetchone()
    data = bytearray(stored.database.read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 64] = bytes(64)
    stored.database.write_bytes(data)
    report = stored.verify()
    assert not report.ok
    assert ("database", "", "altered") in {(fault.table, fault.key, fault.what) for fault in report.faults}


def test_a_text_that_is_none_is_named_with_its_row_and_hides_no_fault_met_before(embedded):
    worker = embedded.worker("w1")
    worker.write(asked("r3"), answered("r3"))
    worker.close()
    embedded.archivist.run_once()
    embedded.settle()
    embedded.edit(
        "UPDATE record SET state=CAST(X'ff' AS TEXT) WHERE rid='r3'",
        "UPDATE data_key SET sealed=zeroblob(60)",
        "CREATE INDEX of_somebody ON record (state)",
        "DROP INDEX record_by_time",
    )
    faults = {(fault.table, fault.key, fault.what) for fault in embedded.verify().faults}
    assert ("record", "r3", "altered") in faults
    assert ("schema", "record_by_time", "missing") in faults


def test_verify_beside_a_running_archivist_raises_no_false_alarm(house):
    worker = house.worker("w1")
    stop = threading.Event()
    thread = threading.Thread(target=house.new_archivist().run_forever, args=(stop,))
    thread.start()
    try:
        for number in range(60):
            worker.write(asked(f"r{number}"), *([answered(f"r{number}")] if number % 3 else []))
            if number % 6 == 0:
                assert house.verify().faults == ()
                house.log().content("r0", reader="sato", reader_source="os", reason="監査")
    finally:
        stop.set()
        thread.join(10)
    house.archivist.run_once()
    report = house.verify()
    assert report.faults == ()
    assert report.counts["record"] == 60 + report.counts["reading"]


def test_verify_tells_how_far_it_is_and_what_it_covers(stored):
    seen = []
    report = verify(
        stored.engine,
        stored.store_keys,
        writers=stored.writers,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (9, 9)
    assert set(report.covers) == {
        "entry", "content", "record", "search", "lane", "lane_list", "reading", "policy_version",
        "statement", "event", "tree", "chunk", "link", "key_epoch", "data_key", "record_key", "output_tag", "hold",
        "governed", "governed_event", "governed_key",
    }  # fmt: skip
    assert report.counts["entry"] == 9


def test_an_installation_without_any_record_is_intact(house):
    assert house.verify().ok
