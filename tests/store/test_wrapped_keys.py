"""A wrapped key that somebody damaged or removed is named by a check, with the records that hang on it."""

from __future__ import annotations

import pytest

from sekimori.store.erasing import Authority, Eraser
from sekimori.store.surveying import Wanted
from sekimori.store.verify import Scope
from sekimori.store.verifying.datakeys import LIVING, NAMED
from sekimori.store.verifying.faults import Fault
from support.evidence import answered, asked

OF_R1 = "(SELECT data_key FROM record_key WHERE rid='r1')"


@pytest.fixture
def stored(house):
    """Records of two people, each under a data key of its own."""
    worker = house.worker("w1")
    for rid, user in (("r1", "yamada"), ("r2", "yamada"), ("s1", "sato")):
        worker.write(asked(rid, user=user), answered(rid))
    worker.close()
    house.archivist.run_once()
    house.settle()
    assert house.verify().faults == ()
    return house


def faults_of(house, table, scope=None) -> list[Fault]:
    return [fault for fault in house.verify(scope).faults if fault.table == table]


DAMAGE = [
    pytest.param("UPDATE data_key SET sealed=tag WHERE id={}", "data_key", "altered", id="altered"),
    pytest.param("UPDATE data_key SET tag=sealed WHERE id={}", "data_key", "altered", id="its tag altered"),
    pytest.param("UPDATE data_key SET epoch=9 WHERE id={}", "data_key", "altered", id="its epoch altered"),
    pytest.param(
        "UPDATE data_key SET epoch=9 WHERE id={}", "key_epoch", "missing", id="of an epoch that is not"
    ),
    pytest.param("DELETE FROM data_key WHERE id={}", "data_key", "missing", id="missing"),
]


@pytest.mark.req("MOU-2-7")
@pytest.mark.parametrize(("statement", "table", "what"), DAMAGE)
def test_a_data_key_is_named_with_the_records_under_it_and_with_no_other(stored, statement, table, what):
    stored.edit(statement.format(OF_R1))
    (fault,) = faults_of(stored, table)
    assert fault.what == what
    assert fault.detail.endswith("; 2 records lie under it: r1, r2")


def test_an_epoch_that_is_altered_is_named_with_all_records_under_it(stored):
    stored.edit("UPDATE key_epoch SET provider='elsewhere'")
    (fault,) = faults_of(stored, "key_epoch")
    assert (fault.key, fault.what) == ("1", "altered")
    assert fault.detail.endswith("; 3 records lie under it: r1, r2, s1")


def test_a_check_of_what_is_new_alone_names_what_an_old_records_key_needs(stored):
    since = stored.verify().verified
    stored.edit(f"DELETE FROM data_key WHERE id={OF_R1}")
    report = stored.verify(Scope(since=since))
    assert [(fault.table, fault.what) for fault in report.faults] == [("data_key", "missing")]
    assert "r1, r2" in report.faults[0].detail


def test_a_data_key_that_went_with_all_its_record_keys_is_named_by_the_list_of_the_living(stored):
    stored.rotate()
    stored.settle()
    stored.edit(f"DELETE FROM data_key WHERE id={OF_R1}")
    stored.edit("DELETE FROM record_key WHERE rid IN ('r1', 'r2')")
    (fault,) = faults_of(stored, "data_key")
    assert fault.what == "missing"
    assert fault.detail == "its row is gone, and the living keys list it; no record lies under it"


def test_a_data_key_that_an_erasure_took_is_not_missing(stored):
    eraser = Eraser(stored.engine, stored.store_keys, clock=stored.clock, new_id=lambda: "erasure-1")
    eraser.carry_out(Wanted(subject="yamada"), Authority("appi-35", "kato", "sato"))
    stored.settle()
    assert stored.verify().faults == ()


def test_the_list_of_the_living_is_named_where_it_was_altered(stored):
    stored.rotate()
    stored.settle()
    path = stored.store_keys.living
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (fault,) = stored.verify().faults
    assert (fault.table, fault.what) == (LIVING, "altered")


def test_no_more_than_some_records_are_listed_and_the_others_are_counted(house):
    worker = house.worker("w1")
    for number in range(NAMED + 5):
        worker.write(asked(f"r{number:03}"), answered(f"r{number:03}"))
    worker.close()
    house.archivist.run_once()
    house.settle()
    house.edit("DELETE FROM data_key")
    (fault,) = faults_of(house, "data_key")
    assert fault.detail.startswith(f"its row is gone; {NAMED + 5} records lie under it: r000, r001,")
    assert fault.detail.endswith(" and 5 more")
