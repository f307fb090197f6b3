"""Lanes: who numbers entries, how far each has come, and the sealed memory of both.

A lane has one writer. Workers number their own in the spool; what the store itself has to say
(``unknown-crash`` outcomes, readings) goes into lanes that are numbered here, under the lane's lock.
The figures of a lane are sealed beside the readable ones, and so is the list of all lanes: a cut tail
and a removed lane show. The caller owns the transaction.

Whoever changes several locks a spool's lane first, then its own, then the list: so that archivists on
many nodes wait for one another and never in a ring. A lane belongs to the node that opened it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, exists, insert, select, update

from sekimori.errors import IntegrityError
from sekimori.store.bulk import insert_absent
from sekimori.store.rows import Cipher, decoded, place
from sekimori.store.tables import LANE, LANE_LIST

ARCHIVIST = "archivist"
"""Begins the name of the lane that each node's archivist has; its node ends it."""
READINGS = "readings-1"


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a lane has come: numbers 1 to ``last_n`` are stored, nothing else is.

    ``position`` is where reading its spool goes on; empty at its start, and for the store's own lanes.
    ``node`` is who ships it; empty for lanes from before there were several, and for those of no node.
    """

    last_n: int = 0
    opened_us: int
    closed_us: int | None = None
    torn_bytes: int = 0
    position: str = ""
    node: str = ""


_ENCODER = msgspec.msgpack.Encoder()
_STATE: msgspec.msgpack.Decoder[LaneState] = msgspec.msgpack.Decoder(LaneState)
_NAMES: msgspec.msgpack.Decoder[list[str]] = msgspec.msgpack.Decoder(list[str])
_LIST_PLACE = place("lane_list", "", 0, "")


def open_state(cipher: Cipher, name: str, row: Any) -> LaneState:
    """Read a ``lane`` row; raise IntegrityError unless seal and columns say the same."""
    state = decoded(_STATE, cipher.open(row.sealed, _place(name)))
    if msgspec.structs.asdict(state) != {name: getattr(row, name) for name in LaneState.__struct_fields__}:
        raise IntegrityError(f"Lane {name} shows other figures than it sealed.")
    return state


def open_list(cipher: Cipher, sealed: bytes) -> list[str]:
    """Read the list of all lanes; raise IntegrityError when it is not what was written."""
    return decoded(_NAMES, cipher.open(sealed, _LIST_PLACE))


def reseal_lanes(connection: Connection, old: Cipher, new: Cipher) -> None:
    """Seal what is known of all lanes under another key; whoever does it ships nothing meanwhile.

    What was altered doesn't open, and is left to be named by whoever reads it.
    """
    listed = connection.execute(select(LANE_LIST.c.sealed).with_for_update()).scalar()
    with suppress(IntegrityError):
        if listed is not None:
            sealed = new.seal(old.open(listed, _LIST_PLACE), _LIST_PLACE)
            connection.execute(update(LANE_LIST).values(sealed=sealed))
    for row in connection.execute(select(LANE.c.name, LANE.c.sealed).with_for_update()).all():
        with suppress(IntegrityError):
            sealed = new.seal(old.open(row.sealed, _place(row.name)), _place(row.name))
            connection.execute(update(LANE).where(LANE.c.name == row.name).values(sealed=sealed))


def lanes_under(connection: Connection, old: Cipher, new: Cipher) -> Iterator[str]:
    """Yield the lanes whose counters open with the old key and not with the new; the list of lanes is ``*``."""
    listed = connection.execute(select(LANE_LIST.c.sealed)).scalar()
    if listed is not None and _is_under(listed, _LIST_PLACE, old, new):
        yield "*"
    for row in connection.execute(select(LANE.c.name, LANE.c.sealed)):
        if _is_under(row.sealed, _place(row.name), old, new):
            yield row.name


def _is_under(sealed: bytes, where: bytes, old: Cipher, new: Cipher) -> bool:
    try:
        new.open(sealed, where)
    except IntegrityError:
        try:
            old.open(sealed, where)
        except IntegrityError:
            return False
        return True
    return False


def _place(name: str) -> bytes:
    return place("lane", name, 0, "")


class LaneRepo:
    """The only code that writes ``lane`` and ``lane_list``."""

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def names(self) -> list[str]:
        """Return every lane that was ever opened, from the sealed list."""
        # In one statement, and so in one view: another may be opening the first of all lanes.
        listed = select(LANE_LIST.c.sealed).scalar_subquery()
        sealed, any_lane = self._connection.execute(select(listed, exists(select(LANE.c.name)))).one()
        if sealed is not None:
            return open_list(self._cipher, sealed)
        if any_lane:
            raise IntegrityError("The list of lanes is gone, although there are lanes.")
        return []

    def state(self, name: str, *, lock: bool = True) -> LaneState | None:
        """Return how far a lane has come, None for one that was never opened; hold it unless told not to."""
        query = select(LANE).where(LANE.c.name == name)
        # FOR UPDATE matters to PostgreSQL; SQLite's write lock is held already.
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else open_state(self._cipher, name, row)

    def growing(self, node: str) -> set[str]:
        """Name the lanes of that node's spool whose end is not stored yet."""
        query = select(LANE.c.name).where(
            LANE.c.node == node, LANE.c.closed_us.is_(None), LANE.c.position != ""
        )
        return set(self._connection.execute(query).scalars())

    def open(self, name: str, now_us: int, *, node: str = "") -> LaneState:
        """Return the lane's state; a lane that is new enters the sealed list first."""
        if (state := self.state(name)) is not None:
            return _owned(name, state, node)
        names = self._hold_list()
        if (state := self.state(name)) is not None:
            return _owned(name, state, node)  # another opened it while we waited for the list
        if name in names:
            raise IntegrityError(f"Lane {name} is gone, although the list of lanes names it.")
        state = LaneState(opened_us=now_us, node=node)
        self._connection.execute(update(LANE_LIST).values(sealed=self._sealed_list([*names, name])))
        self._connection.execute(insert(LANE), [{"name": name, **self._columns(name, state)}])
        return state

    def save(self, name: str, state: LaneState) -> None:
        """Write how far the lane has come."""
        change = update(LANE).where(LANE.c.name == name).values(**self._columns(name, state))
        self._connection.execute(change)

    def _columns(self, name: str, state: LaneState) -> dict[str, Any]:
        sealed = self._cipher.seal(_ENCODER.encode(state), _place(name))
        return {**msgspec.structs.asdict(state), "sealed": sealed}

    def _hold_list(self) -> list[str]:
        """Return the list and hold it; where there is none yet, whoever comes first makes it."""
        if not self.names():
            insert_absent(self._connection, LANE_LIST, [{"id": 1, "sealed": self._sealed_list([])}])
        query = select(LANE_LIST.c.sealed).with_for_update()
        return open_list(self._cipher, self._connection.execute(query).scalar_one())

    def _sealed_list(self, names: list[str]) -> bytes:
        return self._cipher.seal(_ENCODER.encode(sorted(names)), _LIST_PLACE)


def _owned(name: str, state: LaneState, node: str) -> LaneState:
    """Return the state for the node that ships it; refuse another's."""
    if state.node not in ("", node):
        raise IntegrityError(
            f"Lane {name} belongs to node {state.node}, this is node {node}.",
            hint="Two machines share a spool or a name; find out which of them wrote this lane.",
        )
    return msgspec.structs.replace(state, node=node) if node else state
