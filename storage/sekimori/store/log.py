"""Read the log for people: metadata freely, content only after the reading itself is on record.

A reading is stored with envelope and leaf; an archivist gives it its place in a tree.

Searches go over the index and its tokens (``finding``); what is shown comes out of the sealed entries, so
an edited index can hide a row from a search and never change what a record says (``verify`` finds the
edit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.ledger.record import Intent, Outcome
from sekimori.store.clearing import ERASED
from sekimori.store.content import Content, content_of
from sekimori.store.coverage import coverage
from sekimori.store.engine import reading
from sekimori.store.exchanges import Exchange, ExchangeRepo, Missing
from sekimori.store.finding import Finder, Query
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.metadata import Metadata, describe
from sekimori.store.reading_desk import Reader, ReadingDesk
from sekimori.store.tables import RECORD

__all__ = ["LogReader", "Query"]

_ID, _SHORTEST = 20, 6


@dataclass(frozen=True, slots=True)
class Stored:
    """One exchange as it is stored: its entries, and the bytes of both bodies."""

    intent: Intent
    outcome: Outcome | None
    asked: bytes
    answered: bytes


class LogReader:
    """Lists and shows records; needs the keys that open entries."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._tokens = keys.tokens
        self._desk = ReadingDesk(engine, keys, clock=clock, new_id=new_id)

    def list(self, query: Query) -> list[Metadata]:
        """Return the newest records that fit, oldest of them first."""
        with reading(self._engine) as connection:
            found = Finder(connection, Holding(connection, self._keys), self._tokens).newest(query)
        return [_metadata(row, exchange) for row, exchange in reversed(found)]

    def show(self, rid: str) -> Metadata | None:
        """Return one record's metadata, None when there is no such record."""
        with reading(self._engine) as connection:
            for row, exchange in self._exchanges(connection).find(_one(rid)):
                return _metadata(row, exchange)
        return None

    def beginning(self, text: str) -> tuple[str, ...]:
        """Return up to ten ids that begin with ``text``: that one alone where it is an id itself."""
        wanted = text.strip().upper()
        ids = select(RECORD.c.rid).where(RECORD.c.rid.in_({text, wanted}))
        with reading(self._engine) as connection:
            if found := connection.scalars(ids).all():
                return (found[0],)
            if len(wanted) < _SHORTEST:
                return ()
            # Ids are letters and digits, so that nothing lies after a Z.
            ids = select(RECORD.c.rid).where(RECORD.c.rid.between(wanted, wanted + "Z" * _ID))
            return tuple(connection.scalars(ids.order_by(RECORD.c.rid).limit(10)))

    def content(self, rid: str, *, reader: str, reader_source: str, reason: str) -> Content | None:
        """Record that ``reader`` reads this content, then return it; None when there is no such record."""
        stored = self.stored(rid, reader=reader, reader_source=reader_source, reason=reason)
        if stored is None:
            return None
        return content_of(stored.intent, stored.outcome, stored.asked, stored.answered)

    def stored(self, rid: str, *, reader: str, reader_source: str, reason: str) -> Stored | None:
        """Record that ``reader`` reads this content, then return its bytes; None when there is none."""
        if not reader or not reason.strip():
            raise UsageError("Reading content needs a reader and a reason.", hint="Give --reason.")
        if self.show(rid) is None:
            return None
        self._desk.record(Reader(reader, reader_source, reason), f"/log/{rid}")
        with reading(self._engine) as connection:
            exchanges = self._exchanges(connection)
            for row, exchange in exchanges.find(_one(rid)):
                if exchange is Missing.ERASED:
                    return Stored(_bare(row), None, b"", b"")
                if not isinstance(exchange, Exchange):
                    raise IntegrityError(
                        f"Record {rid} is not what was written.", hint="Run sekimori verify."
                    )
                asked, answered = exchanges.asked(row, exchange), exchanges.answered(row)
                return Stored(exchange.intent, exchange.outcome, asked, answered)
        return None

    def _exchanges(self, connection: Connection) -> ExchangeRepo:
        return ExchangeRepo(connection, Holding(connection, self._keys))

    def coverage(
        self, *, service: str | None = None, since_us: int | None = None, until_us: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Count by service, dialect, kind and parse how much of what crossed the barrier was read."""
        return coverage(self._engine, self._keys, service=service, since_us=since_us, until_us=until_us)


def _one(rid: str) -> Select[Any]:
    return select(RECORD).where(RECORD.c.rid == rid)


def _metadata(row: Any, exchange: Exchange | Missing) -> Metadata:
    if isinstance(exchange, Exchange) and row.state != ERASED:
        return describe(exchange.intent, exchange.outcome, exchange.answer)
    is_erased = row.state == ERASED or exchange is Missing.ERASED
    state = Missing.ERASED if is_erased else Missing.ALTERED
    return describe(_bare(row), None, None) | {"state": state.value}


def _bare(row: Any) -> Intent:
    """Return what the index alone still says of a record."""
    reasons = tuple(row.reasons.split())
    return Intent(rid=row.rid, time_us=row.time_us, decision=row.decision, reasons=reasons)
