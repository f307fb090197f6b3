"""A database that passes over what it is told, as a trigger has it do: no key is destroyed on its word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from sekimori.errors import IntegrityError, UsageError
from sekimori.store.engine import reading
from sekimori.store.erasing import Authority, Eraser
from sekimori.store.holding import StoreKeys
from sekimori.store.reinstating import reinstate
from sekimori.store.retention import DEFAULTS
from sekimori.store.retiring import Retirer
from sekimori.store.rotating import rotation
from sekimori.store.surveying import Wanted
from sekimori.store.tables import DATA_KEY, EVENT, RECORD_KEY
from sekimori.vault.kek import KekProvider
from sekimori.vault.slots import GoneRow
from support.backups import backup, restore
from support.evidence import PROMPT, START_US, Installation, answered, asked, body

AUTHORITY = Authority(basis="appi-35: 請求 2026-15", approver="suzuki", by="os: root")
YAMADA = Wanted(subject="yamada")
_SQLITE = "CREATE TRIGGER keep BEFORE {change} ON {table} BEGIN SELECT RAISE(IGNORE); END"
_POSTGRES = (
    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER keep BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION keep()",
)
_LATE = (
    """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      UPDATE data_key SET epoch = OLD.epoch, tag = OLD.tag, sealed = OLD.sealed WHERE id = OLD.id;
      RETURN NULL; END'""",
    """CREATE CONSTRAINT TRIGGER keep AFTER UPDATE ON data_key DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION keep()""",
)


@contextmanager
def passing_over(house: Installation, change: str, table: str) -> Iterator[None]:
    """Have the database pass over a kind of change, for a while."""
    postgres = isinstance(house.database, str)
    with house.outsider() as connection:
        for statement in _POSTGRES if postgres else (_SQLITE,):
            connection.exec_driver_sql(statement.format(change=change, table=table))
    yield
    with house.outsider() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER keep ON {table}" if postgres else "DROP TRIGGER keep")


def eraser(house: Installation, keys: StoreKeys | None = None) -> Eraser:
    return Eraser(
        house.engine,
        keys or house.store_keys,
        clock=house.clock,
        new_id=lambda: f"event-{house.clock()}",
        spool=house.spool,
    )


def give_back(house: Installation) -> Any:
    return reinstate(
        house.engine, house.store_keys, clock=house.clock, new_id=lambda: f"again-{house.clock()}"
    )


def rows(house: Installation, table: str) -> list[dict[str, Any]]:
    with reading(house.engine) as connection:
        return sorted(
            (dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()), key=str
        )


def shown(house: Installation) -> dict[str, str]:
    return {row["rid"]: row["state"] for row in rows(house, "record")}


def prompt_of(house: Installation, rid: str) -> str:
    content = house.log().content(rid, reader="auditor", reader_source="os", reason="test")
    return content.prompt if content else ""


def lose(house: Installation, *rids: str) -> None:
    """Delete the data keys of records, and every record key under them, as somebody would who has no order."""
    with house.outsider() as connection:
        of = select(RECORD_KEY.c.data_key).where(RECORD_KEY.c.rid.in_(rids))
        ids = list(connection.execute(of).scalars())
        connection.execute(delete(RECORD_KEY).where(RECORD_KEY.c.data_key.in_(ids)))
        connection.execute(delete(DATA_KEY).where(DATA_KEY.c.id.in_(ids)))


def talked(*turns: str) -> Any:
    messages = [{"role": "user", "content": turn} for turn in turns]
    return body(json.dumps({"model": "gpt-x", "messages": messages}, ensure_ascii=False).encode())


@pytest.fixture
def stored(house):
    """Two people's records: two that hang together, one with a large text, and two of somebody else."""
    first, second = "一番目の質問は月見草のことです。" * 20, "二番目の質問です。" * 40
    large = "".join(f"{number * number:x}." for number in range(6000))
    worker = house.worker("w1-a")
    for at, (rid, user, changes) in enumerate(
        (
            ("r1", "yamada", {"body": talked(first)}),
            ("r2", "yamada", {"body": talked(first, second)}),
            ("r3", "yamada", {"body": talked(large)}),
            ("s1", "sato", {}),
            ("s2", "sato", {}),
        )
    ):
        worker.write(
            asked(rid, user=user, time_us=START_US + at, **changes), answered(rid, text=f"返事 {at}")
        )
    worker.close()
    house.archivist.run_once()
    for _ in range(3):
        house.settle()
    return house


# --- rotations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "table"),
    [("UPDATE", "data_key"), ("INSERT", "data_key"), ("INSERT", "key_epoch"), ("DELETE", "key_epoch")],
)
def test_a_rotation_that_the_database_passes_over_destroys_no_key(stored, change, table):
    with passing_over(stored, change, table):
        with pytest.raises(IntegrityError, match="No key was destroyed"):
            stored.rotate()
        assert prompt_of(stored, "s1") == PROMPT
    assert stored.store_keys.kek.epochs() == [1]
    assert not stored.store_keys.living.exists()
    assert rows(stored, "event") == []
    assert stored.rotate().living == len(rows(stored, "data_key"))
    assert prompt_of(stored, "s1") == PROMPT


def test_a_rotation_that_is_undone_at_the_commit_destroys_no_key(stored):
    if not isinstance(stored.database, str):
        pytest.skip("SQLite has no trigger that waits for the commit")
    with stored.outsider() as connection:
        for statement in _LATE:
            connection.exec_driver_sql(statement)
    with pytest.raises(IntegrityError, match="No key was destroyed"):
        stored.rotate()
    assert stored.store_keys.kek.epochs() == [1]
    assert prompt_of(stored, "s1") == PROMPT


# --- erasures ----------------------------------------------------------------------------------------


@pytest.mark.req("UPD-P2-4")
@pytest.mark.parametrize(
    "table",
    ["data_key", "record_key", "content", "chunk", "search", "anchor", "link", "output_tag"],
)
def test_an_erasure_whose_deletions_are_passed_over_says_so_and_takes_nothing(stored, table):
    before = backup(stored)
    assert before[table]
    with passing_over(stored, "DELETE", table), pytest.raises(IntegrityError, match="nothing was erased"):
        eraser(stored).carry_out(YAMADA, AUTHORITY)
    assert backup(stored) == before
    assert stored.store_keys.kek.epochs() == [1]
    eraser(stored).carry_out(YAMADA, AUTHORITY)
    assert shown(stored)["r1"] == "erased"


def test_an_erasure_after_which_the_index_would_still_tell_takes_nothing(stored):
    with passing_over(stored, "UPDATE", "record"), pytest.raises(IntegrityError, match="rows of record"):
        eraser(stored).carry_out(YAMADA, AUTHORITY)
    assert prompt_of(stored, "r1")


@pytest.mark.parametrize(
    ("change", "table", "sentence"),
    [
        pytest.param("UPDATE", "record_key", "No key was destroyed", id="its neighbours' keys"),
        pytest.param("UPDATE", "output_tag", "keeps output tags", id="its neighbours' tags"),
        pytest.param("DELETE", "record_key", "nothing was erased", id="its own key"),
    ],
)
def test_an_erasure_of_one_record_leaves_its_neighbours_readable_or_is_none(stored, change, table, sentence):
    with passing_over(stored, change, table), pytest.raises(IntegrityError, match=sentence):
        eraser(stored).carry_out(Wanted(records=frozenset({"s1"})), AUTHORITY)
    assert (prompt_of(stored, "s1"), prompt_of(stored, "s2")) == (PROMPT, PROMPT)
    assert stored.store_keys.kek.epochs() == [1]


def test_content_does_not_expire_where_the_metadata_would_go_with_it(stored):
    now_us = int(datetime(2027, 5, 2, tzinfo=UTC).timestamp()) * 1_000_000
    retirer = Retirer(
        stored.engine,
        stored.store_keys,
        DEFAULTS,
        clock=lambda: now_us,
        new_id=lambda: f"retired-{stored.clock()}",
    )
    retirer.plausible.confirm(now_us)
    with (
        passing_over(stored, "INSERT", "record_key"),
        pytest.raises(IntegrityError, match="nothing was retired"),
    ):
        retirer.run(by="os: root")
    assert prompt_of(stored, "s1") == PROMPT
    assert stored.store_keys.kek.epochs() == [1]


@pytest.mark.req("MOU-2-7")
def test_a_data_key_that_an_erasure_destroyed_and_that_is_there_is_named(stored):
    done = eraser(stored).carry_out(YAMADA, AUTHORITY)
    stored.settle()
    (id_,) = done.shredded.data_keys
    with stored.outsider() as connection:
        other = dict(connection.execute(select(DATA_KEY)).mappings().one())
        connection.execute(insert(DATA_KEY), [other | {"id": id_, "tag": bytes(32)}])
    details = {fault.what: fault.detail for fault in stored.verify().faults if fault.key == id_.hex()}
    assert details["extra"] == "an erasure says that it is gone; no record lies under it"


class Dying:
    """A provider whose process dies before it destroys a key."""

    def __init__(self, kek: KekProvider) -> None:
        self.name, self.epochs, self.wrap, self.unwrap = kek.name, kek.epochs, kek.wrap, kek.unwrap
        self.create = kek.create

    def destroy(self, epoch: int) -> None:
        raise KeyboardInterrupt


def test_an_erasure_that_died_before_the_old_key_went_is_finished_by_asking_for_it_again(stored):
    keys = stored.store_keys
    dying = StoreKeys(keys.store_key, Dying(keys.kek), keys.signing, keys.living)
    with pytest.raises(KeyboardInterrupt):
        eraser(stored, dying).carry_out(YAMADA, AUTHORITY)
    assert keys.kek.epochs() == [1, 2]
    with pytest.raises(UsageError, match="Nothing would be erased"):
        eraser(stored).carry_out(YAMADA, AUTHORITY)
    assert keys.kek.epochs() == [2]


# --- after a restore -----------------------------------------------------------------------------------


def test_a_reinstatement_calls_nothing_erased_that_no_order_destroyed(stored):
    saved = backup(stored)
    lose(stored, "r1")
    stored.rotate()
    restore(stored, saved)
    with pytest.raises(IntegrityError, match="3 lost their key without an order: r1, r2, r3"):
        give_back(stored)
    assert rows(stored, "event") == []
    assert rows(stored, "upkeep") == []
    assert shown(stored)["r1"] == "complete"
    assert prompt_of(stored, "s1") == PROMPT
    stored.settle()
    assert ("record_key", "", "missing") in stored.faults()


def test_a_reinstatement_tells_what_was_erased_from_what_was_lost(stored):
    saved = backup(stored)
    eraser(stored).carry_out(Wanted(records=frozenset({"s1"})), AUTHORITY)
    lose(stored, "r1")
    stored.rotate()
    restore(stored, saved)
    with pytest.raises(IntegrityError, match="1 records were cleared again, but 3 lost"):
        give_back(stored)
    states = shown(stored)
    assert {rid: states[rid] for rid in ("r1", "s1", "s2")} == {
        "r1": "complete",
        "s1": "erased",
        "s2": "complete",
    }


def test_a_record_key_that_was_lost_under_a_data_key_that_was_replaced_is_not_called_erased(stored):
    saved = backup(stored)
    with stored.outsider() as connection:
        connection.execute(text("DELETE FROM record_key WHERE rid = 'r3'"))
    eraser(stored).carry_out(Wanted(records=frozenset({"r1"})), AUTHORITY)
    restore(stored, saved)
    with pytest.raises(IntegrityError, match="1 lost their key without an order: r3"):
        give_back(stored)
    states = shown(stored)
    assert (states["r1"], states["r3"]) == ("erased", "complete")


def test_a_database_is_not_reinstated_from_living_keys_that_are_none(stored):
    saved = backup(stored)
    lose(stored, "r1", "s1")
    stored.rotate()
    restore(stored, saved)
    with pytest.raises(IntegrityError, match="no erasure accounts for 2 data keys"):
        give_back(stored)
    assert backup(stored) == saved


def test_a_database_of_which_everything_was_erased_by_order_is_reinstated(stored):
    saved = backup(stored)
    eraser(stored).carry_out(Wanted(before="2026-06"), AUTHORITY)
    restore(stored, saved)
    assert (give_back(stored).data_keys, set(shown(stored).values())) == (0, {"erased"})
    stored.settle()
    assert stored.faults() == set()


@pytest.mark.parametrize("change", ["UPDATE", "DELETE"])
def test_a_reinstatement_that_the_database_passes_over_changes_nothing(stored, change):
    saved = backup(stored)
    eraser(stored).carry_out(YAMADA, AUTHORITY)
    restore(stored, saved)
    with passing_over(stored, change, "data_key"), pytest.raises(IntegrityError):
        give_back(stored)
    assert backup(stored) == saved
    assert give_back(stored).cleared == 3


def test_the_neighbours_of_an_erased_record_are_found_by_their_answers_after_a_restore(stored):
    saved = backup(stored)
    eraser(stored).carry_out(Wanted(records=frozenset({"r3"})), AUTHORITY)
    tags, anchors = rows(stored, "output_tag"), rows(stored, "anchor")
    restore(stored, saved)
    assert rows(stored, "output_tag") != tags
    give_back(stored)
    assert rows(stored, "output_tag") == tags
    assert rows(stored, "anchor") == anchors
    stored.settle()
    assert [fault for fault in stored.verify().faults if fault.table == "output_tag"] == []


def test_what_an_order_destroyed_is_named_beside_the_living_keys(stored):
    done = eraser(stored).carry_out(YAMADA, AUTHORITY)
    stored.rotate()
    with reading(stored.engine) as connection:
        keys = rotation(connection, stored.store_keys).keys
        epoch = keys.epoch(keys.current())
        listed = list(rotation(connection, stored.store_keys)._living.read(epoch))
        (event,) = connection.execute(select(EVENT.c.id).where(EVENT.c.kind == "erase")).scalars()
    assert event == done.event
    gone = [row for row in listed if isinstance(row, GoneRow)]
    assert [id_ for row in gone for id_ in row.data_keys] == list(done.shredded.data_keys)
    assert [rid for row in gone for rid in row.records] == ["r1", "r2", "r3"]
