"""Many writers, an archivist on each host, one database: everything gets in once, whoever is killed."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, func, select

from sekimori.ledger.lanes import lanes
from sekimori.store.engine import open_store, reading
from sekimori.store.log import Query
from sekimori.store.logkeys import LogKeys
from sekimori.store.tables import ENTRY, RECORD, TREE
from support.evidence import Installation
from support.hosts import ALARMS, EXCHANGES, KEYRING, Spawner
from support.ledger import placed_leaves, published_leaves

HOSTS = 4
WRITERS = 4
KILLS = 14


@pytest.fixture
def spawner():
    spawner = Spawner()
    yield spawner
    spawner.close()


@pytest.mark.req("MOU-2-7")
def test_sixteen_writers_and_archivists_killed_at_random_make_no_fork_and_no_duplicate(
    made, tmp_path, spawner
):
    keys = os.urandom(64)
    open_store(made).dispose()
    folders = [tmp_path / f"host-{number}" for number in range(HOSTS)]
    given: dict[str, Any] = {"keys": keys.hex(), "database": str(made)}
    archivists: dict[Path, int] = {}

    def start(folder: Path) -> None:
        archivists[folder] = spawner.start("archive", folder=str(folder), name=folder.name, **given)

    try:
        for folder in folders:
            folder.mkdir()
            start(folder)
            for number in range(WRITERS):
                spawner.start("write", folder=str(folder), name=f"{folder.name}-w{number}", **given)
        chance = random.Random(5)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.25))
            folder = chance.choice(folders)
            spawner.kill(archivists[folder])
            start(folder)
        _until_shipped(folders, seconds=60)
    finally:
        for process in archivists.values():
            spawner.kill(process)
    _expect_everything_once(folders, keys, made)
    _expect_trees(folders, made)


def _until_shipped(folders: list[Path], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(lanes(folder / "spool") for folder in folders) or not all(
        (folder / "spool").exists() for folder in folders
    ):
        assert time.monotonic() < deadline, [lanes(folder / "spool") for folder in folders]
        time.sleep(0.05)


def _expect_everything_once(folders: list[Path], keys: bytes, made: Path | str) -> None:
    assert [(folder / ALARMS).read_text() for folder in folders] == [""] * HOSTS
    keyring = folders[0].parent / KEYRING
    house = Installation(folders[0], keys=keys, keyring=keyring, database=made, node=folders[0].name)
    try:
        with reading(house.engine) as connection:
            lengths = _counted(connection, ENTRY.c.lane)
            states = _counted(connection, RECORD.c.state)
        writers, own = HOSTS * WRITERS, {f"archivist-{folder.name}": WRITERS for folder in folders}
        assert {name: lengths.pop(name) for name in own} == own
        assert set(lengths.values()) == {2 * EXCHANGES - 1}
        assert len(lengths) == writers
        assert states == {"complete": writers * (EXCHANGES - 1), "unknown-crash": writers}
        found = house.log().list(Query(user="user-3", limit=10_000))
        assert len(found) == writers * len(range(3, EXCHANGES, 7))
        assert house.verify().faults == ()
    finally:
        house.close()


def _expect_trees(folders: list[Path], made: Path | str) -> None:
    """Hold each host's trees against what the database placed in them."""
    engine = open_store(made)
    try:
        with reading(engine) as connection:
            trees = {row.name: row.node for row in connection.execute(select(TREE.c.name, TREE.c.node))}
        assert set(trees.values()) == {folder.name for folder in folders}
        for name, node in trees.items():
            keys = LogKeys(folders[0].parent / KEYRING / f"logs-{node}")
            published = published_leaves(folders[0].parent / node / "ledger", keys, name)
            placed = placed_leaves(engine, name)
            # Of the archivist's own words the last may have been killed with it; of a worker's, none.
            assert published == placed[: len(published)], name
            assert name.startswith("archive") or len(published) == len(placed), name
    finally:
        engine.dispose()


def _counted(connection: Connection, column: Column[Any]) -> dict[str, int]:
    query = select(column, func.count()).group_by(column)
    return {name: count for name, count in connection.execute(query)}  # noqa: C416 (rows are no tuples to mypy)
