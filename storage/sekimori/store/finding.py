"""Find the newest records that fit: by time and decision over the index, by user and service over tokens.

Tokens differ from month to month, so a search walks back month by month and stops as soon as it has
enough. Where older records have no tokens yet (a migration left them to the archivist), everything is
opened and looked at instead: slower, and as complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, Select, and_, func, select

from sekimori.store.exchanges import Exchange, ExchangeRepo, Found
from sekimori.store.holding import Holding
from sekimori.store.months import Month, back_through
from sekimori.store.tables import RECORD, SEARCH
from sekimori.store.tokens import Tokens, same, values_of
from sekimori.store.works import SEARCH_WORK, is_pending

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Query:
    """What ``log list`` asks for; times are microseconds, ``since`` inclusive, ``until`` not."""

    user: str | None = None
    service: str | None = None
    decision: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = 100
    model: str | None = None
    session: str | None = None

    def wanted(self) -> dict[str, str]:
        """Return what is asked for by token."""
        asked = {"user": self.user, "service": self.service, "model": self.model, "session": self.session}
        return {field: value for field, value in asked.items() if value is not None}


class Finder:
    """Looks records up and opens them; the caller owns the transaction."""

    def __init__(self, connection: Connection, holding: Holding, tokens: Tokens) -> None:
        self._connection = connection
        self._exchanges = ExchangeRepo(connection, holding)
        self._tokens = tokens

    def newest(self, query: Query) -> list[Found]:
        """Return the newest records that fit, newest first."""
        if not query.wanted():
            return list(self._exchanges.find(_by_row(query).limit(query.limit)))
        if is_pending(self._connection, SEARCH_WORK):
            return self._by_opening(query)
        return self._by_token(query)

    def _by_token(self, query: Query) -> list[Found]:
        found: list[Found] = []
        for month in self._months(query):
            if len(found) >= query.limit:
                break
            wanted = query.wanted().items()
            tokens = [self._tokens.token(field, value, month) for field, value in wanted]
            in_month = _by_tokens(query, month, tokens).limit(query.limit - len(found))
            found += self._exchanges.find(in_month)
        return found

    def _months(self, query: Query) -> Iterator[Month]:
        first, last = self._connection.execute(
            select(func.min(RECORD.c.time_us), func.max(RECORD.c.time_us))
        ).one()
        if first is None:
            return
        since = first if query.since_us is None else max(first, query.since_us)
        until = last if query.until_us is None else min(last, query.until_us - 1)
        if since <= until:
            yield from back_through(since, until)

    def _by_opening(self, query: Query) -> list[Found]:
        found: list[Found] = []
        before: Any = None
        while len(found) < query.limit:
            page = list(self._exchanges.find(_before(_by_row(query), before).limit(_PAGE)))
            found += [
                (row, exchange)
                for row, exchange in page
                if isinstance(exchange, Exchange) and _fits(exchange, query)
            ]
            if len(page) < _PAGE:
                break
            before = page[-1][0]
        return found[: query.limit]


def _by_row(query: Query) -> Select[Any]:
    """Say what the readable columns must be, and the order."""
    found = _within(select(RECORD), RECORD, query.since_us, query.until_us)
    if query.decision is not None:
        found = found.where(RECORD.c.decision == query.decision)
    return found.order_by(RECORD.c.time_us.desc(), RECORD.c.rid.desc())


def _by_tokens(query: Query, month: Month, tokens: Sequence[bytes]) -> Select[Any]:
    """Say the same for one month, walking down the tokens' own index, which is in that order."""
    first, *others = (SEARCH.alias(f"search_{number}") for number in range(len(tokens)))
    found = _within(select(RECORD), first, query.since_us, query.until_us)
    # Said of both: so PostgreSQL knows before it plans that one part of each is enough.
    for table in (first, RECORD):
        found = _within(found, table, month.start_us, month.end_us)
    found = found.join(first, and_(first.c.rid == RECORD.c.rid, first.c.time_us == RECORD.c.time_us))
    for other in others:
        found = found.join(other, and_(other.c.rid == first.c.rid, other.c.time_us == first.c.time_us))
    for alias, token in zip((first, *others), tokens, strict=True):
        found = found.where(alias.c.token == token)
    if query.decision is not None:
        found = found.where(RECORD.c.decision == query.decision)
    return found.order_by(first.c.time_us.desc(), first.c.rid.desc())


def _within(found: Select[Any], table: FromClause, since_us: int | None, until_us: int | None) -> Select[Any]:
    if since_us is not None:
        found = found.where(table.c.time_us >= since_us)
    if until_us is not None:
        found = found.where(table.c.time_us < until_us)
    return found


def _before(found: Select[Any], row: Any) -> Select[Any]:
    if row is None:
        return found
    earlier = RECORD.c.time_us < row.time_us
    beside = and_(RECORD.c.time_us == row.time_us, RECORD.c.rid < row.rid)
    return found.where(earlier | beside)


def _fits(exchange: Exchange, query: Query) -> bool:
    values = values_of(exchange.intent)
    return all(same(field, value, values[field]) for field, value in query.wanted().items())
