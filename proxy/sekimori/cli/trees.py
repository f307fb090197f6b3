"""The trees of one installation, opened the way the archivist and the commands need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sekimori.cli.places import Places
from sekimori.errors import SekimoriError

if TYPE_CHECKING:
    from sekimori.ledger.tlog.lockstore import SqliteLockStore
    from sekimori.store.logkeys import LogKeys
    from sekimori.store.superlog_keeper import Ledger, Remembered


def log_keys(places: Places) -> LogKeys:
    """Name the keys of this machine's logs.

    Machines that share a database share the key folder that seals it, but never a log: where the folder was
    copied, each has a folder of its own in it.
    """
    from sekimori.cli.opened import node
    from sekimori.store.logkeys import LogKeys

    folder, name = places.log_keys, node(places)
    return LogKeys(folder / name if places.url else folder)


@contextmanager
def lock_store(places: Places) -> Iterator[SqliteLockStore]:
    """Open the memory of what was signed."""
    from sekimori.ledger.tlog.lockstore import SqliteLockStore

    locks = SqliteLockStore(places.lock_store)
    try:
        yield locks
    finally:
        locks.close()


@contextmanager
def ledger(places: Places, remembered: Remembered | None = None) -> Iterator[Ledger]:
    """Open everything that the trees need but the database."""
    from sekimori.cli.opened import store_keys
    from sekimori.store.statements import required
    from sekimori.store.superlog_keeper import Ledger

    signing = required(store_keys(places).signing)
    with lock_store(places) as locks:
        yield Ledger(places.ledger, log_keys(places), locks, signing, None, remembered)


def check_start(places: Places, remembered: Remembered | None = None) -> list[str]:
    """Hold every tree against what remembers it outside; return a sentence for each that differs."""
    from sekimori.store.superlog_keeper import contradictions

    if not log_keys(places).names():
        return []
    try:
        with ledger(places, remembered) as opened:
            return contradictions(opened)
    except SekimoriError as error:
        return [str(error)]
