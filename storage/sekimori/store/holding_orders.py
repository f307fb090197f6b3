"""Legal holds: what may not be erased, however its period ends and whoever asks.

A hold names a person, a record or a month. Its row shows its kind and its times; whom it is about, why, and
who decided lie inside the seal, and once a hold is lifted the name is taken out of it. That there was a hold
is told by its two leaves, which name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import Connection, insert, select, update

from sekimori.errors import IntegrityError, UnknownError, UsageError
from sekimori.ledger.envelope import Value
from sekimori.policy.people import canonical_name
from sekimori.store import events
from sekimori.store.events import Event, EventRepo
from sekimori.store.rows import Cipher, decoded
from sekimori.store.tables import EVENT, HOLD, RECORD
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.slots import Slot, is_shared

Kind = Literal["subject", "record", "month"]

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class _Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part of a row; ``kind`` is empty in what an earlier build wrote."""

    kind: str = ""
    what: str = ""
    reason: str = ""
    by: str = ""
    lifted_reason: str = ""
    lifted_by: str = ""


@dataclass(frozen=True, slots=True)
class LegalHold:
    """One hold; ``what`` is empty once it was lifted."""

    id: str
    kind: str
    what: str
    reason: str
    by: str
    placed_us: int
    lifted_us: int | None
    lifted_reason: str = ""
    lifted_by: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What all holds in force keep."""

    subjects: frozenset[str] = frozenset()
    months: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()

    def keeps(self, slot: Slot) -> bool:
        """Tell whether everything under a data key is held."""
        if self.subjects and is_shared(slot.subject):
            return True  # somebody who is held may be among those who share it
        return slot.subject in self.subjects or slot.month in self.months

    def data_keys(self, keys: KeyHierarchy) -> set[bytes]:
        """Return the data keys that are held as a whole."""
        if not self.subjects and not self.months:
            return set()
        return {row.id for some in keys.each_data_key() for row, key in some if self.keeps(key.slot)}


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[_Order] = msgspec.msgpack.Decoder(_Order)


class HoldRepo:
    """The only code that reads or writes ``hold``; the caller owns the transaction.

    ``cipher`` stands under the store's key. Who places a hold does so under the lock that erasures wait
    for (``SqlKeyRows.epochs``): a hold that was placed is respected by every erasure after it.
    """

    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def place(self, id_: str, kind: Kind, what: str, *, reason: str, by: str, now_us: int) -> LegalHold:
        """Place a hold, and leave the event that says so."""
        if not reason.strip() or not by.strip():
            raise UsageError("A hold needs a reason, which is kept.", hint="Give --reason TEXT.")
        order = _Order(kind=kind, what=self._checked(kind, what), reason=reason, by=by)
        row = {"id": id_, "kind": kind, "placed_us": now_us, "lifted_us": None}
        self._connection.execute(insert(HOLD), [{**row, "sealed": self._sealed(id_, order)}])
        self._note(events.HOLD, id_, now_us, {"of": kind} | _named(kind, order.what), reason, by)
        return self._read(id_)

    def lift(self, id_: str, *, reason: str, by: str, now_us: int) -> LegalHold:
        """Lift a hold, forget whom it was about, and leave the event that says so."""
        if not reason.strip() or not by.strip():
            raise UsageError("Lifting a hold needs a reason, which is kept.", hint="Give --reason TEXT.")
        hold = self._read(id_)
        if hold.lifted_us is not None:
            raise UsageError(f"Hold {id_} was lifted already.", hint="sekimori hold list shows all.")
        order = _Order(kind=hold.kind, reason=hold.reason, by=hold.by, lifted_reason=reason, lifted_by=by)
        change = update(HOLD).where(HOLD.c.id == id_)
        self._connection.execute(change.values(sealed=self._sealed(id_, order), lifted_us=now_us))
        self._note(events.UNHOLD, id_, now_us, {"of": hold.kind}, reason, by)
        return self._read(id_)

    def all(self) -> list[LegalHold]:
        """Return every hold there ever was, oldest first."""
        rows = self._connection.execute(select(HOLD).order_by(HOLD.c.placed_us, HOLD.c.id))
        return [self._hold(row) for row in rows]

    def held(self) -> Held:
        """Return what the holds in force keep; raises IntegrityError where their rows were edited.

        Nothing may be destroyed on the word of a readable column, or because a row is gone.
        """
        rows = self._connection.execute(select(HOLD)).all()
        gone = self._ordered() - {row.id for row in rows}
        if gone:
            raise IntegrityError(f"The row of hold {min(gone)} is gone.", hint="Run sekimori verify.")
        for row in rows:
            self._expect_sealed(row)
        holds = [self._hold(row) for row in rows if row.lifted_us is None]
        kept = {kind: frozenset(hold.what for hold in holds if hold.kind == kind) for kind in get_args(Kind)}
        return Held(kept["subject"], kept["month"], kept["record"])

    def _ordered(self) -> set[str]:
        query = select(EVENT.c.id).where(EVENT.c.kind == events.HOLD)
        return set(self._connection.execute(query).scalars())

    def _checked(self, kind: Kind, what: str) -> str:
        if kind == "subject":
            what = canonical_name(what)
        elif kind == "month" and not _MONTH.fullmatch(what):
            raise UsageError(f"{what} is no month.", hint="Write YYYY-MM.")
        elif kind == "record" and not known_records(self._connection, [what]):
            raise UnknownError(f"There is no record {what}.", hint="sekimori log list names those there are.")
        if not what:
            raise UsageError("A hold needs a person, a record or a month.")
        return what

    def _read(self, id_: str) -> LegalHold:
        row = self._connection.execute(select(HOLD).where(HOLD.c.id == id_)).first()
        if row is None:
            raise UnknownError(f"There is no hold {id_}.", hint="sekimori hold list shows all.")
        return self._hold(row)

    def _hold(self, row: object) -> LegalHold:
        id_: str = row.id  # type: ignore[attr-defined]
        fields = msgspec.structs.asdict(self._order(row)) | {"kind": row.kind}  # type: ignore[attr-defined]
        return LegalHold(
            id=id_,
            placed_us=row.placed_us,  # type: ignore[attr-defined]
            lifted_us=row.lifted_us,  # type: ignore[attr-defined]
            **fields,
        )

    def _order(self, row: Any) -> _Order:
        return decoded(_DECODER, self._cipher.open(row.sealed, _place(row.id)))

    def _expect_sealed(self, row: Any) -> None:
        order = self._order(row)
        if order.kind not in ("", row.kind) or bool(order.lifted_by) != (row.lifted_us is not None):
            raise IntegrityError(
                f"Hold {row.id} shows something else than it sealed.", hint="Run sekimori verify."
            )

    def _sealed(self, id_: str, order: _Order) -> bytes:
        return self._cipher.seal(_ENCODER.encode(order), _place(id_))

    def _note(self, kind: str, id_: str, now_us: int, said: dict[str, Value], reason: str, by: str) -> None:
        event_id = id_ if kind == events.HOLD else f"{id_}-lifted"
        event = Event(said={"hold": id_} | said, basis=reason, by=by)
        EventRepo(self._connection, self._cipher).add(event_id, kind, now_us, event)


def known_records(connection: Connection, rids: Collection[str]) -> set[str]:
    """Return those of these records that the index has."""
    query = select(RECORD.c.rid).where(RECORD.c.rid.in_(list(rids)))
    return set(connection.execute(query).scalars())


def _named(kind: Kind, what: str) -> dict[str, Value]:
    """Return what a leaf may say of a hold: a month or a record, never a person."""
    return {} if kind == "subject" else {"month" if kind == "month" else "rid": what}


def _place(id_: str) -> bytes:
    return b"hold\0" + id_.encode()
