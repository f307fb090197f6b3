"""Open the database: SQLite beside the spool, or later one PostgreSQL for many nodes.

The only module that knows which of the two it is. Everything else asks for ``reading`` (one
consistent view) or ``writing`` (a transaction that holds the write lock from its first statement).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from sekimori.errors import StateError
from sekimori.store import tables

REVISION = "0001"
"""The newest migration; a test holds it against the scripts, so that opening need not import alembic."""

_WRITES = "sekimori_writes"
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_store(where: Path | str, *, busy_ms: int = 10_000) -> Engine:
    """Open the database at a path or URL, bring its tables up to date and return its engine."""
    engine = _sqlite(Path(where), busy_ms) if _is_path(where) else create_engine(str(where))
    try:
        if _revision(engine) != REVISION:
            _migrate(engine)
        _expect_all_tables(engine)
    except DatabaseError as fault:
        engine.dispose()
        raise StateError(
            f"The database {_shown(engine)} cannot be opened: {fault.orig}.",
            hint="Restore it from a backup, or look whether another program holds it.",
        ) from fault
    except StateError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give one consistent view of the whole database, which no writer disturbs."""
    if engine.dialect.name != "sqlite":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that commits at the end, or not at all."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def session(engine: Engine, *, writes: bool = True) -> Iterator[Session]:
    """Give a session for the repositories; what they did commits at the end, or not at all."""
    with Session(engine.execution_options(**{_WRITES: writes})) as opened, opened.begin():
        yield opened


def _is_path(where: Path | str) -> bool:
    return isinstance(where, Path) or "://" not in where


def _sqlite(path: Path, busy_ms: int) -> Engine:
    _make_private(path)
    # Statements go without SQLite's own implicit transactions: those begin with the first write and
    # fail at once when another writer was faster, whatever the timeout.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": busy_ms / 1000, "isolation_level": None}
    )
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(path: Path) -> None:
    # SQLite gives the write-ahead log the mode of the database: nobody else may read either. Never
    # open a database that is there already: closing it again would drop this process's locks on it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as fault:
        raise StateError(
            f"The database {path} cannot be made: {fault.strerror}.",
            hint="Check that the data folder exists and belongs to this user.",
        ) from fault


def _pragmas(connection: sqlite3.Connection, _: Any) -> None:
    # FULL: a commit that the archivist reports to the spool must outlive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    # One write transaction from look to commit: two processes that start together migrate once, and
    # a crash in between leaves the database as it was.
    with writing(engine) as connection:
        _refuse_foreign(connection)
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as fault:
            raise StateError(
                f"The database {_shown(engine)} was made by another version: {fault}.",
                hint="Start the version of Sekimori that made it, or a newer one.",
            ) from fault


def _refuse_foreign(connection: Connection) -> None:
    names = set(inspect(connection).get_table_names())
    if names and "alembic_version" not in names:
        raise StateError(
            f"The database {_shown(connection.engine)} is half made or belongs to another program.",
            hint="Move it away, or point --data at an empty folder.",
        )


def _expect_all_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        missing = set(tables.METADATA.tables) - set(inspect(connection).get_table_names())
    if missing:
        raise StateError(
            f"The database {_shown(engine)} lacks {', '.join(sorted(missing))}.",
            hint="Restore it from a backup.",
        )


def _shown(engine: Engine) -> str:
    return engine.url.database or engine.url.render_as_string(hide_password=True)
