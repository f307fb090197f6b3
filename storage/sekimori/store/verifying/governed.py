"""What is governed, held against the leaves: every event is committed to, every thing is as its newest event says.

The events are numbered without a gap, and a leaf names the first and how many follow: so one that is altered,
taken away, added or put elsewhere shows, and so does an older state of a thing that was put back whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, null, select

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import decode_envelope
from sekimori.store.events import GOVERNED as KIND
from sekimori.store.governing.sealing import GovernedSeal, Key, digest_of, read_aggregate
from sekimori.store.tables import GOVERNED, GOVERNED_EVENT, GOVERNED_KEY, STATEMENT
from sekimori.store.verifying.authority import Order
from sekimori.store.verifying.faults import Fault, What
from sekimori.vault.names import NameSeal

_AT_ONCE = 500
_KEY = tuple(GOVERNED.c[name] for name in Key._fields)

EVENT, THING, FINDS = "governed_event", "governed", "governed_key"


class GovernedCheck:
    """One look at all of it; ``orders`` are the sealed events, for what no leaf tells of yet."""

    def __init__(self, connection: Connection, names: NameSeal, orders: list[Order]) -> None:
        self._connection = connection
        self._seal = GovernedSeal(names)
        self._orders = {order.id: order.event.said for order in orders if order.kind == KIND}

    def run(self) -> Iterator[Fault]:
        """Name every fault."""
        yield from self._events()
        yield from self._things()
        yield from self._without_thing()
        yield from self._finding()

    # --- events against leaves -------------------------------------------------------------------

    def _events(self) -> Iterator[Fault]:
        leaf, first, commitments = "", 0, list[str]()
        met = set[str]()
        expected = 1
        query = select(GOVERNED_EVENT).order_by(GOVERNED_EVENT.c.n)
        for row in self._connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            if row.event != leaf:
                leaf = row.event
                first, commitments = self._said(leaf)
                met.add(leaf)
            yield from _gap(expected, row.n - 1)
            expected = row.n + 1
            yield from self._event(row, first, commitments)
        for id_ in sorted(set(self._orders) - met):
            yield Fault(EVENT, id_, "missing", "its leaf commits to it")
        last = max((_first(said) + len(_listed(said)) for said in self._orders.values()), default=1)
        yield from _gap(expected, last - 1)

    def _said(self, leaf: str) -> tuple[int, list[str]]:
        """Give what a leaf commits to: the leaf itself where it was stated, else the order to state it."""
        query = select(STATEMENT.c.envelope).where(STATEMENT.c.id == leaf, STATEMENT.c.kind == KIND)
        envelope = self._connection.execute(query).scalar()
        said: dict[str, Any] = self._orders.get(leaf, {})
        if envelope is not None:
            try:
                said = dict(decode_envelope(envelope))
            except IntegrityError:
                return 0, []
        return _first(said), _listed(said)

    def _event(self, row: Any, first: int, commitments: list[str]) -> Iterator[Fault]:
        at = row.n - first
        if not 0 <= at < len(commitments):
            yield Fault(EVENT, str(row.n), "extra", "no leaf commits to it")
            return
        try:
            told = self._seal.open_event(row)
        except IntegrityError as error:
            yield Fault(EVENT, str(row.n), "altered", error.message)
            return
        if told.commitment.hex() != commitments[at]:
            yield Fault(EVENT, str(row.n), "altered", "its leaf commits to another")

    # --- things against events -------------------------------------------------------------------

    def _things(self) -> Iterator[Fault]:
        """Hold each thing against its newest event, and what finds it against what it says."""
        mine = GOVERNED_EVENT.alias()
        of_it = and_(*(mine.c[name] == GOVERNED.c[name] for name in Key._fields))
        newest, oldest = (
            select(end(mine.c.n)).where(of_it).scalar_subquery() for end in (func.max, func.min)
        )
        query = select(GOVERNED, newest.label("newest"), oldest.label("oldest")).order_by(*_KEY)
        rows = self._connection.execute(query.execution_options(yield_per=_AT_ONCE))
        for some in rows.partitions(_AT_ONCE):
            events = self._newest(some)
            found = self._found(some)
            for row in some:
                yield from self._thing(row, events.get(row.changed), found.get(_token(row), {}))

    def _newest(self, rows: Sequence[Any]) -> dict[int, Any]:
        numbers = [row.changed for row in rows]
        events = self._connection.execute(select(GOVERNED_EVENT).where(GOVERNED_EVENT.c.n.in_(numbers)))
        return {event.n: event for event in events}

    def _found(self, rows: Sequence[Any]) -> dict[Key, dict[str, bytes]]:
        said = dict[Key, dict[str, bytes]]()
        query = select(GOVERNED_KEY).where(GOVERNED_KEY.c.token.in_([row.token for row in rows]))
        for row in self._connection.execute(query):
            said.setdefault(_token(row), {})[row.field] = row.value
        return said

    def _thing(self, row: Any, newest: Any, said: dict[str, bytes]) -> Iterator[Fault]:
        if row.newest is None:
            yield Fault(THING, _key(row), "extra", "no event tells of it")
            return
        if (row.newest, row.oldest) != (row.changed, row.made) or newest is None:
            yield Fault(THING, _key(row), "altered", "events tell of a newer state, or of an older one")
            return
        try:
            plain = self._seal.plain(row)
            event = self._seal.open_event(newest).event
            value = read_aggregate(row.noun, plain)
        except IntegrityError as error:
            yield Fault(THING, _key(row), "altered", error.message)
            return
        if (event.digest, event.version) != (digest_of(plain), row.version):
            yield Fault(THING, _key(row), "altered", "its newest event tells of another state")
        if (value.tenant, self._seal.key(row.tenant, row.noun, value.id)) != (row.tenant, _token(row)):
            yield Fault(THING, _key(row), "altered", "it stands under another name")
        yield from _misfound(row, said, self._seal.values(value))

    def _without_thing(self) -> Iterator[Fault]:
        events = GOVERNED_EVENT
        there = and_(*(GOVERNED.c[name] == events.c[name] for name in Key._fields))
        query = select(events.c.tenant, events.c.noun, events.c.token).distinct()
        query = query.select_from(events.outerjoin(GOVERNED, there)).where(GOVERNED.c.version == null())
        for row in self._connection.execute(query):
            yield Fault(THING, _key(row), "missing", "events tell of it")

    def _finding(self) -> Iterator[Fault]:
        there = and_(*(GOVERNED.c[name] == GOVERNED_KEY.c[name] for name in Key._fields))
        query = select(GOVERNED_KEY).select_from(GOVERNED_KEY.outerjoin(GOVERNED, there))
        for row in self._connection.execute(query.where(GOVERNED.c.version == null())):
            yield Fault(FINDS, f"{_key(row)}/{row.field}", "extra", "it finds nothing")


def _misfound(row: Any, said: dict[str, bytes], meant: dict[str, bytes]) -> Iterator[Fault]:
    for field in sorted(said.keys() | meant.keys()):
        if said.get(field) != meant.get(field):
            what: What = "missing" if field not in said else "extra" if field not in meant else "altered"
            yield Fault(FINDS, f"{_key(row)}/{field}", what)


def _token(row: Any) -> Key:
    return Key(row.tenant, row.noun, row.token)


def _key(row: Any) -> str:
    return f"{row.tenant}/{row.noun}/{row.token.hex()}"


def _first(said: dict[str, Any]) -> int:
    first = said.get("first")
    return first if isinstance(first, int) else 0


def _listed(said: dict[str, Any]) -> list[str]:
    listed = said.get("governed")
    return listed if isinstance(listed, list) else []


def _gap(first: int, last: int) -> Iterator[Fault]:
    if first <= last:
        key = str(first) if first == last else f"{first}-{last}"
        yield Fault(EVENT, key, "missing", "events are numbered without a gap")
