from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sekimori.store.engine import open_store
from sekimori.store.postgres import Parts
from support.evidence import START_US, Installation
from support.postgres import Server, running

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL for the whole session, started by the first test that asks for it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: Server) -> str:
    """A database with every table and no row, to be copied: faster than to migrate each time."""
    name = postgres.fresh()
    engine = open_store(postgres.url(name))
    Parts(engine).ready_ahead(START_US)
    engine.dispose()
    return name


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """A database in which nothing was made yet."""
    name = postgres.fresh()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=KINDS)
def unmade(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be made: a path for SQLite, a URL for PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "sekimori.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def migrated_url(postgres: Server, migrated: str) -> Iterator[str]:
    """A PostgreSQL database as a first start leaves it."""
    name = postgres.fresh(migrated)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store is."""
    if request.param == "sqlite":
        return tmp_path / "sekimori.db"
    url: str = request.getfixturevalue("migrated_url")
    return url


@pytest.fixture
def house(made: Path | str, tmp_path: Path) -> Iterator[Installation]:
    """An installation, on both databases in turn."""
    installation = Installation(tmp_path, database=made)
    yield installation
    installation.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Installation]:
    """An installation on SQLite alone, for what only a file can have or suffer."""
    installation = Installation(tmp_path)
    yield installation
    installation.close()
