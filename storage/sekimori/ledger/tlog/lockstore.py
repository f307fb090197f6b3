"""A lock store in one SQLite file: on other storage than the log, best on another host.

Whoever can change it can make the log sign two histories: it belongs outside the data folder and out of
the database administrator's reach. It is made on purpose, never by opening it: a wrong path must not look
like a memory that is empty.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sekimori.errors import StateError
from sekimori.ledger.files import fsync_folder
from sekimori.ledger.tlog.seams import Head, LaneState, Locked

_SCHEMA = """
CREATE TABLE heads (
  origin TEXT PRIMARY KEY, lane TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
  time_us INTEGER NOT NULL, state TEXT NOT NULL, published INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
_MATCH = "origin = ? AND size = ? AND root = ? AND time_us = ? AND state = 'open'"
_BUSY_SECONDS = 5.0

_MODE = 0o600  # it lies among keys, which nobody else may read


class SqliteLockStore:
    """Heads of logs, each changed only from what its writer last saw."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StateError(
                f"The lock store {path} is missing.",
                hint="If it was lost, every lane must be forked: sekimori ledger fork.",
            )
        self._path = path
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @classmethod
    def create(cls, path: Path, *, data: Path | None = None) -> SqliteLockStore:
        """Make an empty store; raises StateError if it is there or lies in the data folder."""
        if data is not None and path.resolve().is_relative_to(data.resolve()):
            raise StateError(
                f"The lock store {path} lies inside the data folder {data}.",
                hint="Put it on other storage: restoring the data must not restore it too.",
            )
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except OSError as error:
            raise StateError(f"The lock store {path} can't be made: {error.strerror}.") from error
        store = cls(path)
        with store._changing() as connection:
            connection.execute(_SCHEMA)
        fsync_folder(path.parent)
        return store

    def read(self, origin: str) -> Locked | None:
        """Return what is remembered of a log."""
        try:
            row = self._connection.execute(
                "SELECT size, root, time_us, state, published FROM heads WHERE origin = ?", (origin,)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        if row is None:
            return None
        return Locked(Head(row[0], row[1], row[2]), LaneState(row[3]), bool(row[4]))

    def register(self, origin: str, lane: str, head: Head) -> None:
        """Remember a new log."""
        with self._changing() as connection:
            known = connection.execute("SELECT 1 FROM heads WHERE origin = ?", (origin,)).fetchone()
            if known:
                raise StateError(f"The lock store {self._path} knows the log of lane {lane} already.")
            connection.execute(
                "INSERT INTO heads VALUES (?, ?, ?, ?, ?, 'open', 0)",
                (origin, lane, head.size, head.root, head.time_us),
            )

    def swap(self, origin: str, old: Head, new: Head) -> None:
        """Replace the head of an open log."""
        values = (new.size, new.root, new.time_us)
        self._change("size = ?, root = ?, time_us = ?", values, origin, old)

    def note_published(self, origin: str) -> None:
        """Remember that the log has a checkpoint."""
        with self._changing() as connection:
            connection.execute("UPDATE heads SET published = 1 WHERE origin = ?", (origin,))

    def end(self, origin: str, old: Head, state: LaneState) -> None:
        """Say that a log never grows again."""
        self._change("state = ?", (state.value,), origin, old)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _change(self, what: str, values: tuple[object, ...], origin: str, old: Head) -> None:
        with self._changing() as connection:
            changed = connection.execute(
                f"UPDATE heads SET {what} WHERE {_MATCH}",  # noqa: S608  (both are constants of this file)
                (*values, origin, old.size, old.root, old.time_us),
            )
            if changed.rowcount != 1:
                raise StateError(
                    f"The lock store {self._path} doesn't remember what this log's writer remembers.",
                    hint="Another writer went on, or one of the two was restored from a backup.",
                )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when it ends; raises StateError where SQLite fails."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> StateError:
        return StateError(f"The lock store {self._path} can't be used: {error}.")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        # EXTRA also syncs the folder after the journal is gone: a commit that returned is never undone.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
