"""What a witness remembers: its logs, and of each the checkpoint that it cosigned last. One SQLite file.

It is made on purpose, never by opening it: a witness that lost its memory must not sign under the same key
as if it had never seen anything.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sekimori.errors import StateError
from sekimori.ledger.files import fsync_folder
from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.note import Verifier, parse_vkey

_LOGS = """
CREATE TABLE logs (origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)) STRICT, WITHOUT ROWID
"""
_HEADS = """
CREATE TABLE heads (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, note BLOB NOT NULL
) STRICT, WITHOUT ROWID
"""
_BUSY_SECONDS = 5.0
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Remembered:
    """A checkpoint that was cosigned, when (in seconds), and the bytes that are given out."""

    checkpoint: Checkpoint
    time: int
    note: bytes


class WitnessMemory:
    """Logs and their heads; a head changes only from what its reader last saw, and durably."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StateError(
                f"The witness's memory {path} is missing.",
                hint="If it was lost, make a new witness under another key: sekimori witness init.",
            )
        self._path = path
        self._lock = threading.Lock()
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @classmethod
    def create(cls, path: Path) -> WitnessMemory:
        """Make an empty memory; raises StateError if there is one."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
        except OSError as error:
            raise StateError(f"The witness's memory {path} can't be made: {error.strerror}.") from error
        memory = cls(path)
        with memory._changing() as connection:
            for statement in (_LOGS, _HEADS):
                connection.execute(statement)
        fsync_folder(path.parent)
        return memory

    def add_log(self, verifier: Verifier) -> bool:
        """Accept a log from now on; tells whether its key is new here."""
        with self._changing() as connection:
            added = connection.execute(
                "INSERT INTO logs VALUES (?, ?) ON CONFLICT DO NOTHING", (verifier.name, verifier.vkey)
            )
            return added.rowcount == 1

    def logs(self) -> dict[str, tuple[Verifier, ...]]:
        """Return the keys of each log by its origin."""
        known: dict[str, tuple[Verifier, ...]] = {}
        for origin, vkey in self._read("SELECT origin, vkey FROM logs ORDER BY origin, vkey"):
            known[origin] = (*known.get(origin, ()), parse_vkey(vkey))
        return known

    def latest(self, origin: str) -> Remembered | None:
        """Return what was cosigned last of a log."""
        rows = self._read("SELECT size, root, time, note FROM heads WHERE origin = ?", origin)
        for size, root, time, note in rows:
            return Remembered(Checkpoint(origin, size, root), time, note)
        return None

    def swap(self, old: Remembered | None, new: Remembered) -> bool:
        """Replace what is remembered, durably; tells whether ``old`` was what stood there."""
        head = new.checkpoint
        values = (head.size, head.root, new.time, new.note)
        with self._changing() as connection:
            if old is None:
                changed = connection.execute(
                    "INSERT INTO heads (size, root, time, note, origin) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (*values, head.origin),
                )
            else:
                changed = connection.execute(
                    "UPDATE heads SET size = ?, root = ?, time = ?, note = ?"
                    " WHERE origin = ? AND size = ? AND root = ? AND time = ?",
                    (*values, head.origin, old.checkpoint.size, old.checkpoint.root, old.time),
                )
            return changed.rowcount == 1

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _read(self, query: str, *values: object) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when it ends."""
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                with self._connection:
                    yield self._connection
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> StateError:
        return StateError(f"The witness's memory {self._path} can't be used: {error}.")


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
