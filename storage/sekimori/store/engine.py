"""Open the database: SQLite beside the spool, or one PostgreSQL for many nodes.

Everything else asks for ``reading`` (one consistent view) or ``writing`` (a transaction). On SQLite the
latter holds the write lock from its first statement; on PostgreSQL writers meet at the rows that they
lock: a lane's, the list of lanes, and for accounts and policy the one row of ``turn``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from sekimori.errors import IntegrityError, StateError
from sekimori.store import postgres, tables

REVISION = "0005"
"""The newest migration; a test holds it against the scripts, so that opening need not import alembic."""

_OPENING = {
    "sqlite": "Restore it from a backup, or look whether another program holds it.",
    "postgresql": "Look whether it runs, and whether [storage] url names a user who may do this.",
}
_FILE_URL = "sqlite:///"
_FOREIGN = {
    "sqlite": "Move it away, or point --data at an empty folder.",
    "postgresql": "Name an empty database in [storage] url.",
}
_WRITES = "sekimori_writes"
_SPARE_BYTES = 256 << 20
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_store(where: Path | str, *, busy_ms: int = 10_000) -> Engine:
    """Open the database at a path or URL, bring its tables up to date and return its engine."""
    path = _path_of(where)
    engine = postgres.connect(str(where), busy_ms) if path is None else _sqlite(path, busy_ms)
    try:
        if _revision(engine) != REVISION:
            _migrate(engine)
        _expect_all_tables(engine)
    except DatabaseError as fault:
        engine.dispose()
        raise StateError(
            f"The database {_shown(engine)} cannot be opened: {_sentence(fault)}.",
            hint=_OPENING[engine.dialect.name],
        ) from fault
    except StateError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give one consistent view of the whole database, which no writer disturbs."""
    with _one_view(engine).connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that commits at the end, or not at all."""
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def writing_by_itself(engine: Engine) -> Iterator[Connection]:
    """Give a connection that writes; whoever uses it commits, and what is left at the end is undone."""
    with engine.execution_options(**{_WRITES: True}).connect() as connection:
        yield connection


def is_writing(connection: Connection) -> bool:
    """Tell whether a connection may write."""
    return bool(connection.get_execution_options().get(_WRITES))


@contextmanager
def session(engine: Engine, *, writes: bool = True) -> Iterator[Session]:
    """Give a session for the repositories; what they did commits at the end, or not at all."""
    engine = engine.execution_options(**{_WRITES: True}) if writes else _one_view(engine)
    with Session(engine) as opened, opened.begin():
        if writes:
            take_turn(opened.connection())
        yield opened


def _one_view(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def take_turn(connection: Connection) -> None:
    """Wait until nobody else changes accounts, policy or what is governed; until the transaction ends."""
    # SQLite's writers wait for one another anyhow. Here, two that change accounts would give both
    # changes one number, and the publisher would miss the later one.
    if connection.dialect.name == "sqlite":
        return
    if connection.execute(select(tables.TURN.c.id).with_for_update()).first() is None:
        raise IntegrityError(
            "The row of the table turn is gone, which orders those who change accounts and policy.",
            hint="Find out who edited the database, then: INSERT INTO turn VALUES (1).",
        )


def _path_of(where: Path | str) -> Path | None:
    if isinstance(where, Path) or "://" not in where:
        return Path(where)
    return Path(where.removeprefix(_FILE_URL)) if where.startswith(_FILE_URL) else None


def _sqlite(path: Path, busy_ms: int) -> Engine:
    _make_private(path)
    # Statements go without SQLite's own implicit transactions: those begin with the first write and
    # fail at once when another writer was faster, whatever the timeout.
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": busy_ms / 1000, "isolation_level": None},
        hide_parameters=True,  # an error of the database must not quote what was to be stored
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
    # FULL: a commit that the archivist reports to the spool must outlive a power cut. What is deleted is
    # overwritten: an erasure that left it in free pages would be none.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
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
        if engine.dialect.name == "postgresql":
            postgres.lock_for_migration(connection)
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
            hint=_FOREIGN[connection.dialect.name],
        )


def _expect_all_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        missing = set(tables.METADATA.tables) - set(inspect(connection).get_table_names())
    if missing:
        raise StateError(
            f"The database {_shown(engine)} lacks {', '.join(sorted(missing))}.",
            hint="Restore it from a backup.",
        )


def rewrite(engine: Engine) -> None:
    """Rewrite the database file without what was deleted from it."""
    if engine.dialect.name == "sqlite":
        # VACUUM knows no transaction.
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")
        return
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for name in sorted(tables.METADATA.tables):
            connection.execute(text(f"VACUUM {name}"))


def missing_room(engine: Engine) -> int:
    """Say how many bytes more must be free for ``rewrite``: SQLite writes all of it twice, beside the spool."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return 0
    path = Path(engine.url.database)
    return 2 * path.stat().st_size + _SPARE_BYTES - shutil.disk_usage(path.parent).free


def cut_log(engine: Engine) -> bool:
    """Empty SQLite's write-ahead log, which repeats old pages; say whether all of it could go."""
    if engine.dialect.name != "sqlite":
        return True
    with closing(engine.raw_connection()) as connection:
        busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _sentence(fault: DatabaseError) -> str:
    lines = str(fault.orig).strip().splitlines() or ["no reason was given"]
    return lines[0].rstrip(".")


def _shown(engine: Engine) -> str:
    # The user and the password of a URL stay unsaid.
    url = engine.url
    at = f" on {url.host or url.query.get('host')}" if engine.dialect.name == "postgresql" else ""
    return f"{url.database}{at}"
