"""What is due: found by an index, and looked at anew once a start, since rules may have changed meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection, Engine, select, update

from sekimori.errors import SekimoriError
from sekimori.governance.change import Change
from sekimori.governance.due import NOUNS, due_us
from sekimori.governance.use_rules import UseRules
from sekimori.store.engine import reading, take_turn, writing
from sekimori.store.governing.lazy import by_change, in_pages
from sekimori.store.governing.sealing import GovernedSeal
from sekimori.store.tables import GOVERNED
from sekimori.store.telling import Telling

logger = logging.getLogger(__name__)

EVERY_US = 60_000_000


class LetsTimePass(Protocol):
    """What has things that fall due: ``Governing``."""

    def tick(self) -> Change:
        """Carry out what is due."""
        ...


class Ticking:
    """Lets time pass for what is governed, once a minute: a chore of the archivist."""

    def __init__(
        self, governing: LetsTimePass, *, clock: Callable[[], int], alarm: Callable[[str], None]
    ) -> None:
        self._governing = governing
        self._clock = clock
        self._telling = Telling(alarm)
        self._next_us = 0

    def step(self) -> bool:
        """Carry out what is due; say whether anything was."""
        now_us = self._clock()
        if 0 < self._next_us - now_us <= EVERY_US:
            return False
        self._next_us = now_us + EVERY_US
        try:
            happened = len(self._governing.tick().events)
        except SekimoriError as fault:
            # The archivist's first work is the record: it goes on, and somebody looks at this.
            self._telling.tell(f"What is due of grants and duties can't be carried out: {fault}")
            return False
        self._telling.well()
        return happened > 0


def is_due(connection: Connection, tenant: str, at_us: int) -> bool:
    """Tell whether the clock has anything to do by an instant."""
    query = select(GOVERNED.c.due_us).where(GOVERNED.c.tenant == tenant, GOVERNED.c.due_us <= at_us)
    return connection.execute(query.limit(1)).first() is not None


def refresh_due(engine: Engine, seal: GovernedSeal, tenant: str, rules: UseRules) -> int:
    """Note anew when things are due, where the rules of today say otherwise; give how many were wrong."""
    wrong = []
    with reading(engine) as connection:
        for row in in_pages(connection, by_change(tenant, NOUNS), GOVERNED.c.changed):
            meant = due_us(seal.open(row), rules)
            if meant != row.due_us:
                wrong.append((row.noun, row.token, row.changed, meant))
    if wrong:
        with writing(engine) as connection:
            take_turn(connection)
            for noun, token, changed, meant in wrong:
                # What changed since then had its instant computed by whoever changed it.
                row = (GOVERNED.c.tenant == tenant, GOVERNED.c.noun == noun, GOVERNED.c.token == token)
                where = update(GOVERNED).where(*row, GOVERNED.c.changed == changed)
                connection.execute(where.values(due_us=meant))
    return len(wrong)
