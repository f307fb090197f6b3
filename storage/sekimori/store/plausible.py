"""Whether the clock may be believed when it says that a year is over.

What a retirement destroys does not come back, and a clock that was set wrong by a year says that everything
is over. The archivist looks every hour and remembers when it last did; a look that comes much later than the
one before is not believed until a person says that the clock is right. Before the first look, the newest
record stands for it. A long stop holds retirement up too: that costs a sentence, the other way a year.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select, update

from sekimori.errors import IntegrityError, StateError
from sekimori.store.bulk import insert_absent
from sekimori.store.engine import reading, writing
from sekimori.store.rows import Cipher
from sekimori.store.tables import RECORD, UPKEEP
from sekimori.store.works import position_of

SEEN_WORK = "seen"
"""Names the row of ``upkeep`` that remembers, sealed, what the clock said when it was last believed."""

BOUND_US = 14 * 86_400_000_000
"""How much later than last time a clock is believed: longer than any holidays, shorter than any period."""

_PLACE = b"seen\0"


class PlausibleClock:
    """Remembers the last time that was believed, in one store."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def expect(self, now_us: int) -> None:
        """Raise StateError where the clock is further ahead than it is believed."""
        with reading(self._engine) as connection:
            last_us = self._last(connection)
        if last_us is not None and now_us - last_us > BOUND_US:
            raise StateError(
                f"The clock says {_day(now_us)}, but was last believed on {_day(last_us)}: nothing is retired.",
                hint="Set the clock right. If it is right: sekimori retention run --clock-is-right.",
            )

    def believe(self, now_us: int) -> None:
        """Remember a time; never an earlier one than is remembered."""
        with writing(self._engine) as connection:
            sealed = position_of(connection, SEEN_WORK, hold=True)
            if sealed is not None and self._opened(sealed) >= now_us:
                return
            self._put(connection, now_us)

    def confirm(self, now_us: int) -> None:
        """Remember what a person says is the time, whatever was remembered."""
        with writing(self._engine) as connection:
            self._put(connection, now_us)

    def _put(self, connection: Connection, now_us: int) -> None:
        position = self._cipher.seal(str(now_us).encode(), _PLACE).hex()
        insert_absent(connection, UPKEEP, [{"name": SEEN_WORK, "position": position}])
        change = update(UPKEEP).where(UPKEEP.c.name == SEEN_WORK)
        connection.execute(change.values(position=position))

    def _last(self, connection: Connection) -> int | None:
        sealed = position_of(connection, SEEN_WORK)
        if sealed is not None:
            return self._opened(sealed)
        return connection.execute(select(func.max(RECORD.c.time_us))).scalar()

    def _opened(self, position: str) -> int:
        try:
            return int(self._cipher.open(bytes.fromhex(position), _PLACE))
        except (ValueError, IntegrityError) as error:
            raise IntegrityError(
                "What the clock last said is not what was written there: nothing is retired.",
                hint="Find out who edited the table upkeep, then: sekimori retention run --clock-is-right.",
            ) from error


def _day(time_us: int) -> str:
    try:
        return datetime.fromtimestamp(time_us / 1_000_000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "no day of any calendar"
