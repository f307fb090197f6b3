"""After a database was restored from a backup: the living come back, and what was erased since goes again.

The vault gives the rows their keys back (``Rotation.reinstate``). What has no key then was erased after the
backup was taken: its text no longer opens, but its tokens and columns came back with the backup. They are
cleared anew, and an event says so. A record that had lost its key before is not among them, nor one whose key is
gone without an order: these are for ``verify`` to name, and whoever deleted keys must not get an order for it. A
crash in between is finished by the next call, which knows them from a sealed row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Engine, and_, delete, select

from sekimori.errors import IntegrityError
from sekimori.store import events
from sekimori.store.bulk import insert_absent
from sekimori.store.clearing import ERASED
from sekimori.store.engine import reading
from sekimori.store.events import Event, EventRepo
from sekimori.store.holding import StoreKeys
from sekimori.store.rotating import rotation
from sekimori.store.tables import RECORD, RECORD_KEY, UPKEEP
from sekimori.store.taking import Gone, alone, take
from sekimori.store.works import expect_moved, position_of

REINSTATE_WORK = "reinstate"
"""Names the row of ``upkeep`` that stands while what was erased is not cleared again."""

_PLACE = b"reinstate\0"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Reinstated:
    """How many data keys live again, and how many records were cleared again."""

    data_keys: int
    cleared: int


def reinstate(
    engine: Engine, keys: StoreKeys, *, clock: Callable[[], int], new_id: Callable[[], str]
) -> Reinstated:
    """Give a database from before the last rotation its living keys; clear what was erased since.

    Raises IntegrityError at the end, with the rest done, where records lost their keys without an order.
    """
    with reading(engine) as connection:
        expect_moved(connection)
        unfinished = position_of(connection, REINSTATE_WORK)
    if unfinished is not None:
        _keyless_before(unfinished, keys)  # a row that somebody else wrote must not have anything cleared
    living, lost = 0, list[str]()
    if unfinished is None:
        with alone(engine) as connection:
            before = frozenset(_keyless(connection))

            def remember(unaccounted: Collection[str]) -> None:
                lost.extend(rid for rid in _keyless(connection) if rid in unaccounted and rid not in before)
                sealed = keys.cipher.seal(msgspec.msgpack.encode([*before, *lost]), _PLACE).hex()
                insert_absent(connection, UPKEEP, [{"name": REINSTATE_WORK, "position": sealed}])

            living = rotation(connection, keys).reinstate(remember)
    with alone(engine) as connection:
        cleared = _clear_again(connection, keys, clock(), new_id())
        connection.commit()
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise IntegrityError(
            f"{living} data keys live again and {cleared} records were cleared again, but {len(lost)} lost their"
            f" key without an order: {', '.join(lost[:_SHOWN])}{more}.",
            hint="Somebody removed or altered it before a rotation. They stay as they are; sekimori verify.",
        )
    return Reinstated(living, cleared)


def _clear_again(connection: Connection, keys: StoreKeys, now_us: int, id_: str) -> int:
    before = _keyless_before(position_of(connection, REINSTATE_WORK) or "", keys)
    rids = tuple(rid for rid in _keyless(connection) if rid not in before)
    if rids:
        take(connection, rids)
        gone = Gone((), rids, rids, ())
        event = Event(said=gone.said("restored"), records=rids)
        EventRepo(connection, keys.cipher).add(id_, events.ERASE, now_us, event)
    connection.execute(delete(UPKEEP).where(UPKEEP.c.name == REINSTATE_WORK))
    return len(rids)


def _keyless(connection: Connection) -> list[str]:
    """Return the records that have no key and of which nobody said that they were erased."""
    keyless = select(RECORD.c.rid).outerjoin(RECORD_KEY, RECORD_KEY.c.rid == RECORD.c.rid)
    query = keyless.where(and_(RECORD_KEY.c.rid.is_(None), RECORD.c.state != ERASED))
    return sorted(connection.execute(query).scalars())


def _keyless_before(position: str, keys: StoreKeys) -> frozenset[str]:
    try:
        return frozenset(
            msgspec.msgpack.decode(keys.cipher.open(bytes.fromhex(position), _PLACE), type=list[str])
        )
    except (ValueError, IntegrityError) as error:
        raise IntegrityError(
            "The row of a reinstatement that was cut short is not what was written there; nothing was changed.",
            hint="Restore the database from its backup again, then: sekimori keys reinstate.",
        ) from error
