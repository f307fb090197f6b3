"""The use of AI services as the log tells it: record by record out of the sealed entries, or counted in the index.

``Uses.each`` opens; ``Uses.recount`` adds up what the index says, without opening but for the turns of sessions,
whose messages only their end counts. The two say the same, or somebody edited the index: a report that is held
against the recount tells. Who read the log, and what people said at the gate, is no use of a service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, Select, and_, case, func, select

from sekimori.errors import IntegrityError
from sekimori.governance.said import KIND as SAID
from sekimori.store.engine import reading
from sekimori.store.exchanges import Exchange, ExchangeRepo, Missing
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.rows import READING
from sekimori.store.tables import RECORD

_TURN = "turn"
_PAGE = 500


class RecordedUse(msgspec.Struct, frozen=True):
    """One recorded request; ``service`` is as the policy or the catalogue names it, or the host's name.

    Of an erased record only its time and its decision are left.
    """

    at_us: int
    service: str
    user: str
    grant: str
    allowed: bool
    reasons: tuple[str, ...] = ()
    bytes_sent: int = 0
    bytes_received: int = 0
    erased: bool = False


class Recounted(msgspec.Struct, frozen=True):
    """A span in numbers, as the index tells it."""

    requests: int = 0
    refused: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Uses:
    """Reads the use of a span; ``start_us`` is inside of it, ``end_us`` is not."""

    def __init__(self, engine: Engine, keys: StoreKeys) -> None:
        self._engine = engine
        self._keys = keys

    def each(self, start_us: int, end_us: int) -> Iterator[RecordedUse]:
        """Yield every use by time; raises IntegrityError for a record that is not what was written."""
        for page in self.pages(start_us, end_us):
            yield from page

    def pages(self, start_us: int, end_us: int) -> Iterator[list[RecordedUse]]:
        """Yield the same in pages, each read in a transaction of its own, so that no month is held at once."""
        after: ColumnElement[bool] | None = None
        while True:
            span = select(RECORD).where(_within(start_us, end_us))
            if after is not None:
                span = span.where(after)
            last: list[Any] = []
            page = list(self._opened(span.order_by(RECORD.c.time_us, RECORD.c.rid).limit(_PAGE), last))
            if page:
                yield page
            if len(page) < _PAGE:
                return
            (row,) = last
            later, beside = RECORD.c.time_us > row.time_us, RECORD.c.time_us == row.time_us
            after = later | (beside & (RECORD.c.rid > row.rid))

    def recount(self, start_us: int, end_us: int) -> Recounted:
        """Add the index up."""
        within = _within(start_us, end_us)
        numbers = select(
            func.count(),
            func.coalesce(func.sum(case((RECORD.c.decision == "allow", 0), else_=1)), 0),
            func.coalesce(func.sum(case((RECORD.c.mode == _TURN, 0), else_=RECORD.c.prompt_bytes)), 0),
            func.coalesce(func.sum(RECORD.c.output_bytes), 0),
        ).where(within)
        with reading(self._engine) as connection:
            requests, refused, sent, received = connection.execute(numbers).one()
        turns = select(RECORD).where(within, RECORD.c.mode == _TURN)
        sent += sum(use.bytes_sent for use in self._opened(turns))
        return Recounted(int(requests), int(refused), int(sent), int(received))

    def reasons(self, start_us: int, end_us: int) -> Counter[str]:
        """Count, out of the index, how often each reason was given."""
        found: Counter[str] = Counter()
        told = select(RECORD.c.reasons, func.count()).where(_within(start_us, end_us), RECORD.c.reasons != "")
        with reading(self._engine) as connection:
            for reasons, count in connection.execute(told.group_by(RECORD.c.reasons)):
                found.update(dict.fromkeys(reasons.split(), count))
        return found

    def decisions(self, start_us: int, end_us: int) -> Counter[str]:
        """Count, out of the index, how often each decision was taken."""
        told = select(RECORD.c.decision, func.count()).where(_within(start_us, end_us))
        with reading(self._engine) as connection:
            rows = connection.execute(told.group_by(RECORD.c.decision)).all()
        return Counter(dict(map(tuple, rows)))

    def first_us(self) -> int | None:
        """Tell when the log begins."""
        with reading(self._engine) as connection:
            found: int | None = connection.execute(select(func.min(RECORD.c.time_us))).scalar_one()
        return found

    def _opened(self, query: Select[Any], last: list[Any] | None = None) -> Iterator[RecordedUse]:
        """Open records; ``last`` is told which row came last."""
        with reading(self._engine) as connection:
            exchanges = ExchangeRepo(connection, Holding(connection, self._keys))
            for row, exchange in exchanges.find(query):
                if last is not None:
                    last[:] = [row]
                if exchange is Missing.ALTERED:
                    raise IntegrityError(
                        f"Record {row.rid} is not what was written, so nothing is counted.",
                        hint="Run sekimori verify.",
                    )
                if isinstance(exchange, Exchange):
                    yield _use(exchange)
                else:
                    yield RecordedUse(row.time_us, "", "", "", row.decision == "allow", erased=True)


def _within(start_us: int, end_us: int) -> ColumnElement[bool]:
    return and_(
        RECORD.c.time_us >= start_us,
        RECORD.c.time_us < end_us,
        RECORD.c.mode != READING,
        RECORD.c.operation != SAID,
    )


def _use(exchange: Exchange) -> RecordedUse:
    intent, outcome = exchange.intent, exchange.outcome
    sent = intent.body.size
    if outcome is not None and outcome.prompt.sha256:
        sent = outcome.prompt.size
    return RecordedUse(
        at_us=intent.time_us,
        service=intent.service or intent.host,
        user=intent.user,
        grant=intent.grant,
        allowed=intent.decision == "allow",
        reasons=intent.reasons,
        bytes_sent=sent,
        bytes_received=outcome.body.size if outcome is not None else 0,
    )
