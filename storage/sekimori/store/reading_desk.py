"""Where a reading of content is written down before it happens: who, what and why, as a record like any other.

It is stored with envelope and leaf; an archivist gives it its place in a tree. What may be asked only so often
is counted here, under the lock of the readings' lane: two that ask at once are counted one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select

from sekimori.errors import IntegrityError, UsageError
from sekimori.ledger.record import Intent
from sekimori.store.engine import writing
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.ingest import Arrived, Ingest
from sekimori.store.lanes import READINGS, LaneRepo
from sekimori.store.months import month_of
from sekimori.store.postgres import Parts
from sekimori.store.readings import read_answer
from sekimori.store.rows import READING as READING_MODE
from sekimori.store.rows import reading_row
from sekimori.store.tables import READING, RECORD, SEARCH

LOG_READ, DISCLOSURE, OUTPUT_SEARCH = "log-read", "disclosure", "verify-output"
"""What a reading was for: it is the record's operation."""

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, how that is known, and why."""

    name: str
    source: str
    reason: str


class ReadingDesk:
    """Writes readings down; without a reader and a reason nothing is read."""

    def __init__(
        self, engine: Engine, keys: StoreKeys, *, clock: Callable[[], int], new_id: Callable[[], str]
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._new_id = new_id
        self._parts = Parts(engine)

    def record(self, reader: Reader, path: str, *, kind: str = LOG_READ, at_most: int = 0) -> str:
        """Write a reading down and return its record; ``at_most`` bounds readings of this kind in an hour."""
        if not reader.name or not reader.reason.strip():
            raise UsageError("Reading content needs a reader and a reason.", hint="Give --reason.")
        intent = Intent(
            rid=self._new_id(),
            time_us=self._clock(),
            mode=READING_MODE,
            user=reader.name,
            user_source=reader.source,
            decision="allow",
            kind=kind,
            path=path,
            details=(reader.reason,),
            parse="parsed",
        )
        self._parts.ready([intent.time_us])
        with writing(self._engine) as connection:
            lanes = LaneRepo(connection, self._keys.cipher)
            state = lanes.open(READINGS, intent.time_us)
            if at_most and self._count(connection, intent) >= at_most:
                raise UsageError(
                    f"{reader.name} has asked {at_most} times within an hour.", hint="Wait a while."
                )
            ingest = Ingest(
                connection,
                Holding(connection, self._keys),
                tokens=self._keys.tokens,
                read_answer=read_answer,
                alarm=_alarm,
                now_us=intent.time_us,
            )
            lanes.save(READINGS, ingest.batch(READINGS, state, [Arrived(state.last_n + 1, intent)]))
            connection.execute(insert(READING), [reading_row(intent)])
        return intent.rid

    def _count(self, connection: Connection, intent: Intent) -> int:
        """Count this reader's readings of this kind in the hour before."""
        since_us = intent.time_us - HOUR_US
        months = {month_of(since_us), month_of(intent.time_us)}
        tokens = [self._keys.tokens.token("user", intent.user, month) for month in months]
        query = select(func.count()).select_from(RECORD.join(SEARCH, SEARCH.c.rid == RECORD.c.rid))
        query = query.where(SEARCH.c.token.in_(tokens), SEARCH.c.time_us > since_us)
        query = query.where(RECORD.c.operation == intent.kind, RECORD.c.time_us > since_us)
        return connection.execute(query).scalar_one()


def _alarm(sentence: str) -> None:
    raise IntegrityError(sentence)
