"""Lanes: who numbers entries, how far each has come, and the sealed memory of both.

A lane has one writer. Workers number their own in the spool; what the store itself has to say
(``unknown-crash`` outcomes, readings) goes into lanes that are numbered here, under the write lock.
The figures of a lane are sealed beside the readable ones, and so is the list of all lanes: a cut tail
and a removed lane show. The caller owns the transaction.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from sekimori.errors import IntegrityError
from sekimori.store.rows import Cipher, decoded, place
from sekimori.store.tables import LANE, LANE_LIST

ARCHIVIST = "archivist-1"
READINGS = "readings-1"


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a lane has come: numbers 1 to ``last_n`` are stored, nothing else is.

    ``position`` is where reading its spool goes on; empty at its start, and for the store's own lanes.
    """

    last_n: int = 0
    opened_us: int
    closed_us: int | None = None
    torn_bytes: int = 0
    position: str = ""


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


def _place(name: str) -> bytes:
    return place("lane", name, 0, "")


class LaneRepo:
    """The only code that writes ``lane`` and ``lane_list``."""

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def names(self) -> list[str]:
        """Return every lane that was ever opened, from the sealed list."""
        sealed = self._connection.execute(select(LANE_LIST.c.sealed)).scalar()
        if sealed is not None:
            return open_list(self._cipher, sealed)
        if self._connection.execute(select(LANE.c.name).limit(1)).scalar() is not None:
            raise IntegrityError("The list of lanes is gone, although there are lanes.")
        return []

    def state(self, name: str) -> LaneState | None:
        """Return how far a lane has come, None for one that was never opened."""
        # FOR UPDATE matters to PostgreSQL; SQLite's write lock is held already.
        query = select(LANE).where(LANE.c.name == name).with_for_update()
        row = self._connection.execute(query).first()
        return None if row is None else open_state(self._cipher, name, row)

    def open(self, name: str, now_us: int) -> LaneState:
        """Return the lane's state; a lane that is new enters the sealed list first."""
        if (state := self.state(name)) is not None:
            return state
        names = self.names()
        if name in names:
            raise IntegrityError(f"Lane {name} is gone, although the list of lanes names it.")
        state = LaneState(opened_us=now_us)
        self._write_list([*names, name], first=not names)
        self._connection.execute(insert(LANE), [{"name": name, **self._columns(name, state)}])
        return state

    def save(self, name: str, state: LaneState) -> None:
        """Write how far the lane has come."""
        change = update(LANE).where(LANE.c.name == name).values(**self._columns(name, state))
        self._connection.execute(change)

    def _columns(self, name: str, state: LaneState) -> dict[str, Any]:
        sealed = self._cipher.seal(_ENCODER.encode(state), _place(name))
        return {**msgspec.structs.asdict(state), "sealed": sealed}

    def _write_list(self, names: list[str], *, first: bool) -> None:
        sealed = self._cipher.seal(_ENCODER.encode(sorted(names)), _LIST_PLACE)
        if first:
            self._connection.execute(insert(LANE_LIST), [{"id": 1, "sealed": sealed}])
        else:
            self._connection.execute(update(LANE_LIST).values(sealed=sealed))
