"""Requests as they were decided, out of the sealed entries, by time: for whoever asks another policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, select

from sekimori.governance.said import KIND as SAID
from sekimori.ledger.record import Intent
from sekimori.store.engine import reading
from sekimori.store.exchanges import Exchange, ExchangeRepo
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.rows import READING
from sekimori.store.tables import RECORD

_PAGE = 500


def decided(engine: Engine, keys: StoreKeys, start_us: int, end_us: int) -> Iterator[Intent]:
    """Yield what was asked and decided in a span; what is erased or altered is left out (``verify`` names it)."""
    within = and_(
        RECORD.c.time_us >= start_us,
        RECORD.c.time_us < end_us,
        RECORD.c.mode != READING,
        RECORD.c.operation != SAID,
    )
    after: ColumnElement[bool] | None = None
    while True:
        page = select(RECORD).where(within if after is None else and_(within, after))
        # Each page in a transaction of its own: a month is more than one of them should hold.
        with reading(engine) as connection:
            exchanges = ExchangeRepo(connection, Holding(connection, keys))
            found: list[tuple[Any, Any]] = list(
                exchanges.find(page.order_by(RECORD.c.time_us, RECORD.c.rid).limit(_PAGE))
            )
        yield from (exchange.intent for _, exchange in found if isinstance(exchange, Exchange))
        if len(found) < _PAGE:
            return
        last = found[-1][0]
        later, beside = RECORD.c.time_us > last.time_us, RECORD.c.time_us == last.time_us
        after = later | (beside & (RECORD.c.rid > last.rid))
