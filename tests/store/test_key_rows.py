"""Wrapped keys in real tables: the same rows as in memory, and nobody stores while keys die."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy import exc as sql

from sekimori.errors import KeyAccessError
from sekimori.store.engine import open_store, reading, writing, writing_by_itself
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.keyrows import SqlKeyRows
from sekimori.store.rotating import found, rotating
from sekimori.store.tables import ANCHOR, METADATA, OUTPUT_TAG
from sekimori.vault.living import LivingKeys
from sekimori.vault.outputs import find_output, output_row
from sekimori.vault.rotation import Erasure, Rotation
from sekimori.vault.slots import DataKeyRow, EpochRow, RecordKeyRow, Slot
from support.keyrows import MemoryKeyRows
from support.storekeys import founded, store_keys

TARO = Slot("taro", "class-1", "2026-04")
HANAKO = Slot("hanako", "class-1", "2026-04")


class Site(NamedTuple):
    """A database and the keys of its installation."""

    engine: Engine
    keys: StoreKeys


@pytest.fixture
def engine(made: Path | str) -> Iterator[Engine]:
    opened = open_store(made, busy_ms=5_000)
    yield opened
    opened.dispose()


@pytest.fixture
def site(engine, tmp_path) -> Site:
    return Site(engine, founded(engine, tmp_path / "keys"))


def keep(site: Site, slot: Slot, *rids: str) -> dict[str, bytes]:
    """Store a key for each record, as the archivist does, and return them."""
    drawn = {}
    with writing(site.engine) as connection:
        hierarchy = Holding(connection, site.keys).hierarchy
        data_key = hierarchy.data_key(slot)
        for rid in rids:
            drawn[rid] = hierarchy.random(32)
            hierarchy.rows.put_record_keys([hierarchy.wrap(data_key, rid, drawn[rid])])
    return drawn


def left(site: Site, *rids: str) -> dict[str, bytes]:
    """Return the keys of these records that still open, for a process that just started."""
    fresh = store_keys(site.keys.living.parent)
    with reading(site.engine) as connection:
        keys = Holding(connection, fresh).hierarchy.record_keys(rids)
    return {rid: key for (rid, _), key in keys.items()}


def everything(site: Site) -> bytes:
    """Return what a thief of the database would read."""
    with reading(site.engine) as connection:
        rows = [row for table in METADATA.tables.values() for row in connection.execute(select(table))]
    fields = [field for row in rows for field in row]
    return b"|".join(field if isinstance(field, bytes) else str(field).encode() for field in fields)


# --- the rows -------------------------------------------------------------------------------------

_IDS = st.sampled_from([bytes([n]) * 16 for n in range(4)])
_RIDS = st.sampled_from(["r1", "r2", "r3", "あ", "z"])
_NUMBERS = st.integers(1, 3)
_BYTES = st.binary(min_size=1, max_size=8)
_RECORD_ROWS = st.builds(RecordKeyRow, _RIDS, st.sampled_from(["", "meta"]), _IDS, _BYTES)
# A tag belongs to one id: two ids that share one can't be stored, and never are.
_DATA_ROWS = st.builds(
    lambda id_, epoch, sealed: DataKeyRow(id_, epoch, b"tag" + id_, sealed), _IDS, _NUMBERS, _BYTES
)
_STEPS = st.one_of(
    st.tuples(st.just("put_epoch"), st.builds(EpochRow, _NUMBERS, st.just("file"), _BYTES)),
    st.tuples(st.just("put_data_keys"), st.lists(_DATA_ROWS, max_size=3, unique_by=lambda row: row.id)),
    st.tuples(st.just("put_record_keys"), st.lists(_RECORD_ROWS, max_size=4)),
    st.tuples(st.just("drop_data_keys"), st.lists(_IDS, max_size=2)),
    st.tuples(st.just("drop_data_keys_under"), _NUMBERS),
    st.tuples(st.just("drop_record_keys_under"), _IDS),
    st.tuples(st.just("drop_record_keys"), st.lists(_RIDS, max_size=2)),
)


def seen(rows: Any) -> tuple[object, ...]:
    """Return what every question about the rows answers."""
    ids = [bytes([n]) * 16 for n in range(4)]
    return (
        rows.epochs(),
        sorted(rows.data_keys_of(ids), key=repr),
        sorted(rows.data_keys_tagged([b"tag" + id_ for id_ in ids]), key=repr),
        rows.data_keys_after(ids[0], 2),
        sorted(rows.record_keys_of(["r1", "あ", "nobody"]), key=repr),
        [rows.record_keys_under(id_, ("r1", ""), 2) for id_ in ids],
        [rows.count_record_keys(id_) for id_ in ids],
    )


@given(steps=st.lists(_STEPS, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_tables_answer_like_rows_in_memory(engine, steps):
    memory = MemoryKeyRows()
    with writing_by_itself(engine) as connection:  # nothing is committed: the next example starts empty
        rows = SqlKeyRows(connection, alone=True)
        for name, argument in steps:
            getattr(memory, name)(argument)
            getattr(rows, name)(argument)
        assert seen(rows) == seen(memory)


def test_the_tables_of_keys_show_no_name_class_or_key(site):
    drawn = keep(site, HANAKO, "r1")
    stolen = everything(site)
    assert b"hanako" not in stolen
    assert b"class-1" not in stolen
    assert drawn["r1"] not in stolen


# --- the first epoch ------------------------------------------------------------------------------


def test_a_store_gets_its_first_epoch_once(site):
    found(site.engine, site.keys)
    found(site.engine, store_keys(site.keys.living.parent))
    assert site.keys.kek.epochs() == [1]


def test_a_first_start_that_died_on_the_way_is_begun_anew(engine, tmp_path):
    keys = store_keys(tmp_path / "keys")
    keys.living.with_name("founding").touch(0o600)
    keys.kek.create(1)  # and here the machine stopped
    found(engine, keys)
    found(engine, keys)
    assert keep(Site(engine, keys), TARO, "r1") == left(Site(engine, keys), "r1")


def test_an_empty_database_does_not_take_over_the_keys_of_another(engine, tmp_path):
    keys = store_keys(tmp_path / "keys")
    keys.kek.create(1)
    with pytest.raises(KeyAccessError, match="the database holds none"):
        found(engine, keys)
    assert keys.kek.epochs() == [1]


# --- rotation and erasure -------------------------------------------------------------------------


def test_an_erasure_takes_one_person_and_leaves_the_others(site):
    keep(site, TARO, "r1", "r2")
    kept = keep(site, HANAKO, "r3")
    with rotating(site.engine, site.keys) as rotation:
        rotation.shred(rotation.plan(Erasure(subject="taro")))
    assert left(site, "r1", "r2", "r3") == kept
    assert site.keys.kek.epochs() == [2]


def test_an_erasure_of_one_record_leaves_its_neighbours(site):
    drawn = keep(site, TARO, "r1", "r2")
    with rotating(site.engine, site.keys) as rotation:
        rotation.shred(rotation.plan(Erasure(records=frozenset(["r1"]))))
    assert left(site, "r1", "r2") == {"r2": drawn["r2"]}


def test_an_erasure_that_fails_before_its_commit_changes_nothing(site):
    drawn = keep(site, TARO, "r1")

    def fail() -> None:
        raise OSError("the disk is full")

    with rotating(site.engine, site.keys) as rotation, pytest.raises(OSError, match="disk"):
        rotation.shred(rotation.plan(Erasure(subject="taro")), together=fail)
    assert left(site, "r1") == drawn


def test_a_rotation_that_died_before_the_old_key_was_destroyed_is_settled(site, monkeypatch):
    drawn = keep(site, TARO, "r1")
    with monkeypatch.context() as patch:
        patch.setattr(
            site.keys.kek, "destroy", lambda _: (_ for _ in ()).throw(OSError("cut")), raising=False
        )
        with rotating(site.engine, site.keys) as rotation, pytest.raises(OSError, match="cut"):
            rotation.rotate()
    assert site.keys.kek.epochs() == [1, 2]
    with rotating(site.engine, store_keys(site.keys.living.parent)) as rotation:
        rotation.settle()
    assert site.keys.kek.epochs() == [2]
    assert left(site, "r1") == drawn


def test_of_two_rotations_that_overlap_the_living_of_the_later_one_stay(site, monkeypatch):
    drawn = keep(site, TARO, "r1")
    elsewhere = store_keys(site.keys.living.parent)

    def overtaken(self: Rotation, *rest: Any) -> None:
        monkeypatch.undo()  # the second one finishes between the first one's commit and its living keys
        with rotating(site.engine, elsewhere) as later:
            later.rotate()
        self._finish(*rest)

    monkeypatch.setattr(Rotation, "_finish", overtaken)
    with rotating(site.engine, site.keys) as rotation:
        rotation.rotate()
    assert site.keys.kek.epochs() == [3]
    assert LivingKeys(site.keys.living).epoch().epoch == 3
    assert left(site, "r1") == drawn


def test_opened_keys_are_forgotten_when_the_rows_tell_of_another_epoch(site):
    keep(site, TARO, "r1")
    elsewhere = store_keys(site.keys.living.parent)
    with rotating(site.engine, elsewhere) as rotation:
        rotation.shred(rotation.plan(Erasure(subject="taro")))
    assert len(site.keys.cache.opened) == 1
    keep(site, HANAKO, "r2")
    assert len(site.keys.cache.opened) == 1, "what was opened before the erasure is gone"


def test_nobody_stores_a_record_while_a_rotation_is_under_way(site):
    turned = threading.Event()
    stored: dict[str, bytes] = {}
    with rotating(site.engine, site.keys) as rotation:
        plan = rotation.plan(Erasure(subject="taro"))
        storing = threading.Thread(target=lambda: stored.update(keep(site, TARO, "r9")))
        storing.start()
        assert not turned.wait(0.3)
        assert not stored, "it waits"
        rotation.shred(plan)
    storing.join(5)
    assert left(site, "r9") == stored != {}


def test_a_rotation_waits_for_whoever_is_storing(site):
    drawn = keep(site, TARO, "r1")
    erased = threading.Event()

    def erase() -> None:
        with rotating(site.engine, store_keys(site.keys.living.parent)) as rotation:
            rotation.shred(rotation.plan(Erasure(records=frozenset(["r1"]))))
        erased.set()

    with writing(site.engine) as connection:
        hierarchy = Holding(connection, site.keys).hierarchy
        data_key = hierarchy.data_key(TARO)
        erasing = threading.Thread(target=erase)
        erasing.start()
        assert not erased.wait(0.3)
        hierarchy.rows.put_record_keys([hierarchy.wrap(data_key, "r2", drawn["r1"])])
    erasing.join(5)
    assert left(site, "r1", "r2") == {"r2": drawn["r1"]}


def test_many_that_store_for_one_new_slot_agree_on_its_key(site):
    drawn: list[dict[str, bytes]] = []

    def store(number: int) -> None:
        for _ in range(20):
            try:
                drawn.append(keep(site, HANAKO, f"r{number}"))
            except sql.DBAPIError:
                continue  # another was first with the slot: tried again, as the archivist does
            return

    threads = [threading.Thread(target=store, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left(site, *(f"r{number}" for number in range(6))) == {
        rid: key for one in drawn for rid, key in one.items()
    }
    assert len(drawn) == 6


# --- what was keyed with a data key that is replaced ----------------------------------------------


def test_an_answer_is_found_by_its_text_after_its_neighbour_was_erased(site):
    drawn = keep(site, TARO, "r1", "r2")
    with writing(site.engine) as connection:
        holding = Holding(connection, site.keys)
        key = holding.hierarchy.data_key(TARO)
        rows = [output_row(key, drawn[rid], rid, f"the answer of {rid}") for rid in ("r1", "r2")]
        holding.tags.put([row for row in rows if row])
        connection.execute(ANCHOR.insert(), [{"anchor": b"old", "rid": "r2"}])
    with rotating(site.engine, site.keys) as rotation:
        rotation.shred(rotation.plan(Erasure(records=frozenset(["r1"]))))
    with reading(site.engine) as connection:
        holding = Holding(connection, site.keys)
        keys = [key for some in holding.hierarchy.each_data_key() for _, key in some]
        assert list(find_output(holding.tags, keys, "the answer of r2")) == ["r2"]
        assert list(find_output(holding.tags, keys, "the answer of r1")) == []
        assert connection.execute(select(ANCHOR)).all() == [], "nobody can ask for it under the new key"
        assert len(connection.execute(select(OUTPUT_TAG)).all()) == 2
