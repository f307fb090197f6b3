"""A store from before names were sealed: everything is kept, and nothing stays readable."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, inspect, text

from sekimori.errors import IntegrityError
from sekimori.store import engine as module
from sekimori.store import naming
from sekimori.store.engine import cut_log, open_store, reading, rewrite, session
from sekimori.store.naming import PEOPLE_WORK, POLICIES_WORK, readable, seal_names
from sekimori.store.people import InviteRepo, PersonRepo
from sekimori.store.policies import PolicyRepo
from sekimori.store.works import SCRUB_WORK, is_pending
from sekimori.vault.names import NameSeal

PEOPLE, POLICIES = NameSeal(bytes(range(32))), NameSeal(bytes(32))
SNAPSHOT = '{"grants":[{"users":["fujiwara"],"purpose":"会議録の要約"}]}'.encode()
SECRETS = (
    "fujiwara", "minamoto", "soumu-ka", "$argon2id$", "会議録の要約", "auditor", "grants", "taira.yaml", "sasaki",
)  # fmt: skip


@pytest.fixture
def old(unmade):
    """A store of revision 0003 with two accounts, two links, three applied files and a snapshot."""
    url = f"sqlite:///{unmade}" if isinstance(unmade, Path) else unmade.replace(":", "+psycopg:", 1)
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(module._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement, rows in _ROWS.items():
            for row in rows:
                connection.execute(text(statement), row)
    engine.dispose()
    return unmade


_PERSON = {"groups": '["soumu-ka"]', "roles": '["auditor"]', "password": "$argon2id$p", "created": 1}
_FILE = {"applied": 9, "by": "sasaki", "withdrawn": False}
_ROWS: dict[str, tuple[dict[str, Any], ...]] = {
    "INSERT INTO person VALUES (:name, :groups, :roles, :disabled, :password, :proxy, :created, :updated)": (
        _PERSON | {"name": "fujiwara", "disabled": False, "proxy": "$argon2id$q", "updated": 5},
        _PERSON | {"name": "minamoto", "disabled": True, "proxy": None, "updated": 7},
    ),
    "INSERT INTO invite VALUES (:token, :name, 1, 20, :used)": (
        {"token": hashlib.sha256(b"link").hexdigest(), "name": "fujiwara", "used": None},
        {"token": hashlib.sha256(b"used").hexdigest(), "name": "minamoto", "used": 2},
    ),
    "INSERT INTO policy_document VALUES (:version, :file, :text, :sha256, :applied, :by, :withdrawn)": tuple(
        _FILE
        | {"version": version, "file": file, "text": said, "sha256": hashlib.sha256(said.encode()).hexdigest()}
        for version, file, said in (
            (1, "a.yaml", "grants: [会議録の要約]"), (2, "taira.yaml", "grants: []"), (3, "a.yaml", "grants: 3"),
        )
    ),
    "INSERT INTO policy_version VALUES (:sha256, :snapshot)": (
        {"sha256": hashlib.sha256(SNAPSHOT).hexdigest(), "snapshot": SNAPSHOT},
    ),
}  # fmt: skip


@pytest.fixture
def store(old):
    engine = open_store(old)
    yield engine
    engine.dispose()


def seal(engine: Engine) -> None:
    seal_names(engine, PEOPLE_WORK, PEOPLE)
    seal_names(engine, POLICIES_WORK, POLICIES)


def everything(engine: Engine) -> str:
    """Return every cell of every table, as a dump would show it."""
    with reading(engine) as connection:
        names = inspect(connection).get_table_names()
        rows = [row for name in names for row in connection.execute(text(f"SELECT * FROM {name}")).all()]
    cells = [cell for row in rows for cell in row]
    return "\n".join(
        bytes(cell).decode("utf-8", "replace") if isinstance(cell, bytes | memoryview) else str(cell)
        for cell in cells
    )


def found(shown: str) -> list[str]:
    return [secret for secret in SECRETS if secret in shown]


def test_what_the_migration_leaves_is_known_and_nothing_of_it_is_lost(store):
    assert readable(store) == {PEOPLE_WORK, POLICIES_WORK}
    assert found(everything(store)) == list(SECRETS)
    seal(store)
    assert readable(store) == frozenset()
    assert found(everything(store)) == []
    with session(store) as opened:
        accounts = PersonRepo(opened, PEOPLE).list()
        assert [
            (each.name, each.groups, each.roles, each.disabled, each.updated_us) for each in accounts
        ] == [
            ("fujiwara", ("soumu-ka",), ("auditor",), False, 5),
            ("minamoto", ("soumu-ka",), ("auditor",), True, 7),
        ]
        assert (accounts[0].password, accounts[0].proxy_password) == ("$argon2id$p", "$argon2id$q")
        assert InviteRepo(opened, PEOPLE).redeem("link", now_us=10) == "fujiwara"
        assert InviteRepo(opened, PEOPLE).redeem("used", now_us=10) is None
        policies = PolicyRepo(opened, POLICIES)
        assert [(each.version, each.file, each.text) for each in policies.current()] == [
            (2, "taira.yaml", "grants: []"),
            (3, "a.yaml", "grants: 3"),
        ]
        assert [each.applied_by for each in policies.history()] == ["sasaki"] * 3
        assert policies.snapshot(hashlib.sha256(SNAPSHOT).hexdigest()) == SNAPSHOT


def test_afterwards_the_old_tables_are_gone_and_the_file_is_to_be_rewritten(store):
    seal(store)
    assert not [name for name in inspect(store).get_table_names() if name.startswith("old_")]
    with reading(store) as connection:
        assert is_pending(connection, SCRUB_WORK)


def test_without_the_key_of_the_policies_the_people_are_sealed_alone(store):
    seal_names(store, PEOPLE_WORK, PEOPLE)
    assert readable(store) == {POLICIES_WORK}
    with session(store, writes=False) as opened:
        assert len(PersonRepo(opened, PEOPLE).list()) == 2


def test_a_crash_after_any_piece_loses_nothing(store, monkeypatch):
    small = tuple(dataclasses.replace(move, at_once=1) for move in naming._MOVES[PEOPLE_WORK])
    monkeypatch.setitem(naming._MOVES, PEOPLE_WORK, small)
    pieces = 0
    while naming._piece(store, PEOPLE_WORK, PEOPLE):
        pieces += 1
        with reading(store) as connection:
            counted = [
                connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in ("old_person", "person", "old_invite", "invite")
            ]
        assert counted[0] + counted[1] == counted[2] + counted[3] == 2
    assert pieces == 4
    assert PEOPLE_WORK not in readable(store)


def test_processes_that_start_together_seal_once(store):
    faults: list[Exception] = []

    def work() -> None:
        try:
            seal(store)
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert found(everything(store)) == []
    with session(store, writes=False) as opened:
        assert len(PersonRepo(opened, PEOPLE).list()) == 2


def test_a_file_that_was_edited_before_the_upgrade_is_refused_after_it(old):
    engine = open_store(old)
    with engine.begin() as connection:
        connection.execute(text("UPDATE old_policy_document SET text = 'grants: all' WHERE version = 3"))
    seal(engine)
    with session(engine) as opened, pytest.raises(IntegrityError, match="not what was applied"):
        PolicyRepo(opened, POLICIES).current()
    engine.dispose()


def test_a_new_store_has_nothing_to_seal(unmade):
    engine = open_store(unmade)
    assert readable(engine) == frozenset()
    assert not [name for name in inspect(engine).get_table_names() if name.startswith("old_")]
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE person SET updated_us = updated_us + 1", id="an older state made newer"),
        pytest.param(
            "UPDATE person SET sealed = (SELECT sealed FROM person AS p WHERE p.token <> person.token)",
            id="another account's",
        ),
    ],
)
def test_an_account_edited_in_the_database_is_refused(made, statement):
    engine = open_store(made)
    with session(engine) as opened:
        for name in ("fujiwara", "minamoto"):
            PersonRepo(opened, PEOPLE).add(name, now_us=1, proxy_password="$argon2id$x")
    with engine.begin() as connection:
        connection.execute(text(statement))
    with session(engine) as opened, pytest.raises(IntegrityError):
        PersonRepo(opened, PEOPLE).list()
    engine.dispose()


# SQLite alone: a server's files are not in this folder.
@pytest.mark.parametrize("unmade", ["sqlite"], indirect=True)
def test_after_the_rewrite_no_byte_of_the_files_names_anybody(store, tmp_path):
    seal(store)
    rewrite(store)
    assert cut_log(store)
    store.dispose()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in SECRETS if secret.encode() in data], path
