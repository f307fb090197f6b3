"""What the archivist asks of others, and what it tells: who counts, who grows the trees, what a round did."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from sekimori.store.placing import Place

logger = logging.getLogger(__name__)


class Watch(Protocol):
    """Whoever counts: the metrics, in the whole program."""

    def archived(self, entries: int, content_bytes: int) -> None:
        """Count what was committed."""
        ...

    def crashed(self, exchanges: int) -> None:
        """Count exchanges whose worker died."""
        ...

    def torn(self, lane: str, torn_bytes: int) -> None:
        """Count bytes that a crash left half-written; nobody was told that they were durable."""
        ...

    def busy(self, reason: str) -> None:
        """Count a round that the database refused."""
        ...

    def alarm(self, sentence: str) -> None:
        """Tell a person: evidence is not what it must be."""
        ...


class Keeper(Protocol):
    """Whoever grows the trees from what the database holds."""

    def place(self, connection: Connection, lane: str, count: int) -> Place:
        """Give ``count`` places to entries of a lane (``""``: the archivist's own statements)."""
        ...

    def offer(self, placed: Place, leaves: Sequence[bytes], *, lane: str = "", last_n: int = 0) -> None:
        """Take leaves whose transaction has committed; ``last_n`` is the last of their lane's numbers."""
        ...

    def step(self, *, force: bool = False) -> bool:
        """Publish what is due, or all of it; tell whether there is more to do."""
        ...

    def covered(self, lane: str) -> int:
        """Return up to which number a published checkpoint covers a lane."""
        ...

    def release(self) -> None:
        """Let go of the trees; the next step looks at files and rows again."""
        ...

    def close(self) -> None:
        """Publish what waits and let go of the trees."""
        ...


class Silence:
    """A watch that only writes alarms to the program's log."""

    def archived(self, entries: int, content_bytes: int) -> None:
        """Count nothing."""

    def crashed(self, exchanges: int) -> None:
        """Count nothing."""

    def torn(self, lane: str, torn_bytes: int) -> None:
        """Write it down."""
        logger.warning("lane %s ends with %d torn bytes", lane, torn_bytes)

    def busy(self, reason: str) -> None:
        """Write it down."""
        logger.warning("the database is busy: %s", reason)

    def alarm(self, sentence: str) -> None:
        """Write it down."""
        logger.error("%s", sentence)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one round did: entries stored, lanes finished, exchanges given up, bytes torn, alarms.

    ``more`` says that the trees have more to do at once.
    """

    entries: int = 0
    finished: int = 0
    crashed: int = 0
    torn_bytes: int = 0
    alarms: tuple[str, ...] = ()
    more: bool = False

    def __add__(self, other: Progress) -> Progress:
        return Progress(
            self.entries + other.entries,
            self.finished + other.finished,
            self.crashed + other.crashed,
            self.torn_bytes + other.torn_bytes,
            self.alarms + other.alarms,
            self.more or other.more,
        )
