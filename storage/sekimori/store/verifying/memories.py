"""What the outside says of each tree, read before the database so that the database can only be ahead of it.

The files of the trees that grow on this machine, and the lock store. Nothing here is compared yet.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.tlog.checkpoint import Opened, log_origin, log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.keys import ssh_line
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.note import Verifier
from sekimori.ledger.tlog.seams import Locked
from sekimori.ledger.tlog.shelf import CHECKPOINT, PUBLIC, VKEY, Shelf, read_edge

_LOOKS, _MOMENT_S = 10, 0.05
_SUPER = re.compile(r"super(-[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Outside:
    """Where the trees of this machine lie, the keys of their logs by name, and what remembers their heads.

    ``witnesses`` are those whose cosignatures are checked; one that is known and fails refuses a checkpoint.
    ``folders`` names the trees that lay on the disk, super-logs among them.
    """

    ledger: Path
    logs: Mapping[str, bytes]
    lock_store: Path | None = None
    witnesses: tuple[Verifier, ...] = ()
    folders: frozenset[str] = frozenset()

    @classmethod
    def now(
        cls,
        ledger: Path,
        publics: Callable[[], Mapping[str, bytes]],
        lock_store: Path | None = None,
        witnesses: tuple[Verifier, ...] = (),
    ) -> Outside:
        """Look at an installation that may be running: a log has its key before it has a folder."""
        there = _folders(ledger)
        return cls(ledger, publics(), lock_store, witnesses, there)

    def shelf(self, tree: str) -> Shelf:
        """Return the folder of a tree."""
        return Shelf(self.ledger / tree, LocalTree())


@dataclass(frozen=True, slots=True)
class Memory:
    """One tree as files and lock store have it; ``fault`` says why there is no checkpoint to go by.

    ``stale`` tells that the files lack leaves that the lock store remembers, ``keys`` which of the two files
    with its key say another one.
    """

    name: str
    public: bytes
    has_folder: bool = False
    published: Opened | None = None
    locked: Locked | None = None
    fault: str = ""
    stale: bool = False
    keys: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many leaves are published."""
        return self.published.checkpoint.size if self.published else 0


def is_super(name: str) -> bool:
    """Tell whether a log is a super-log; one that was given up is followed by another."""
    return _SUPER.fullmatch(name) is not None


def read_memories(outside: Outside, *, supers: bool) -> dict[str, Memory]:
    """Read the super-logs or the trees, as far as their logs have a key here."""
    locks = _LockStore(outside.lock_store)
    logs = sorted((name, key) for name, key in outside.logs.items() if is_super(name) == supers)
    try:
        return {name: _read(outside, locks, name, public) for name, public in logs}
    finally:
        locks.close()


def _folders(ledger: Path) -> frozenset[str]:
    if not ledger.is_dir():
        return frozenset()
    return frozenset(path.name for path in ledger.iterdir() if path.is_dir() and (path / CHECKPOINT).exists())


def _read(outside: Outside, locks: _LockStore, name: str, public: bytes) -> Memory:
    # The checkpoint first: the lock store is never behind it.
    shelf = outside.shelf(name)
    published, fault = _checkpoint(outside, shelf, public)
    locked = locks.read(log_origin(public))
    for _ in range(_LOOKS):
        if published is not None or fault or locked is None or not locked.head.size:
            break
        # Between its first word in the lock store and its first checkpoint an archivist needs a moment.
        time.sleep(_MOMENT_S)
        published, fault = _checkpoint(outside, shelf, public)
        locked = locks.read(log_origin(public))
    return Memory(
        name,
        public,
        shelf.folder.is_dir(),
        published,
        locked,
        fault,
        stale=_is_stale(shelf, published, locked),
        keys=tuple(_other_keys(shelf, public)) if published else (),
    )


def _checkpoint(outside: Outside, shelf: Shelf, public: bytes) -> tuple[Opened | None, str]:
    """Return what is published, or why that can't be said."""
    try:
        data = shelf.files.read(shelf.folder / CHECKPOINT)
        return open_checkpoint(data, log_verifier(public), outside.witnesses), ""
    except FileNotFoundError:
        return None, ""  # a log that published nothing yet, or that is gone: the lock store knows
    except IntegrityError as error:
        return None, error.message
    except OSError as error:
        return None, f"it can't be read: {error.strerror}"


def _is_stale(shelf: Shelf, published: Opened | None, locked: Locked | None) -> bool:
    """Tell whether the files were there once and are not: tiles are durable before the lock store hears.

    A crash before publishing leaves an older checkpoint, and every leaf.
    """
    size = published.checkpoint.size if published else 0
    if locked is None or locked.head.size <= size:
        return False
    try:
        return read_edge(shelf, locked.head.size).frontier().root() != locked.head.root
    except (IntegrityError, OSError):
        return True


def _other_keys(shelf: Shelf, public: bytes) -> Iterator[str]:
    """Name the files that tell readers another key than the log has."""
    for path, text in ((VKEY, log_verifier(public).vkey + "\n"), (PUBLIC, ssh_line(public))):
        try:
            if shelf.get(path) != text.encode():
                yield path
        except (IntegrityError, OSError):
            yield path


class _LockStore:
    """The lock store, or nothing where there is none."""

    def __init__(self, path: Path | None) -> None:
        self._store = SqliteLockStore(path) if path is not None and path.is_file() else None

    def read(self, origin: str) -> Locked | None:
        return self._store.read(origin) if self._store else None

    def close(self) -> None:
        if self._store:
            self._store.close()


def expect_lock_store(outside: Outside) -> None:
    """Raise StateError where logs were begun and what remembers their heads is gone."""
    if outside.lock_store is not None and outside.logs and not outside.lock_store.is_file():
        raise StateError(
            f"The lock store {outside.lock_store} is missing.",
            hint="Restore it; if it is lost, every tree must be forked: sekimori ledger fork.",
        )
