"""The archivist: moves what workers wrote into the database, lane by lane, exactly once.

The database decides how far a lane has come: entries, index and position commit together, the
spool's marker follows and only tells how much waits. A dead worker's open exchanges get an outcome
``unknown-crash``, in a lane of the archivist's own. A lane that is not what it must be is left alone
with an alarm: it fills, and in the end closes the gate, rather than being skipped.

Archivists of many nodes share one PostgreSQL. Each ships its own spool and has a lane of its own for what
it says itself; killed at any instant and started again, it goes on after its last commit.
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
from sekimori.store.postgres import Parts
from sekimori.store.readings import read_answer
from sekimori.store.rows import Cipher
from sekimori.store.tables import OPEN, RECORD
from sekimori.store.tokens import Tokens
from sekimori.store.upkeep import Upkeep

logger = logging.getLogger(__name__)

BATCH_ENTRIES = 512
BATCH_BYTES = 8 * 1024 * 1024
_POLL = 0.2
_BUSY = 0.5
_BUSY_FAULTS = (sql.OperationalError, sql.InternalError, sql.IntegrityError)
"""What a later round may not meet again. PostgreSQL answers ``InternalError`` where the server has become a
read-only standby, and ``IntegrityError`` comes this far only where a month's part was taken away."""
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
    """Follows every lane of one spool folder; ``node`` names it among those that share a database."""

    def __init__(
        self,
        spool_dir: Path,
        *,
        opener: Opener,
        engine: Engine,
        cipher: Cipher,
        tokens: Tokens,
        clock: Callable[[], int],
        watch: Watch | None = None,
        node: str = "1",
    ) -> None:
        self._spool_dir = spool_dir
        self._opener = opener
        self._engine = engine
        self._cipher = cipher
        self._tokens = tokens
        self._clock = clock
        self._watch = watch or Silence()
        self._node = node
        self._own = f"{ARCHIVIST}-{node}"
        self._parts = Parts(engine)
        self._upkeep = Upkeep(engine, cipher, tokens)
        self._lanes = _Lanes()

    def run_forever(self, stop: threading.Event) -> None:
        """Follow the spool until ``stop``; a database that is busy or full is asked again."""
        while not stop.is_set():
            try:
                progress = self.run_once()
                worked = self._upkeep.step()
            except (*_BUSY_FAULTS, OSError) as fault:
                # Locked, gone, or a full disk: nothing was taken out of the spool, so nothing is lost.
                self._watch.busy(str(fault.orig if isinstance(fault, sql.DBAPIError) else fault))
                self._parts.forget()
                stop.wait(_BUSY)
                continue
            # The wait lets entries gather: a commit costs the same for one as for hundreds.
            if progress.entries < BATCH_ENTRIES and not worked:
                stop.wait(_POLL)

    def run_once(self) -> Progress:
        """Store everything that stands in the spool now."""
        progress = Progress()
        self._parts.ready_ahead(self._clock())
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
            state = LaneRepo(connection, self._cipher).state(folder.name, lock=False)
        shipped = read_shipped(folder).at()
        if state and state.node not in ("", self._node):
            raise IntegrityError(
                f"It belongs to node {state.node} in the database, this is node {self._node}.",
                hint="Two machines share a spool or a name; find out which of them wrote this lane.",
            )
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
        self._parts.ready(item.entry.time_us for item in batch)
        with writing(self._engine) as connection:
            repo = LaneRepo(connection, self._cipher)
            state = self._ingest(connection).batch(
                name,
                repo.open(name, self._clock(), node=self._node),
                [(item.n, item.entry) for item in batch],
            )
            if position.n >= state.last_n:  # behind it, all of the batch was there already
                state = msgspec.structs.replace(state, position=str(position))
            repo.save(name, state)
        lane.position = position
        self._watch.archived(len(batch), sum(len(item.entry.body.stored) for item in batch))
        self._mark(lane)

    def _ingest(self, connection: Connection) -> Ingest:
        return Ingest(
            connection,
            self._cipher,
            tokens=self._tokens,
            read_answer=read_answer,
            alarm=self._watch.alarm,
        )

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
        now_us = self._clock()
        self._parts.ready([now_us])
        with writing(self._engine) as connection:
            repo = LaneRepo(connection, self._cipher)
            state = repo.open(name, now_us, node=self._node)
            crashed = 0
            if state.closed_us is None:
                crashed = self._give_up(connection, repo, name, now_us)
                closed = msgspec.structs.replace(state, closed_us=now_us, torn_bytes=end.torn_bytes)
                repo.save(name, closed)
        if crashed:
            self._watch.crashed(crashed)
        if end.torn_bytes and state.closed_us is None:
            self._watch.torn(name, end.torn_bytes)
        mark_shipped(lane.folder, end.position, done=True)
        remove_lane(lane.folder)
        del self._lanes.followed[name]
        return Progress(finished=1, crashed=crashed, torn_bytes=end.torn_bytes)

    def _give_up(self, connection: Connection, repo: LaneRepo, name: str, now_us: int) -> int:
        """Write an outcome for every exchange that the lane left open."""
        query = select(RECORD.c.rid).where(RECORD.c.lane == name, RECORD.c.state == OPEN)
        rids = connection.execute(query.order_by(RECORD.c.n)).scalars().all()
        if not rids:
            return 0
        own = repo.open(self._own, now_us, node=self._node)
        outcomes = [
            (n, Outcome(rid=rid, time_us=now_us, state="unknown-crash"))
            for n, rid in enumerate(rids, start=own.last_n + 1)
        ]
        repo.save(self._own, self._ingest(connection).batch(self._own, own, outcomes))
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
