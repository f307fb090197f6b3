"""A change becomes rows: things as they are now, what happened to them, and the leaves that commit to it.

Called under the turn, so that numbers follow one another without a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import batched
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from sekimori.errors import IntegrityError
from sekimori.governance.change import Change
from sekimori.governance.due import due_us
from sekimori.governance.state import Aggregate
from sekimori.governance.use_rules import UseRules
from sekimori.ledger.envelope import Value
from sekimori.ledger.mac import KEY_BYTES
from sekimori.store.bulk import Row, insert_rows
from sekimori.store.events import GOVERNED as KIND
from sekimori.store.events import Event as Order
from sekimori.store.events import EventRepo
from sekimori.store.governing.sealing import GovernedSeal, Key, digest_of, packed, told_of
from sekimori.store.rows import Cipher
from sekimori.store.tables import GOVERNED, GOVERNED_EVENT, GOVERNED_KEY

EVENTS_IN_A_LEAF = 500
"""So many commitments fit into an envelope, which holds at most 65,535 bytes."""


class Writer:
    """Writes the changes of one transaction."""

    def __init__(
        self,
        connection: Connection,
        seal: GovernedSeal,
        cipher: Cipher,
        *,
        new_id: Callable[[], str],
        random: Callable[[int], bytes],
    ) -> None:
        self._connection = connection
        self._seal = seal
        self._cipher = cipher
        self._new_id = new_id
        self._random = random

    def write(self, change: Change, at_us: int, rules: UseRules) -> None:
        """Write a change; nothing of it stands until the transaction commits."""
        newest = self._events(change, at_us)
        for value in change.values:
            key = self._seal.key(value.tenant, value.noun, value.id)
            self._value(key, value, newest[key], due_us(value, rules))

    def _events(self, change: Change, at_us: int) -> dict[Key, tuple[int, int, str]]:
        """Write what happened; give the numbers of each aggregate's first and newest event, and the digest of it."""
        newest: dict[Key, tuple[int, int, str]] = {}
        first = (self._connection.execute(select(func.max(GOVERNED_EVENT.c.n))).scalar() or 0) + 1
        for some in batched(change.events, EVENTS_IN_A_LEAF):
            event_id, rows, commitments = self._new_id(), [], list[Value]()
            for n, event in enumerate(some, first):
                key = self._seal.key(event.tenant, event.noun, event.id)
                told = told_of(event, self._random(KEY_BYTES))
                sealed = self._seal.seal_event(key, n, event_id, at_us, told)
                rows.append({"n": n, **key._asdict(), "event": event_id, "time_us": at_us, "sealed": sealed})
                commitments.append(told.commitment.hex())
                newest[key] = (newest[key][0] if key in newest else n, n, event.digest)
            insert_rows(self._connection, GOVERNED_EVENT, rows)
            said: dict[str, Any] = {"first": first, "governed": commitments}
            EventRepo(self._connection, self._cipher).add(event_id, KIND, at_us, Order(said=said))
            first += len(some)
        return newest

    def _value(self, key: Key, value: Aggregate, newest: tuple[int, int, str], due: int | None) -> None:
        first, changed, digest = newest
        if digest_of(packed(value)) != digest:
            raise IntegrityError(f"The event of {value.noun} {value.id} is of another state of it.")
        query = select(GOVERNED.c.made).where(*_at(GOVERNED, key))
        made = self._connection.execute(query).scalar()
        row: Row = {"version": value.version, "made": made or first, "changed": changed, "due_us": due}
        row["sealed"] = self._seal.seal(key, value, value.version, made or first, changed)
        if made is None:
            insert_rows(self._connection, GOVERNED, [key._asdict() | row])
        else:
            self._connection.execute(update(GOVERNED).where(*_at(GOVERNED, key)).values(row))
        self._find_by(key, self._seal.values(value), is_new=made is None)

    def _find_by(self, key: Key, meant: dict[str, bytes], *, is_new: bool) -> None:
        rows = [key._asdict() | {"field": field, "value": value} for field, value in meant.items()]
        if not is_new:
            said = select(GOVERNED_KEY.c.field, GOVERNED_KEY.c.value).where(*_at(GOVERNED_KEY, key))
            if dict(self._connection.execute(said).all()) == meant:
                return
            self._connection.execute(delete(GOVERNED_KEY).where(*_at(GOVERNED_KEY, key)))
        insert_rows(self._connection, GOVERNED_KEY, rows)


def _at(table: Any, key: Key) -> Sequence[Any]:
    return table.c.tenant == key.tenant, table.c.noun == key.noun, table.c.token == key.token
