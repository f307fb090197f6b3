"""What only PostgreSQL has: its URL and connections, the lock that migrations take, parts for months."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError

from sekimori.errors import ConfigError
from sekimori.store.months import Month, following, month_of

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_WRITE = "Write postgresql://USER@HOST/DATABASE, or leave [storage] url empty for SQLite."
_MIGRATING = 0x73656B696D6F7269  # "sekimori"
_CHECK_VIOLATION = "23514"
_AHEAD = 2
"""How many months after the present one have their part already."""


def connect(url: str, busy_ms: int) -> Engine:
    """Make an engine for a ``postgresql://`` URL."""
    settings = {
        # A commit that the archivist reports to the spool must outlive a power cut, whatever the
        # server's own setting; and nobody waits for another for ever.
        "synchronous_commit": "on",
        "lock_timeout": str(busy_ms),
        "idle_in_transaction_session_timeout": "0",
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_engine(
        _url(url),
        connect_args={"options": options, "application_name": "sekimori", "connect_timeout": 10},
        pool_pre_ping=True,
        hide_parameters=True,  # an error of the database must not quote what was to be stored
    )


def _url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as fault:
        raise ConfigError("[storage] url is no URL.", hint=_WRITE) from fault
    if parsed.drivername not in _SCHEMES:
        raise ConfigError(f"No store lies behind {parsed.drivername}://.", hint=_WRITE)
    return parsed.set(drivername="postgresql+psycopg")


def lock_for_migration(connection: Connection) -> None:
    """Wait until nobody else migrates; the lock ends with the transaction."""
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})


def is_part_missing(fault: IntegrityError) -> bool:
    """Tell rows that have no part to lie in from rows that are there already."""
    return getattr(fault.orig, "sqlstate", "") == _CHECK_VIOLATION


class Parts:
    """The parts for months that entries of some time need; remembers which are there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made: set[Month] = set()

    def ready(self, times_us: Iterable[int]) -> None:
        """Make the parts that are missing for these instants."""
        if self._engine.dialect.name == "postgresql":
            self._make({month_of(time_us) for time_us in times_us})

    def forget(self) -> None:
        """Look again next time: somebody took a part away that was there."""
        self._made.clear()

    def ready_ahead(self, now_us: int) -> None:
        """Make the parts of this month and of the next ones, before anybody waits for them."""
        months = [month_of(now_us)]
        for _ in range(_AHEAD):
            months.append(following(months[-1]))
        self.ready(month.start_us for month in months if month.is_calendar)

    def _make(self, months: set[Month]) -> None:
        missing = {month for month in months if month.is_calendar} - self._made
        if not missing:
            return
        # Committed before anything is stored in them: what is remembered here is there.
        with self._engine.begin() as connection:
            for month in sorted(missing, key=lambda month: month.start_us):
                connection.execute(text("SELECT sekimori_month(:first)"), {"first": month.start_us})
        self._made |= missing
