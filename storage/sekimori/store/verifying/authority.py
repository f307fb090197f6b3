"""What may be gone: the records that an erasure or the end of their retention took, by whose order.

Read from the sealed events, in the same view as the rows that are checked: a key that goes meanwhile goes
together with the event that tells of it. An order for whole months names months and classes and how many
records went, not each of them: so what is gone must never be more than these counts (``counted`` of records
without their key, ``wholly`` of those of which not even the metadata can be read).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.store import events
from sekimori.store.events import Event, open_event
from sekimori.store.retention import METADATA, slot_month
from sekimori.store.retiring import ALL_ENDS
from sekimori.store.rows import READING, Cipher
from sekimori.store.tables import EVENT
from sekimori.store.verifying.faults import Fault, Verdict


@dataclass(frozen=True, slots=True)
class Order:
    """An event as its row has it."""

    id: str
    kind: str
    time_us: int
    placed: bool
    event: Event


@dataclass(slots=True)
class Authority:
    """Whose keys may be gone, what was sealed anew, and the orders that say so."""

    listed: dict[str, Verdict] = field(default_factory=dict)
    before: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    over: dict[tuple[str, str], bool] = field(default_factory=dict)
    counted: int = 0
    wholly: int = 0
    resealed: dict[tuple[str, int], bytes] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def of(self, rid: str, record: Any) -> Verdict | None:
        """Say by what authority a record is gone, None where there is none; ``record`` is its index row."""
        if (verdict := self.listed.get(rid)) is not None or record is None:
            return verdict
        month, klass = slot_month(record["time_us"]), _class_of(record)
        if any(month < before and (not classes or klass in classes) for before, classes in self.before):
            return Verdict.ERASED
        return Verdict.EXPIRED if (klass, month) in self.over else None

    def keeps_metadata(self, rid: str, record: Any) -> bool:
        """Say whether only the content of an expired record may be gone."""
        if rid in self.listed or record is None:
            return False
        return not self.over.get((_class_of(record), slot_month(record["time_us"])), True)

    def take(self, order: Order) -> None:
        """Add what one order says."""
        self.orders.append(order)
        said, records = order.event.said, order.event.records
        if order.kind == events.ERASE:
            self.listed.update(dict.fromkeys([*records, *said.get("rids", ())], Verdict.ERASED))
            if isinstance(before := said.get("before"), str):
                classes = frozenset(klass.removesuffix(METADATA) for klass in said.get("classes", ()))
                self.before.append((before, classes))
        elif order.kind == events.RETIRE:
            for rid in (*records, *said.get("rids", ())):
                self.listed.setdefault(rid, Verdict.EXPIRED)
            for klass, month, what, *_ in said.get("slots", ()):
                slot = klass.removesuffix(METADATA), month
                self.over[slot] = self.over.get(slot, False) or what == ALL_ENDS
        elif order.kind == events.REENCRYPT:
            for n, value in enumerate(said["ct"], said["first"]):
                self.resealed[said["of"], n] = bytes.fromhex(value)
        if order.kind in (events.ERASE, events.RETIRE):
            records_gone = int(said.get("records", 0))
            self.counted += records_gone - int(said.get("again", 0))
            self.wholly += records_gone - int(said.get("kept", 0))


def read_authority(connection: Connection, cipher: Cipher) -> Authority:
    """Open every event."""
    found = Authority()
    known = set[str]()
    for row in connection.execute(select(EVENT).order_by(EVENT.c.time_us, EVENT.c.id)):
        if row.id in known:
            # Only in a table whose key somebody took: counted twice, one order would speak for two erasures.
            found.faults.append(Fault("event", row.id, "extra", "this order stands there twice"))
            continue
        known.add(row.id)
        try:
            event = open_event(cipher, row)
            found.take(Order(row.id, row.kind, row.time_us, row.placed, event))
        except IntegrityError as error:
            found.faults.append(Fault("event", row.id, "altered", error.message))
        except (KeyError, TypeError, ValueError):
            found.faults.append(Fault("event", row.id, "altered", "it makes no sense"))
    return found


def _class_of(record: Any) -> str:
    """Return the retention class, from the columns that an erasure leaves."""
    if record["mode"] == READING:
        return READING
    return f"class-{record['klass']}" if record["decision"] == "allow" else "blocked"
