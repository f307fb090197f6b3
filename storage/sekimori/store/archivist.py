"""The archivist: moves what workers wrote into the database, lane by lane, exactly once.

The database decides how far a lane has come: entries, index and position commit together, the
spool's marker follows and only tells how much waits. A dead worker's open exchanges get an outcome
``unknown-crash``, in a lane of the archivist's own. A lane that is not what it must be is left alone
with an alarm: it fills, and in the end closes the gate, rather than being skipped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine, select
from sqlalchemy import exc as sql

from sekimori.errors import IntegrityError
from sekimori.ledger.lanes import START, Position, lanes, mark_shipped, read_shipped, remove_lane
from sekimori.ledger.reading import EndState, LaneEnd, LaneReader
from sekimori.ledger.record import Outcome
from sekimori.ledger.seams import Opener
from sekimori.ledger.walk import Item
from sekimori.store.engine import reading, writing
from sekimori.store.ingest import Ingest
from sekimori.store.lanes import ARCHIVIST, LaneRepo
from sekimori.store.readings import read_answer
from sekimori.store.rows import Cipher
from sekimori.store.tables import OPEN, RECORD

logger = logging.getLogger(__name__)

BATCH_ENTRIES = 512
BATCH_BYTES = 8 * 1024 * 1024
_POLL = 0.2
_BUSY = 0.5
_MARK_EVERY_US = 500_000
"""Marking costs two syncs of its own, and nothing but the writers' gauge hangs on it."""


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
    """What one round did: entries stored, lanes finished, exchanges given up, bytes torn, alarms."""

    entries: int = 0
    finished: int = 0
    crashed: int = 0
    torn_bytes: int = 0
    alarms: tuple[str, ...] = ()

    def __add__(self, other: Progress) -> Progress:
        return Progress(
            self.entries + other.entries,
            self.finished + other.finished,
            self.crashed + other.crashed,
            self.torn_bytes + other.torn_bytes,
            self.alarms + other.alarms,
        )


@dataclass(slots=True)
class _Lane:
    """A lane as this process follows it."""

    folder: Path
    reader: LaneReader
    position: Position
    marked: Position
    marked_us: int = 0


@dataclass(slots=True)
class _Lanes:
    followed: dict[str, _Lane] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)


class Archivist:
    """Follows every lane of a spool folder; there is one for each database."""

    def __init__(
        self,
        spool_dir: Path,
        *,
        opener: Opener,
        engine: Engine,
        cipher: Cipher,
        clock: Callable[[], int],
        watch: Watch | None = None,
    ) -> None:
        self._spool_dir = spool_dir
        self._opener = opener
        self._engine = engine
        self._cipher = cipher
        self._clock = clock
        self._watch = watch or Silence()
        self._lanes = _Lanes()

    def run_forever(self, stop: threading.Event) -> None:
        """Follow the spool until ``stop``; a database that is busy or full is asked again."""
        while not stop.is_set():
            try:
                progress = self.run_once()
            except (sql.OperationalError, OSError) as fault:
                # Locked, or a full disk: nothing was taken out of the spool, so nothing is lost.
                self._watch.busy(str(fault.orig if isinstance(fault, sql.OperationalError) else fault))
                stop.wait(_BUSY)
                continue
            # The wait lets entries gather: a commit costs the same for one as for hundreds.
            if progress.entries < BATCH_ENTRIES:
                stop.wait(_POLL)

    def run_once(self) -> Progress:
        """Store everything that stands in the spool now."""
        progress = Progress()
        for folder in lanes(self._spool_dir):
            if folder.name in self._lanes.refused:
                continue
            try:
                for piece in self._follow(folder):
                    progress += piece
            except IntegrityError as fault:
                sentence = f"Lane {folder.name} is left alone: {fault}"
                self._lanes.refused.add(folder.name)
                self._watch.alarm(sentence)
                progress += Progress(alarms=(sentence,))
        return progress

    def _follow(self, folder: Path) -> Iterator[Progress]:
        """Store what stands in one lane, telling of each commit: the next may meet damage."""
        lane = self._lanes.followed.get(folder.name) or self._take_up(folder)
        for batch in _batches(lane.reader.read(lane.position)):
            self._store(lane, batch)
            yield Progress(entries=len(batch))
        end = lane.reader.end
        if end is None or end.state is EndState.GROWING:
            self._mark(lane)
        else:
            yield self._finish(lane, end)

    def _take_up(self, folder: Path) -> _Lane:
        with reading(self._engine) as connection:
            state = LaneRepo(connection, self._cipher).state(folder.name)
        shipped = read_shipped(folder).at()
        stored = state.last_n if state else 0
        if shipped.n > stored:
            raise IntegrityError(
                f"The spool's marker says {shipped.n} entries were stored, the database holds {stored}.",
                hint="The database seems to be an older copy; find out before anything is shipped to it.",
            )
        position = Position.parse(state.position) if state and state.position else START
        lane = _Lane(folder, LaneReader(folder, self._opener), position, shipped)
        self._lanes.followed[folder.name] = lane
        return lane

    def _store(self, lane: _Lane, batch: list[Item]) -> None:
        name, position = lane.folder.name, batch[-1].position
        with writing(self._engine) as connection:
            repo = LaneRepo(connection, self._cipher)
            state = self._ingest(connection).batch(
                name, repo.open(name, self._clock()), [(item.n, item.entry) for item in batch]
            )
            repo.save(name, msgspec.structs.replace(state, position=str(position)))
        lane.position = position
        self._watch.archived(len(batch), sum(len(item.entry.body.stored) for item in batch))
        self._mark(lane)

    def _ingest(self, connection: Connection) -> Ingest:
        return Ingest(connection, self._cipher, read_answer=read_answer, alarm=self._watch.alarm)

    def _mark(self, lane: _Lane) -> None:
        now_us = self._clock()
        full = lane.position.segment > lane.marked.segment
        if lane.position == lane.marked or not (full or abs(now_us - lane.marked_us) >= _MARK_EVERY_US):
            return
        mark_shipped(lane.folder, lane.position)
        lane.marked, lane.marked_us = lane.position, now_us

    def _finish(self, lane: _Lane, end: LaneEnd) -> Progress:
        """Close a lane whose writer is gone: give up what it left open, report what it tore."""
        name = lane.folder.name
        with writing(self._engine) as connection:
            repo = LaneRepo(connection, self._cipher)
            state = repo.open(name, self._clock())
            crashed = 0
            if state.closed_us is None:
                crashed = self._give_up(connection, repo, name)
                closed = msgspec.structs.replace(state, closed_us=self._clock(), torn_bytes=end.torn_bytes)
                repo.save(name, closed)
        if crashed:
            self._watch.crashed(crashed)
        if end.torn_bytes and state.closed_us is None:
            self._watch.torn(name, end.torn_bytes)
        mark_shipped(lane.folder, end.position, done=True)
        remove_lane(lane.folder)
        del self._lanes.followed[name]
        return Progress(finished=1, crashed=crashed, torn_bytes=end.torn_bytes)

    def _give_up(self, connection: Connection, repo: LaneRepo, name: str) -> int:
        """Write an outcome for every exchange that the lane left open."""
        query = select(RECORD.c.rid).where(RECORD.c.lane == name, RECORD.c.state == OPEN)
        rids = connection.execute(query.order_by(RECORD.c.n)).scalars().all()
        if not rids:
            return 0
        now_us = self._clock()
        own = repo.open(ARCHIVIST, now_us)
        outcomes = [
            (n, Outcome(rid=rid, time_us=now_us, state="unknown-crash"))
            for n, rid in enumerate(rids, start=own.last_n + 1)
        ]
        repo.save(ARCHIVIST, self._ingest(connection).batch(ARCHIVIST, own, outcomes))
        return len(rids)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut a lane into pieces that one transaction bears."""
    batch: list[Item] = []
    size = 0
    try:
        for item in items:
            batch.append(item)
            size += len(item.entry.body.stored)
            if len(batch) >= BATCH_ENTRIES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except IntegrityError:
        # What stands before the damage is sound, and safer in the database.
        if batch:
            yield batch
        raise
    if batch:
        yield batch
