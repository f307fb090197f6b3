"""The memory that lies elsewhere: it changes only from what its writer last saw, and is never made by chance."""

import sqlite3
import threading
from dataclasses import replace

import pytest

from sekimori.errors import StateError
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.seams import Head, LaneState, Locked

ORIGIN = "sigsum.org/v1/tree/aa"
FIRST = Head(time_us=1)
SECOND = Head(5, bytes(range(32)), 2)


@pytest.fixture
def store(tmp_path):
    store = SqliteLockStore.create(tmp_path / "lock.db")
    store.register(ORIGIN, "gate-0-2026Q4", FIRST)
    yield store
    store.close()


def test_what_is_remembered_is_there_for_the_next_process(tmp_path, store):
    store.swap(ORIGIN, FIRST, SECOND)
    again = SqliteLockStore(tmp_path / "lock.db")
    assert again.read(ORIGIN) == Locked(SECOND, LaneState.OPEN)
    assert again.read("another") is None
    again.close()
    assert (tmp_path / "lock.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(SECOND, id="another size"),
        pytest.param(replace(FIRST, root=SECOND.root), id="another root"),
        pytest.param(replace(FIRST, time_us=0), id="another time"),
    ],
)
def test_a_writer_that_saw_something_else_changes_nothing(store, seen):
    with pytest.raises(StateError, match="doesn't remember"):
        store.swap(ORIGIN, seen, replace(SECOND, size=9))
    with pytest.raises(StateError):
        store.end(ORIGIN, seen, LaneState.CLOSED)
    assert store.read(ORIGIN) == Locked(FIRST, LaneState.OPEN)


def test_a_log_that_ended_never_grows_again(store):
    store.end(ORIGIN, FIRST, LaneState.ABANDONED)
    assert store.read(ORIGIN) == Locked(FIRST, LaneState.ABANDONED)
    with pytest.raises(StateError):
        store.swap(ORIGIN, FIRST, SECOND)
    with pytest.raises(StateError):
        store.end(ORIGIN, FIRST, LaneState.CLOSED)


def test_a_log_is_registered_once(store):
    with pytest.raises(StateError, match="already"):
        store.register(ORIGIN, "gate-0-2026Q4", FIRST)


def test_a_missing_store_is_not_made_by_opening_it(tmp_path):
    with pytest.raises(StateError, match="missing"):
        SqliteLockStore(tmp_path / "elsewhere.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_store_is_made_once_and_never_inside_the_data_folder(tmp_path, store):
    with pytest.raises(StateError, match="can't be made"):
        SqliteLockStore.create(tmp_path / "lock.db")
    with pytest.raises(StateError, match="inside the data folder"):
        SqliteLockStore.create(tmp_path / "data" / "keys" / "lock.db", data=tmp_path / "data")


def test_a_damaged_store_is_a_state_error(tmp_path):
    path = tmp_path / "lock.db"
    SqliteLockStore.create(path).close()
    path.write_bytes(b"\0" * 4096)
    with pytest.raises(StateError, match="can't be used"):
        SqliteLockStore(path).read(ORIGIN)


def test_a_store_without_its_table_is_a_state_error(tmp_path, store):
    other = sqlite3.connect(tmp_path / "lock.db")
    other.execute("DROP TABLE heads")
    other.close()
    for call in (
        lambda: store.read(ORIGIN),
        lambda: store.swap(ORIGIN, FIRST, SECOND),
        lambda: store.register("another", "x", FIRST),
    ):
        with pytest.raises(StateError, match="can't be used"):
            call()


def test_of_many_writers_that_saw_the_same_head_one_wins(tmp_path, store):
    won = []

    def contend(number):
        mine = SqliteLockStore(tmp_path / "lock.db")
        try:
            mine.swap(ORIGIN, FIRST, replace(SECOND, size=number + 1))
            won.append(number + 1)
        except StateError:
            pass
        finally:
            mine.close()

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read(ORIGIN) == Locked(replace(SECOND, size=won[0]), LaneState.OPEN)
