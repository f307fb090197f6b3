"""Read the log for people: metadata freely, content only after the reading itself is on record.

Searches go over the index and its tokens (``finding``); what is shown comes out of the sealed entries, so
an edited index can hide a row from a search and never change what a record says (``verify`` finds the
edit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select, insert, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.ledger.record import Intent, Outcome
from sekimori.store.clearing import ERASED
from sekimori.store.content import Content, content_of
from sekimori.store.coverage import coverage
from sekimori.store.engine import reading, writing
from sekimori.store.exchanges import Exchange, ExchangeRepo
from sekimori.store.finding import Finder, Query
from sekimori.store.ingest import Ingest
from sekimori.store.lanes import READINGS, LaneRepo
from sekimori.store.metadata import Metadata, describe
from sekimori.store.postgres import Parts
from sekimori.store.readings import read_answer
from sekimori.store.rows import READING as READING_MODE
from sekimori.store.rows import Cipher, reading_row
from sekimori.store.tables import READING, RECORD
from sekimori.store.tokens import Tokens

__all__ = ["LogReader", "Query"]


@dataclass(frozen=True, slots=True)
class Stored:
    """One exchange as it is stored: its entries, and the bytes of both bodies."""

    intent: Intent
    outcome: Outcome | None
    asked: bytes
    answered: bytes


class LogReader:
    """Lists and shows records; needs the key that opens entries."""

    def __init__(
        self,
        engine: Engine,
        cipher: Cipher,
        *,
        tokens: Tokens,
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._tokens = tokens
        self._parts = Parts(engine)
        self._clock = clock
        self._new_id = new_id

    def list(self, query: Query) -> list[Metadata]:
        """Return the newest records that fit, oldest of them first."""
        with reading(self._engine) as connection:
            found = Finder(connection, self._cipher, self._tokens).newest(query)
        return [_metadata(row, exchange) for row, exchange in reversed(found)]

    def show(self, rid: str) -> Metadata | None:
        """Return one record's metadata, None when there is no such record."""
        with reading(self._engine) as connection:
            for row, exchange in ExchangeRepo(connection, self._cipher).find(_one(rid)):
                return _metadata(row, exchange)
        return None

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
        self._record_reading(rid, reader, reader_source, reason)
        with reading(self._engine) as connection:
            exchanges = ExchangeRepo(connection, self._cipher)
            for row, exchange in exchanges.find(_one(rid)):
                if exchange is None:
                    raise IntegrityError(
                        f"Record {rid} is not what was written.", hint="Run sekimori verify."
                    )
                asked, answered = exchanges.asked(row), exchanges.answered(row)
                return Stored(exchange.intent, exchange.outcome, asked, answered)
        return None

    def coverage(
        self, *, service: str | None = None, since_us: int | None = None, until_us: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Count by service, dialect, kind and parse how much of what crossed the barrier was read."""
        return coverage(self._engine, self._cipher, service=service, since_us=since_us, until_us=until_us)

    def _record_reading(self, rid: str, reader: str, reader_source: str, reason: str) -> None:
        intent = Intent(
            rid=self._new_id(),
            time_us=self._clock(),
            mode=READING_MODE,
            user=reader,
            user_source=reader_source,
            decision="allow",
            kind="log-read",
            path=f"/log/{rid}",
            details=(reason,),
            parse="parsed",
        )
        self._parts.ready([intent.time_us])
        with writing(self._engine) as connection:
            lanes = LaneRepo(connection, self._cipher)
            state = lanes.open(READINGS, intent.time_us)
            ingest = Ingest(
                connection, self._cipher, tokens=self._tokens, read_answer=read_answer, alarm=_alarm
            )
            lanes.save(READINGS, ingest.batch(READINGS, state, [(state.last_n + 1, intent)]))
            connection.execute(insert(READING), [reading_row(intent)])


def _one(rid: str) -> Select[Any]:
    return select(RECORD).where(RECORD.c.rid == rid)


def _metadata(row: Any, exchange: Exchange | None) -> Metadata:
    if exchange is not None and row.state != ERASED:
        return describe(exchange.intent, exchange.outcome, exchange.answer)
    shown = Intent(
        rid=row.rid, time_us=row.time_us, decision=row.decision, reasons=tuple(row.reasons.split())
    )
    return describe(shown, None, None) | {"state": ERASED if row.state == ERASED else "altered"}


def _alarm(sentence: str) -> None:
    raise IntegrityError(sentence)
