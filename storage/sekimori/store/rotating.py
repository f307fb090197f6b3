"""Epochs change and keys die, in the tables of the store: the vault's ``Rotation`` on one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched

from sqlalchemy import Connection, Engine, delete, select

from sekimori.errors import IntegrityError
from sekimori.store import events
from sekimori.store.clearing import expect_gone
from sekimori.store.engine import writing_by_itself
from sekimori.store.events import Event, EventRepo, open_event
from sekimori.store.holding import StoreKeys
from sekimori.store.keyrows import SqlKeyRows
from sekimori.store.tables import ANCHOR, EVENT
from sekimori.store.tagrows import SqlTagRows
from sekimori.vault.datakey import DataKey
from sekimori.vault.files import destroy_secret, write_secret
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.living import LivingKeys
from sekimori.vault.rotation import Rotation, Shredded
from sekimori.vault.slots import GoneRow

_FIRST = 1
_NAMED = 200
"""Data keys or records in one row of the gone: an item of the living keys' file is bounded."""


def rotation(connection: Connection, keys: StoreKeys) -> Rotation:
    """Return the rotation on a connection of ``writing_by_itself``: it commits before it destroys a key."""
    hierarchy = KeyHierarchy(SqlKeyRows(connection, alone=True), keys.kek, cache=keys.cache)
    living = LivingKeys(keys.living)
    return Rotation(hierarchy, living, rekeyed=_Rekeyed(connection), gone=lambda: _gone(connection, keys))


@contextmanager
def rotating(engine: Engine, keys: StoreKeys) -> Iterator[Rotation]:
    """Give a rotation for a while; nobody stores a record between its first look and its commit."""
    with writing_by_itself(engine) as connection:
        yield rotation(connection, keys)


class _Rekeyed:
    """Brings along what was keyed with a data key that was replaced.

    Tags are made anew. Anchors go: under the new key nobody asks for them, and the next turn of a
    conversation is stored whole once. Large pieces keep their addresses, which manifests name.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tags = SqlTagRows(connection)

    def __call__(self, old: DataKey | None, fresh: DataKey, kept: Mapping[tuple[str, str], bytes]) -> None:  # noqa: ARG002 (told by whoever replaces)
        """Bring along some of the living records of the data key."""
        record_keys = {rid: key for (rid, part), key in kept.items() if not part}
        self._tags.retag(fresh, record_keys)
        if record_keys:
            stale = ANCHOR.c.rid.in_(list(record_keys))
            self._connection.execute(delete(ANCHOR).where(stale))
            expect_gone(self._connection, ANCHOR, stale)


def _gone(connection: Connection, keys: StoreKeys) -> Iterator[GoneRow]:
    """Yield what sealed orders say was destroyed: nobody else's word has a record called erased."""
    yield GoneRow((), ())
    query = select(EVENT).where(EVENT.c.kind.in_((events.ERASE, events.RETIRE)))
    for row in connection.execute(query).all():
        try:
            event = open_event(keys.cipher, row)
        except IntegrityError:
            continue  # verify names it
        yield from (GoneRow(some, ()) for some in batched(event.data_keys, _NAMED))
        yield from (GoneRow((), some) for some in batched(event.records, _NAMED))


def found(engine: Engine, keys: StoreKeys) -> None:
    """Start the first epoch of an installation; where there is one already, make sure that it opens.

    A file beside the living keys says that this is going on: a key that a crash left without its row is
    known by it, and made anew. Without that file it stands for a database that is not here.
    """
    mark = keys.living.with_name("founding")
    with writing_by_itself(engine) as connection:
        rows = SqlKeyRows(connection, alone=True)
        if not rows.epochs():
            if mark.exists():
                keys.kek.destroy(_FIRST)
            elif not keys.kek.epochs():
                write_secret(mark, b"")
        hierarchy = KeyHierarchy(rows, keys.kek, cache=keys.cache)
        hierarchy.found()
        hierarchy.epoch(hierarchy.current())
    destroy_secret(mark)


def rotate(
    engine: Engine, keys: StoreKeys, *, clock: Callable[[], int], new_id: Callable[[], str], by: str
) -> Shredded:
    """Start a new epoch without erasing anything: wrapped keys change, and a leaf says that they did."""
    with writing_by_itself(engine) as connection:
        turning = rotation(connection, keys)

        def say(old: int, new: int, living: int) -> None:
            said = {"old_epoch": old, "new_epoch": new, "data_keys": living}
            EventRepo(connection, keys.cipher).add(new_id(), events.ROTATE, clock(), Event(said=said, by=by))

        return turning.rotate(said=say)


def settle(engine: Engine, keys: StoreKeys) -> None:
    """Finish what a crash interrupted: called before anything is stored."""
    with rotating(engine, keys) as turning:
        turning.settle()
