"""What a command did or ordered, kept sealed until the archivist has stated it in leaves.

Only the archivist signs. A command that erases, holds or retires adds an event in the transaction of its
deed (``EventRepo.add``); the archivist turns it into a ``statement`` in its tree and a leaf of the super-log,
and then marks it as placed. ``said`` goes into both envelopes as it is, with the event's id as ``event``: it
names nobody. The legal basis in words, and who decided, stay here, inside the seal; and so do the kind and the
time that the row says beside it, since a leaf repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, text, update

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import Value, encode_envelope
from sekimori.store.rows import Cipher, decoded
from sekimori.store.tables import EVENT

ERASE, HOLD, UNHOLD, RETIRE = "erase", "hold", "unhold", "retire"
REENCRYPT = "reencrypt"
ROTATE = "rotate"
POLICY = "policy"
GOVERNED = "governed"
KINDS = (ERASE, HOLD, UNHOLD, RETIRE, REENCRYPT, ROTATE, POLICY, GOVERNED)

# In the words of the index, or SQLite does not use it.
_UNSTATED = text("NOT placed")
_TAKEN = frozenset({"k", "lane", "n", "t", "v"})
_AT_ONCE = 500
_MOST_US = 1 << 53


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part of a row: what the leaves say, and what only whoever holds the keys reads.

    ``data_keys`` and ``records`` are what went; the leaves give their number and the hash of their list.
    ``kind`` and ``time_us`` are the row's own; what an older release sealed has none, and of that the leaf
    alone says which they were.
    """

    said: dict[str, Any] = {}
    basis: str = ""
    approver: str = ""
    by: str = ""
    data_keys: tuple[bytes, ...] = ()
    records: tuple[str, ...] = ()
    kind: str = ""
    time_us: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """An event as it stands in the database."""

    id: str
    kind: str
    time_us: int
    event: Event

    @property
    def said(self) -> dict[str, Value]:
        """What the leaves say beside kind, place and time."""
        said: dict[str, Value] = {**self.event.said, "event": self.id}
        return said


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


class EventRepo:
    """Reads and writes ``event``, inside the caller's transaction."""

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def add(self, event_id: str, kind: str, time_us: int, event: Event) -> None:
        """Order leaves; they will stand once the caller's transaction commits."""
        if kind not in KINDS or not _TAKEN.isdisjoint(event.said):
            raise IntegrityError(f"An event of kind {kind} can't be stated like that.")
        encode_envelope(event.said)  # refused now, not when the archivist comes by
        bound = msgspec.structs.replace(event, kind=kind, time_us=time_us)
        sealed = self._cipher.seal(_ENCODER.encode(bound), _place(event_id))
        row = {"id": event_id, "kind": kind, "time_us": time_us, "sealed": sealed, "placed": False}
        self._connection.execute(insert(EVENT), [row])

    def waiting(self, limit: int) -> tuple[list[Noted], dict[str, str]]:
        """Return the oldest events that were not stated yet, and hold them; what another holds is left.

        Beside them stand those that are not what was written there, with the reason: nobody must state them,
        and they must keep nobody from stating the others, however many somebody wrote.
        """
        noted: list[Noted] = []
        altered: dict[str, str] = {}
        for row in self._unstated():
            try:
                noted.append(self._noted(row))
            except IntegrityError as error:
                altered[str(row.id)] = error.message
            if len(noted) == limit:
                break
        return noted, altered

    def find(self, event_id: str) -> Noted | None:
        """Return one event."""
        row = self._connection.execute(select(EVENT).where(EVENT.c.id == event_id)).first()
        return None if row is None else self._noted(row)

    def mark_placed(self, ids: Sequence[str]) -> None:
        """Say that events were stated."""
        self._connection.execute(update(EVENT).where(EVENT.c.id.in_(ids)).values(placed=True))

    def _unstated(self) -> Iterator[Any]:
        query = select(EVENT).where(_UNSTATED).order_by(EVENT.c.time_us, EVENT.c.id).limit(_AT_ONCE)
        offset = 0
        while rows := self._connection.execute(query.offset(offset).with_for_update(skip_locked=True)).all():
            yield from rows
            offset += len(rows)

    def _noted(self, row: Any) -> Noted:
        event = open_event(self._cipher, row)
        # Of what an older release sealed these columns are anybody's: what can't be stated is not taken up.
        if row.kind not in KINDS or not isinstance(row.time_us, int) or not 0 <= row.time_us < _MOST_US:
            raise IntegrityError("It has another kind or time than an event.")
        return Noted(row.id, row.kind, row.time_us, event)


def open_event(cipher: Cipher, row: Any) -> Event:
    """Read the sealed part of a row; raises IntegrityError when the row is not what was written there."""
    try:
        event = decoded(_DECODER, cipher.open(row.sealed, _place(row.id)))
    except (TypeError, AttributeError) as error:
        raise IntegrityError("It holds values of another kind.") from error  # SQLite keeps any in any column
    if event.kind and (event.kind, event.time_us) != (row.kind, row.time_us):
        raise IntegrityError("It is of another kind or time than was sealed.")
    return event


def _place(event_id: str) -> bytes:
    return b"event\0" + event_id.encode()
