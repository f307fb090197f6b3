"""A ``State`` over the tables: a row is fetched and opened when it is asked for, and then remembered.

Valid for as long as its connection's transaction, and for one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select

from sekimori.governance.actors import TENANT
from sekimori.governance.state import Aggregate, State
from sekimori.store.governing.sealing import NOUNS, GovernedSeal
from sekimori.store.holding import StoreKeys
from sekimori.store.tables import GOVERNED, GOVERNED_EVENT, GOVERNED_KEY

_AT_ONCE = 500


class Rows(Mapping[str, Aggregate]):
    """One organisation's aggregates of one noun, in the order in which they were made."""

    def __init__(
        self,
        connection: Connection,
        seal: GovernedSeal,
        tenant: str,
        noun: str,
        *,
        shown: Callable[[Aggregate], Aggregate] = lambda value: value,
    ) -> None:
        self._connection = connection
        self._shown = shown
        self._seal = seal
        self._tenant = tenant
        self._noun = noun
        self._known: dict[bytes, Aggregate] = {}

    def __getitem__(self, id_: str) -> Aggregate:
        token = self._seal.key(self._tenant, self._noun, id_).token
        if token not in self._known:
            row = self._connection.execute(self._query(GOVERNED.c.token == token)).first()
            if row is None:
                raise KeyError(id_)
            self._known[token] = self._shown(self._seal.open(row))
        return self._known[token]

    def __iter__(self) -> Iterator[str]:
        return (value.id for value in self._all())

    def __len__(self) -> int:
        counted = select(func.count()).select_from(GOVERNED)
        return self._connection.execute(counted.where(*self._mine)).scalar_one()

    def values(self) -> Any:
        """Walk them without asking for each by its id."""
        return self._all()

    def matching(self, field: str, said: str) -> Iterator[Aggregate]:
        """Walk those that are found by this value of these fields."""
        token = self._seal.value(self._tenant, self._noun, field, said)
        named = select(GOVERNED_KEY.c.token).where(
            GOVERNED_KEY.c.tenant == self._tenant,
            GOVERNED_KEY.c.noun == self._noun,
            GOVERNED_KEY.c.value == token,
            GOVERNED_KEY.c.field == field,
        )
        return self._walk(GOVERNED.c.token.in_(named))

    def due(self, at_us: int) -> Iterator[Aggregate]:
        """Walk those for which the clock has something to do by an instant."""
        return self._walk(GOVERNED.c.due_us <= at_us)

    def after(self, id_: str, limit: int) -> list[Aggregate]:
        """Give the next page behind one that is known."""
        query = self._query().order_by(GOVERNED.c.made).limit(limit)
        if id_:
            key = self._seal.key(self._tenant, self._noun, id_)
            made = select(GOVERNED.c.made).where(*self._mine, GOVERNED.c.token == key.token)
            query = query.where(GOVERNED.c.made > made.scalar_subquery())
        return [self._open(row) for row in self._connection.execute(query).all()]

    @property
    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return GOVERNED.c.tenant == self._tenant, GOVERNED.c.noun == self._noun

    def _query(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        return select(GOVERNED).where(*self._mine, *conditions)

    def _all(self) -> Iterator[Aggregate]:
        return self._walk()

    def _walk(self, *conditions: ColumnElement[bool]) -> Iterator[Aggregate]:
        for row in in_pages(self._connection, self._query(*conditions), GOVERNED.c.made):
            yield self._open(row)

    def _open(self, row: Any) -> Aggregate:
        return self._known.get(row.token) or self._shown(self._seal.open(row))


def state_of(
    connection: Connection,
    seal: GovernedSeal,
    tenant: str,
    *,
    shown: Callable[[Aggregate], Aggregate] = lambda value: value,
) -> State:
    """Give what one organisation has, as far as it is asked for, and each thing as it is to be ``shown``."""
    return State(tenant, {noun: Rows(connection, seal, tenant, noun, shown=shown) for noun in NOUNS})


def state_on(connection: Connection, keys: StoreKeys, *, tenant: str = TENANT) -> State:
    """Give the state on somebody's own connection, for as long as its transaction lasts."""
    return state_of(connection, GovernedSeal(keys.policies), tenant)


def stamp_on(connection: Connection) -> int:
    """Give a number that grows with every change of anything governed."""
    return connection.execute(select(func.max(GOVERNED_EVENT.c.n))).scalar() or 0


def changed_since(
    connection: Connection,
    keys: StoreKeys,
    after: int,
    *,
    nouns: Collection[str] | None = None,
    tenant: str = TENANT,
) -> Iterator[tuple[int, Aggregate]]:
    """Walk what changed after a number, each with the number of its newest change, in their order."""
    seal = GovernedSeal(keys.policies)
    query = by_change(tenant, nouns).where(GOVERNED.c.changed > after)
    for row in in_pages(connection, query, GOVERNED.c.changed):
        yield row.changed, seal.open(row)


def by_change(tenant: str, nouns: Collection[str] | None) -> Select[Any]:
    """Return the query of what an organisation has, to be walked in the order in which it changed last."""
    # As bare columns, tenant and noun would lead SQLite through all that there is of them, page after page.
    query = select(GOVERNED).where((GOVERNED.c.tenant + "") == tenant)
    return query if nouns is None else query.where((GOVERNED.c.noun + "").in_(nouns))


def in_pages(connection: Connection, query: Select[Any], by: Column[int]) -> Iterator[Any]:
    """Walk rows in the order of a column that no two share.

    Whoever looks for one leaves in the middle: no cursor may stay open behind them.
    """
    last = -1
    while True:
        rows = connection.execute(query.where(by > last).order_by(by).limit(_AT_ONCE)).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = getattr(rows[-1], by.name)
