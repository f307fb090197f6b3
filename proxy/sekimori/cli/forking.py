"""``ledger fork`` from the command line: everything that a fork needs, opened and held."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sekimori.cli.checks import running
from sekimori.cli.config import Config
from sekimori.cli.opened import node, now_us, store
from sekimori.cli.outside import Outside
from sekimori.cli.places import Places
from sekimori.cli.trees import ledger
from sekimori.errors import StateError
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.store.forking import Decision, Fork, Forked
from sekimori.store.superlog_keeper import is_super


def forked(places: Places, config: Config, logs: Sequence[str], *, reason: str, by: str) -> Iterator[Forked]:
    """Give up one log after the other, the super-log first; yields what was done."""
    if running(places) or running(places, ("archive",)):
        raise StateError(
            f"The archivist works on {places.data} and holds its logs.", hint="Stop it, then fork."
        )
    _check_user(places)
    logs = sorted(logs, key=lambda name: not is_super(name))
    _replace_lost_lock_store(places, logs)
    outside = Outside(config.ledger, places)
    try:
        with ledger(places) as opened, store(places) as engine:
            fork = Fork(opened, engine, node(places), outside.cosign)
            for name in logs:
                yield fork.fork(name, Decision(reason, by, now_us()))
    finally:
        outside.close()


def _check_user(places: Places) -> None:
    """Refuse root where the logs are another user's: that user could not go on with what root wrote."""
    if os.geteuid() == 0 and places.ledger.exists() and (owner := places.ledger.stat().st_uid) != 0:
        raise StateError(
            f"The logs in {places.ledger} belong to another user than root.",
            hint=f"Run it as that user, id {owner}.",
        )


def _replace_lost_lock_store(places: Places, logs: Sequence[str]) -> None:
    """Begin a new lock store where it was lost: the super-log must be given up with it."""
    if places.lock_store.exists():
        return
    if not logs or not is_super(logs[0]):
        raise StateError(
            f"The lock store {places.lock_store} is missing.",
            hint="Restore it. If it is lost, give up the super-log first, then every tree that grows: "
            "sekimori ledger fork super.",
        )
    SqliteLockStore.create(places.lock_store, data=places.data).close()
