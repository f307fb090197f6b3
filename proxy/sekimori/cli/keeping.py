"""Keys that an older installation lacks: added, or missed."""

from __future__ import annotations

from collections.abc import Collection

from sekimori.cli.opened import store, store_keys
from sekimori.cli.places import Places
from sekimori.cli.tree import KEYS_OF, ROLES


def complete(places: Places, roles: Collection[str] = ROLES) -> None:
    """Add the keys that an older release did not know; nothing happens where all are there.

    A process that runs some of the roles only looks: several of them hold the same keys, and one that made
    its own would seal what the others can't open.
    """
    from sekimori.gate.keyfiles import share_authority
    from sekimori.vault.keys import KeyRing

    if set(roles) == set(ROLES):
        KeyRing.complete(places.keys)
        share_authority(places.keys)
        _make_lock_store(places)
    else:
        KeyRing.check(places.keys, [folder for role in roles for folder in KEYS_OF[role]])
    if "archive" in roles:
        _found(places)


def _make_lock_store(places: Places) -> None:
    from sekimori.ledger.tlog.lockstore import SqliteLockStore

    path = places.lock_store
    # Where there are trees there was a lock store. One that was lost is not to be replaced by an empty one.
    if not path.exists() and not any(places.ledger.glob("*/checkpoint")):
        SqliteLockStore.create(path, data=places.data).close()


def _found(places: Places) -> None:
    from sekimori.store.rekeying import begin
    from sekimori.store.rotating import found

    keys = store_keys(places)
    with store(places) as engine:
        found(engine, keys)
        begin(engine, keys)
