"""What release 1 stored under one data key moves under keys of its own, and the old key dies."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select, text

from sekimori.errors import StateError
from sekimori.ledger.record import Entry, Intent, Part
from sekimori.ledger.tlog.leaf import is_leaf_of
from sekimori.store import moving, rekeying
from sekimori.store.engine import reading, writing
from sekimori.store.holding import Holding
from sekimori.store.log import Query
from sekimori.store.rekeying import Rekeying
from sekimori.store.rotating import rotating
from sekimori.store.rows import MANIFEST
from sekimori.store.tables import CONTENT, ENTRY, RECORD, RECORD_KEY, UPKEEP
from sekimori.store.works import expect_moved
from sekimori.vault.outputs import find_output
from sekimori.vault.rotation import Erasure
from support.evidence import ANSWER, START_US, Installation, answered, asked, body, refused
from support.release1 import DATA_KEY, write_data_key, write_store
from support.texts import as_body, conversation

MONTH_US = 31 * 24 * 3600 * 1_000_000


def turns() -> Iterator[Entry]:
    """Yield a conversation of four turns, each with its answer."""
    for number, request in enumerate(conversation(4), 1):
        rid = f"c{number}"
        yield asked(rid, user="minamoto", body=body(as_body(request)), time_us=START_US + number)
        yield answered(rid, time_us=START_US + 900_000 + number)


LANES: dict[str, list[Entry]] = {
    "w1": [
        asked("r1", user="fujiwara"),
        answered("r1"),
        refused("r2", user="fujiwara", time_us=START_US + 1, service="deepseek"),
        asked("r3", user="taira", time_us=START_US + MONTH_US, mode="turn", body=body(b"\0" * 7 + b"\x03abc", "")),
        Part(rid="r3", time_us=START_US + MONTH_US + 1, number=1, body=body(b"\0" * 7 + b"\x03def", "")),
        asked("r4", user="fujiwara", time_us=START_US + 2 * MONTH_US),
    ],
    "w2": list(turns()),
    "readings-1": [Intent(rid="r9", time_us=START_US + 5, mode="reading", user="sato", path="/log/r1", decision="allow")],
}  # fmt: skip
NAMES = (b"fujiwara", b"minamoto", b"taira", "月見草".encode(), "宵待草".encode())


class Old(NamedTuple):
    """Where a store of release 1 lies, and its key."""

    folder: Path
    database: Path | str
    data_key: Path

    def open(self) -> Installation:
        """Start today's release on it."""
        house = Installation(self.folder, database=self.database, keys=bytes(range(64)))
        house._ids = itertools.count(len(rows_of(house, RECORD)))
        return house


@pytest.fixture
def old(unmade, tmp_path) -> Old:
    folder = tmp_path / "data"
    folder.mkdir()
    database = folder / "sekimori.db" if isinstance(unmade, Path) else unmade
    write_store(database, LANES)
    return Old(folder, database, write_data_key(tmp_path / "data-keys"))


@pytest.fixture
def embedded_old(tmp_path) -> Old:
    folder = tmp_path / "data"
    folder.mkdir()
    write_store(folder / "sekimori.db", LANES)
    return Old(folder, folder / "sekimori.db", write_data_key(tmp_path / "data-keys"))


@pytest.fixture
def house(old) -> Iterator[Installation]:
    installation = old.open()
    yield installation
    installation.close()


def finish(house: Installation) -> int:
    """Do all upkeep there is."""
    steps = 0
    while house.archivist._upkeep.step():
        steps += 1
        assert steps < 200
    return steps


def shown(house: Installation) -> list[Any]:
    """Return everything that the log tells of every record, its stored bytes too."""
    log = house.log()
    # What is read here leaves records of its own.
    records = [record for record in log.list(Query(limit=10_000)) if not record["id"].startswith("reading-")]
    stored = []
    for record in records:
        if record["id"] != "r9":
            found = log.stored(record["id"], reader="sato", reader_source="os", reason="監査")
            assert found is not None
            stored.append((found.asked, found.answered, found.intent, found.outcome))
    return [records, stored]


def searched(house: Installation) -> list[list[str]]:
    asked_for = [
        Query(user="fujiwara"),
        Query(user="minamoto"),
        Query(service="deepseek"),
        Query(user="nobody"),
    ]
    return [[record["id"] for record in house.log().list(query)] for query in asked_for]


def rows_of(house: Installation, table: Any) -> list[Any]:
    with reading(house.engine) as connection:
        return list(connection.execute(select(table)).all())


@pytest.mark.req("ABG-CG5-1")
def test_everything_reads_the_same_before_on_the_way_and_after(house, monkeypatch):
    monkeypatch.setattr(rekeying, "_AT_ONCE", 3)
    before, found = shown(house), searched(house)
    assert found == [["r1", "r2", "r4"], ["c1", "c2", "c3", "c4"], ["r2"], []]
    while house.archivist._upkeep.step():
        assert searched(house) == found
        assert shown(house) == before
    assert shown(house) == before


def test_the_old_key_is_destroyed_when_nothing_lies_under_it(house, old):
    house.archivist._upkeep.step()
    assert old.data_key.exists()
    finish(house)
    assert not old.data_key.exists()
    for row in (*rows_of(house, ENTRY), *rows_of(house, CONTENT)):
        assert row.sealed[0] == 2, row.rid


def test_every_record_has_a_key_and_every_request_a_manifest(house):
    finish(house)
    rids = {entry.rid for entries in LANES.values() for entry in entries}
    assert {row.rid for row in rows_of(house, RECORD_KEY)} == rids
    intents = {(row.lane, row.n) for row in rows_of(house, RECORD)}
    for row in rows_of(house, CONTENT):
        assert (row.part == MANIFEST) == ((row.lane, row.n) in intents)


def test_a_conversation_is_stored_once(house):
    before = sum(len(row.sealed) for row in rows_of(house, CONTENT) if row.rid.startswith("c"))
    finish(house)
    after = sum(len(row.sealed) for row in rows_of(house, CONTENT) if row.rid.startswith("c"))
    assert after < before * 0.8


def test_the_leaves_of_what_was_moved_say_so_and_get_their_places(house):
    finish(house)
    entries = rows_of(house, ENTRY)
    for row in entries:
        assert is_leaf_of(row.leaf, row.envelope)
        said = json.loads(row.envelope)
        assert said["migrated"] is True
        assert (said["k"], said["lane"], said["n"], said["rid"]) == (row.kind, row.lane, row.n, row.rid)
    house.settle()
    house.settle()
    assert [
        row for row in rows_of(house, ENTRY) if row.idx is None and row.rid[0] in "rc" and len(row.rid) == 2
    ] == []
    assert house.verify().faults == ()
    assert house.notes.alarms == []


def test_what_is_shipped_meanwhile_goes_on_in_the_same_store(house, monkeypatch):
    monkeypatch.setattr(rekeying, "_AT_ONCE", 3)
    worker = house.worker("w3")
    house.archivist._upkeep.step()
    worker.write(asked("n1", user="fujiwara"), answered("n1"))
    house.archivist.run_once()
    finish(house)
    assert [record["id"] for record in house.log().list(Query(user="fujiwara"))] == ["n1", "r1", "r2", "r4"]


def test_an_answer_from_before_is_found_by_its_text(house):
    finish(house)
    with reading(house.engine) as connection:
        holding = Holding(connection, house.store_keys)
        keys = [key for some in holding.hierarchy.each_data_key() for _, key in some]
        assert set(find_output(holding.tags, keys, ANSWER)) == {"r1", "c1", "c2", "c3", "c4"}


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.req("ABG-CG5-1", "UPD-P2-4")
def test_no_file_holds_a_prompt_a_name_or_what_opens_with_the_old_key(embedded_old):
    house = embedded_old.open()
    sealed = [row.sealed for table in (ENTRY, CONTENT) for row in rows_of(house, table)]
    assert any(sealed[0] in data for data in house.files())
    finish(house)
    house.settle()
    house.close()
    for path in embedded_old.folder.parent.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not [name for name in NAMES if name in data], path
        assert not [old for old in sealed if old[:40] in data], path
        assert not [key for key in (DATA_KEY, DATA_KEY.hex().encode()) if key in data], path


# --- interrupted ----------------------------------------------------------------------------------


class PowerFailureError(Exception):
    """The machine stops here."""


def dying(call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """Let a call happen so many times, then stop the machine instead."""

    def counted(*args: Any, **kwargs: Any) -> Any:
        if left[0] == 0:
            raise PowerFailureError
        left[0] -= 1
        return call(*args, **kwargs)

    return counted


@pytest.mark.parametrize("limit", [0, 1, 4, 9, 15, 19, 21, 22, 23, 24, 25, 26])
def test_a_power_failure_at_any_step_is_made_good_by_the_next_start(old, monkeypatch, limit):
    monkeypatch.setattr(rekeying, "_AT_ONCE", 4)
    first = old.open()
    before = shown(first)
    left = [limit]
    with monkeypatch.context() as machine:
        for module, name in (
            *((rekeying, name) for name in ("_go_on", "insert_absent", "destroy_secret")),
            *((moving, name) for name in ("insert_rows", "seal_entry")),
        ):
            machine.setattr(module, name, dying(getattr(module, name), left))
        with suppress(PowerFailureError):
            finish(first)
    first.close()
    assert left == [0], "the machine stopped, if only after the very last step"
    again = old.open()
    finish(again)
    assert shown(again) == before
    assert not old.data_key.exists()
    again.settle()
    assert again.verify().faults == ()
    again.close()


def test_a_crash_between_the_last_row_and_the_key_file_leaves_no_key(house, old, monkeypatch):
    with monkeypatch.context() as machine:
        machine.setattr(rekeying, "destroy_secret", dying(lambda _: None, [0]))
        with pytest.raises(PowerFailureError):
            finish(house)
    assert old.data_key.exists()
    house.close()
    again = old.open()
    finish(again)
    again.close()
    assert not old.data_key.exists()


# --- what is not as it should be ------------------------------------------------------------------


def test_an_entry_that_was_altered_is_named_and_holds_nothing_up(house, old):
    house.edit(f"UPDATE entry SET sealed = {_longer(old)} WHERE rid = 'r2'")
    finish(house)
    assert [alarm for alarm in house.notes.alarms if "Entry 3 of lane w1" in alarm]
    assert not old.data_key.exists()
    assert ("entry", "w1/3", "altered") in house.faults()
    assert house.log().show("r1")["state"] == "complete"


def test_a_body_that_was_altered_is_named_and_holds_nothing_up(house, old):
    house.edit(f"UPDATE content SET sealed = {_longer(old)} WHERE rid = 'r1' AND n = 1")
    finish(house)
    assert [alarm for alarm in house.notes.alarms if "content of entry 1 of lane w1" in alarm]
    assert not old.data_key.exists()
    assert {fault[0] for fault in house.faults() if fault[1] == "w1/1"} == {"content"}


def _longer(old: Old) -> str:
    on_sqlite = isinstance(old.database, Path)
    return "CAST(sealed || 'x' AS BLOB)" if on_sqlite else "sealed || CAST('x' AS bytea)"


def test_the_key_of_another_database_is_not_destroyed(house, old):
    finish(house)
    other = write_data_key(house.keyring, bytes(32))
    house.close()
    again = old.open()
    finish(again)
    again.close()
    assert other.exists()


def test_another_node_destroys_its_copy_of_the_old_key_too(house, old):
    finish(house)
    copy = write_data_key(house.keyring)
    house.close()
    again = old.open()
    finish(again)
    again.close()
    assert not copy.exists()


def test_without_the_old_key_nothing_is_moved_and_a_person_is_told(old):
    old.data_key.unlink()
    house = old.open()
    for _ in range(3):
        assert house.archivist._upkeep.step() is False
    assert [alarm for alarm in house.notes.alarms if "data.key" in alarm] == house.notes.alarms
    assert len(house.notes.alarms) == 1
    house.close()


def test_nothing_is_erased_while_records_have_no_key_of_their_own(house):
    with reading(house.engine) as connection, pytest.raises(StateError, match="still being moved"):
        expect_moved(connection)
    finish(house)
    with reading(house.engine) as connection:
        expect_moved(connection)


def test_what_was_moved_can_be_erased(house):
    finish(house)
    with rotating(house.engine, house.store_keys) as rotation:
        rotation.shred(rotation.plan(Erasure(subject="minamoto")))
    with reading(house.engine) as connection:
        ciphers = Holding(connection, house.store_keys).record_ciphers(["c1", "r1"])
    assert ciphers["c1"] is None
    assert ciphers["r1"] is not None


def test_two_that_move_at_the_same_time_move_everything_once(house, old):
    mine = Rekeying(house.engine, house.store_keys, house.notes.alarm)
    theirs = Rekeying(house.engine, house.store_keys, house.notes.alarm)
    while any([mine.step(), theirs.step()]):
        with writing(house.engine) as connection:
            connection.execute(UPKEEP.delete().where(UPKEEP.c.name == "scrub"))
    assert not old.data_key.exists()
    house.settle()
    house.settle()
    assert house.verify().faults == ()


@pytest.mark.parametrize(
    "position",
    [
        pytest.param(None, id="done, by a row that names the key"),
        pytest.param("moved", id="moved"),
        pytest.param("lanes", id="the counters are done"),
        pytest.param("at 9999 zzz", id="far ahead"),
    ],
)
def test_no_row_that_somebody_wrote_destroys_the_old_key_early(old, position):
    house = old.open()
    assert house.store_keys.old is not None
    name = rekeying.key_name(house.store_keys.old)
    with house.outsider() as connection:
        connection.execute(text("DELETE FROM upkeep WHERE name = 'rekey'"))
        if position is not None:
            connection.execute(text("INSERT INTO upkeep VALUES ('rekey', :at)"), {"at": position})
        connection.execute(text("INSERT INTO upkeep VALUES ('rekeyed', :name)"), {"name": name})
    house.close()
    house = old.open()
    try:
        finish(house)
        house.archivist._upkeep._calls = 63
        finish(house)
        assert not old.data_key.exists()
        assert all(entry.sealed[:1] != b"\x01" for entry in rows_of(house, ENTRY))
        assert [record["id"] for record in house.log().list(Query(user="fujiwara"))] == ["r1", "r2", "r4"]
    finally:
        house.close()
