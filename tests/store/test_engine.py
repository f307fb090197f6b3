"""The database opens only when it is whole, and every migration is there."""

from __future__ import annotations

import stat
import threading
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import InternalError

from sekimori.errors import ConfigError, StateError
from sekimori.store import engine as module
from sekimori.store.engine import open_store, reading, session, writing
from sekimori.store.tables import INVITE, METADATA, InviteRow

ROW: dict[str, Any] = {"token_sha256": "t", "sealed": b"n", "created_us": 1, "expires_us": 2}


@pytest.fixture
def store(made):
    engine = open_store(made)
    yield engine
    engine.dispose()


@pytest.fixture
def file_store(tmp_path):
    """SQLite alone: pragmas, modes and files are what PostgreSQL's own administrator sees to."""
    engine = open_store(tmp_path / "sekimori.db")
    yield engine
    engine.dispose()


def test_the_migrations_make_exactly_the_tables_of_the_code(store):
    def is_whole(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in METADATA.tables

    options = {"include_name": is_whole}
    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


def test_the_revision_that_the_code_expects_is_the_newest_script():
    config = Config()
    config.set_main_option("script_location", str(module._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == module.REVISION


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 10_000),
        ("secure_delete", 1),
    ],
)
def test_every_connection_to_a_file_is_durable_patient_and_wipes(file_store, pragma, value):
    with reading(file_store) as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value


@pytest.mark.parametrize(
    ("setting", "value"), [("synchronous_commit", "on"), ("lock_timeout", "10s"), ("TimeZone", "UTC")]
)
def test_every_connection_to_a_server_is_durable_and_patient(migrated_url, setting, value):
    engine = open_store(migrated_url)
    with reading(engine) as connection:
        assert connection.execute(text(f"SHOW {setting}")).scalar() == value
        with pytest.raises(InternalError, match="read-only"):
            connection.execute(insert(INVITE), [ROW])
    engine.dispose()


def test_database_and_log_are_for_their_owner_only(file_store, tmp_path):
    with writing(file_store) as connection:
        connection.execute(insert(INVITE), [ROW])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("sekimori.db*")}
    assert set(modes) == {"sekimori.db", "sekimori.db-wal", "sekimori.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_second_opening_keeps_everything(store, made):
    with writing(store) as connection:
        connection.execute(insert(INVITE), [ROW])
    again = open_store(made)
    with reading(again) as connection:
        assert len(connection.execute(select(INVITE)).all()) == 1
    again.dispose()


def test_processes_that_start_together_migrate_once(unmade):
    engines: list[Engine] = []
    faults: list[StateError] = []

    def start():
        try:
            engines.append(open_store(unmade))
        except StateError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert (len(engines), faults) == (6, [])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param("DROP TABLE lane", "lacks lane", id="a table is gone"),
        pytest.param("DROP TABLE alembic_version", "half made", id="its version is gone"),
        pytest.param(
            "UPDATE alembic_version SET version_num='9999'", "another version", id="a newer version"
        ),
    ],
)
def test_a_database_that_is_not_whole_is_refused_in_one_sentence(house, damage, sentence):
    house.engine.dispose()
    house.edit(damage)
    with pytest.raises(StateError, match=sentence) as caught:
        open_store(house.database)
    assert caught.value.hint


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "sekimori.db"
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(StateError, match="cannot be opened"):
        open_store(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StateError, match="cannot be made"):
        open_store(tmp_path / "nowhere" / "sekimori.db")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("postgresql://nobody:s3cret@127.0.0.1:9/none", "cannot be opened", id="nobody listens"),
        pytest.param("mysql://127.0.0.1/none", "No store lies behind mysql", id="another database"),
        pytest.param("postgresql://host:port/none", "no URL", id="no URL"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_sentence_without_its_password(url, sentence):
    with pytest.raises((StateError, ConfigError), match=sentence) as caught:
        open_store(url)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_a_transaction_that_fails_leaves_nothing(store):
    def fail_in_a_connection() -> None:
        with writing(store) as connection:
            connection.execute(insert(INVITE), [ROW])
            raise ZeroDivisionError

    def fail_in_a_session() -> None:
        with session(store) as opened:
            opened.add(InviteRow(**ROW))
            raise ZeroDivisionError

    for fail in (fail_in_a_connection, fail_in_a_session):
        with pytest.raises(ZeroDivisionError):
            fail()
    with reading(store) as connection:
        assert connection.execute(select(INVITE)).all() == []


def test_a_reader_sees_one_state_while_others_write(store):
    with reading(store) as connection:
        assert connection.execute(select(INVITE)).all() == []
        with writing(store) as other:
            other.execute(insert(INVITE), [ROW])
        assert connection.execute(select(INVITE)).all() == []
    with reading(store) as connection:
        assert len(connection.execute(select(INVITE)).all()) == 1


def test_those_who_change_accounts_and_policy_take_turns(store):
    told: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(5)
        with session(store):
            told.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with session(store):
        inside.set()
        thread.join(0.3)
        told.append("first")
    thread.join(5)
    assert told == ["first", "second"]
