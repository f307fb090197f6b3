"""The archivist: moves what workers wrote into the database, lane by lane, exactly once.

The database decides how far a lane has come: entries, index, places and position commit together. Then the
trees get the leaves (``Keeper``), and only what a published checkpoint covers is given up in the spool: the
marker says both. A dead worker's open exchanges get an outcome ``unknown-crash``, in a lane of the
archivist's own. A lane that is not what it must be is left alone with an alarm: it fills, and in the end
closes the gate, rather than being skipped.

Archivists of many nodes share one PostgreSQL. Each ships its own spool and has a lane of its own for what
it says itself; killed at any instant and started again, it goes on after its last commit.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, select
from sqlalchemy import exc as sql

from sekimori.errors import IntegrityError
from sekimori.ledger.lanes import lanes
from sekimori.ledger.reading import EndState, LaneEnd
from sekimori.ledger.record import Outcome
from sekimori.ledger.seams import Opener
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.walk import Item
from sekimori.store.engine import reading, writing
from sekimori.store.following import FollowedLane
from sekimori.store.holding import Holding, Memory, StoreKeys
from sekimori.store.ingest import Arrived, Ingest, Placed
from sekimori.store.lanes import ARCHIVIST, LaneRepo
from sekimori.store.postgres import Parts
from sekimori.store.readings import read_answer
from sekimori.store.recent import Recent
from sekimori.store.signed import expect_signed
from sekimori.store.tables import OPEN, RECORD
from sekimori.store.upkeep import Upkeep
from sekimori.store.watching import Keeper, Progress, Silence, Watch

__all__ = ["BATCH_BYTES", "BATCH_ENTRIES", "Archivist", "Keeper", "Progress", "Silence", "Watch"]

BATCH_ENTRIES = 512
BATCH_BYTES = 8 * 1024 * 1024
_POLL = 0.2
_GATHER = 0.8
"""Seconds between rounds where much comes: a commit, a look at the trees and a count cost the same for more."""
_MUCH = 64
_BUSY = 0.5
_BUSY_FAULTS = (sql.OperationalError, sql.InternalError, sql.IntegrityError)
"""What a later round may not meet again. PostgreSQL answers ``InternalError`` where the server has become a
read-only standby. ``IntegrityError`` comes this far where a month's part was taken away, or where another node
was first to store a large piece of text or to draw the same data key: the next round finds it."""


@dataclass(slots=True)
class _Lanes:
    followed: dict[str, FollowedLane] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    known: set[str] | None = None


class Archivist:
    """Follows every lane of one spool folder; ``node`` names it among those that share a database.

    ``writers`` may sign leaves, known by the hash of their keys; ``pick`` draws which leaves are checked.
    ``recent`` keeps what was stored for those chores that look at it next.
    """

    def __init__(
        self,
        spool_dir: Path,
        *,
        opener: Opener,
        engine: Engine,
        keys: StoreKeys,
        keeper: Keeper,
        writers: Mapping[bytes, PublicKey],
        clock: Callable[[], int],
        watch: Watch | None = None,
        node: str = "1",
        chores: Sequence[Callable[[], bool]] = (),
        recent: Recent | None = None,
        pick: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._spool_dir = spool_dir
        self._opener = opener
        self._engine = engine
        self._keys = keys
        self._cipher = keys.cipher
        self._tokens = keys.tokens
        self._keeper = keeper
        self._writers, self._pick = writers, pick
        self._memory = Memory()
        self._clock = clock
        self._watch = watch or Silence()
        self._node = node
        self._own = f"{ARCHIVIST}-{node}"
        self._parts = Parts(engine)
        self._chores = chores
        self._recent = recent
        self._upkeep = Upkeep(engine, keys, alarm=self._watch.alarm)
        self._lanes = _Lanes()

    def run_forever(self, stop: threading.Event) -> None:
        """Follow the spool until ``stop``; a database that is busy or full is asked again."""
        while not stop.is_set():
            try:
                progress = self.run_once()
                worked = self._upkeep.step()
                for chore in self._chores:
                    worked |= chore()
            except (*_BUSY_FAULTS, OSError) as fault:
                # Locked, gone, or a full disk: nothing was taken out of the spool, so nothing is lost.
                self._watch.busy(str(fault.orig if isinstance(fault, sql.DBAPIError) else fault))
                self._parts.forget()
                stop.wait(_BUSY)
                continue
            if not (worked or progress.more):
                stop.wait(_POLL if progress.entries < _MUCH else _GATHER)

    def run_once(self) -> Progress:
        """Store everything that stands in the spool now, and let the trees grow by it."""
        progress = Progress()
        self._parts.ready_ahead(self._clock())
        folders = lanes(self._spool_dir)
        self._miss(folders)
        for folder in folders:
            if folder.name in self._lanes.refused:
                continue
            try:
                for piece in self._follow(folder):
                    progress += piece
            except IntegrityError as fault:
                progress += Progress(alarms=(self._refuse(folder.name, fault),))
        # A lane that ended waits for nothing but its checkpoint.
        more = self._keeper.step(force=progress.finished > 0)
        self._give_up_covered()
        return progress + Progress(more=more)

    def close(self) -> None:
        """Let the trees publish what waits, and give up what they cover."""
        self._keeper.close()
        self._give_up_covered(now=True)

    def _refuse(self, name: str, fault: IntegrityError) -> str:
        sentence = f"Lane {name} is left alone: {fault}"
        self._lanes.refused.add(name)
        self._watch.alarm(sentence)
        return sentence

    # --- into the database -----------------------------------------------------------------------

    def _follow(self, folder: Path) -> Iterator[Progress]:
        """Store what stands in one lane, telling of each commit: the next may meet damage."""
        lane = self._lanes.followed.get(folder.name) or self._take_up(folder)
        if lane.end is not None:
            return
        for batch in _batches(lane.reader.read(lane.position)):
            self._store(lane, batch)
            yield Progress(entries=len(batch))
        end = lane.reader.end
        if end is not None and end.state is not EndState.GROWING:
            yield self._finish(lane, end)
        elif end is not None and end.position.segment > lane.position.segment:
            # A segment with nothing in it yet: somebody wants the one before given up.
            lane.went_on(end.position)

    def _miss(self, there: Iterable[Path]) -> None:
        """Tell of each lane that the spool lost before its end was stored: what it still held is lost."""
        if self._lanes.known is None:
            with reading(self._engine) as connection:
                self._lanes.known = LaneRepo(connection, self._cipher).growing(self._node)
        names = {folder.name for folder in there}
        for name in sorted(self._lanes.known - names):
            self._lanes.followed.pop(name, None)
            self._watch.alarm(f"Lane {name} vanished from the spool before its end was stored.")
        self._lanes.known = names

    def _take_up(self, folder: Path) -> FollowedLane:
        with reading(self._engine) as connection:
            state = LaneRepo(connection, self._cipher).state(folder.name, lock=False)
        if state and state.node not in ("", self._node):
            raise IntegrityError(
                f"It belongs to node {state.node} in the database, this is node {self._node}.",
                hint="Two machines share a spool or a name; find out which of them wrote this lane.",
            )
        lane = FollowedLane(folder, self._opener, state)
        self._lanes.followed[folder.name] = lane
        return lane

    def _store(self, lane: FollowedLane, batch: list[Item]) -> None:
        name, position = lane.folder.name, batch[-1].position
        if self._keys.old is None and not all(item.leaf for item in batch):
            # Whoever can write to the spool could ask us to sign for him.
            raise IntegrityError(
                f"Nobody signed what lane {name} holds, and nothing else here is of a release that didn't.",
                hint="Find out who wrote it; a gate of this release signs each entry.",
            )
        expect_signed(name, batch, self._writers, self._pick)
        self._parts.ready(item.entry.time_us for item in batch)
        with self._writing() as (connection, ingest):
            repo = LaneRepo(connection, self._cipher)
            state = ingest.batch(
                name,
                repo.open(name, self._clock(), node=self._node),
                [Arrived(item.n, item.entry, item.envelope, item.leaf) for item in batch],
            )
            if position.n >= state.last_n:  # behind it, all of the batch was there already
                state = msgspec.structs.replace(state, position=str(position))
            repo.save(name, state)
        lane.went_on(position)
        if self._recent is not None:
            self._recent.note(name, ((item.n, item.entry) for item in batch))
        self._watch.archived(len(batch), sum(len(item.entry.body.stored) for item in batch))
        self._keeper.step()
        lane.mark(self._keeper.covered(name), self._clock())

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, Ingest]]:
        """Give a transaction and who writes in it; the trees get the leaves once it has committed."""
        try:
            with writing(self._engine) as connection:
                ingest = Ingest(
                    connection,
                    Holding(connection, self._keys, memory=self._memory),
                    tokens=self._tokens,
                    read_answer=read_answer,
                    alarm=self._watch.alarm,
                    now_us=self._clock(),
                    placing=self._keeper.place,
                )
                yield connection, ingest
        except sql.DBAPIError:
            self._keeper.release()  # a commit that was reported lost may have taken place
            self._memory.forget()
            raise
        except BaseException:
            self._memory.forget()  # it remembers texts whose rows are gone again
            raise
        self._offer(ingest.placed)

    def _offer(self, placed: Iterable[Placed]) -> None:
        for place, leaves, lane, last_n in placed:
            self._keeper.offer(place, leaves, lane=lane, last_n=last_n)

    def _finish(self, lane: FollowedLane, end: LaneEnd) -> Progress:
        """Close a lane whose writer is gone: give up what it left open, report what it tore."""
        name = lane.folder.name
        now_us = self._clock()
        self._parts.ready([now_us])
        with self._writing() as (connection, ingest):
            repo = LaneRepo(connection, self._cipher)
            state = repo.open(name, now_us, node=self._node)
            crashed = 0
            if state.closed_us is None:
                crashed = self._give_up(connection, ingest, repo, name, now_us)
                closed = msgspec.structs.replace(state, closed_us=now_us, torn_bytes=end.torn_bytes)
                repo.save(name, closed)
        if crashed:
            self._watch.crashed(crashed)
        if end.torn_bytes and state.closed_us is None:
            self._watch.torn(name, end.torn_bytes)
        lane.end = end
        return Progress(finished=1, crashed=crashed, torn_bytes=end.torn_bytes)

    def _give_up(self, connection: Connection, ingest: Ingest, repo: LaneRepo, name: str, now_us: int) -> int:
        """Write an outcome for every exchange that the lane left open."""
        query = select(RECORD.c.rid, RECORD.c.policy).where(RECORD.c.lane == name, RECORD.c.state == OPEN)
        open_ones = connection.execute(query.order_by(RECORD.c.n)).all()
        if not open_ones:
            return 0
        own = repo.open(self._own, now_us, node=self._node)
        outcomes = [
            Arrived(n, Outcome(rid=one.rid, time_us=now_us, state="unknown-crash", policy=one.policy))
            for n, one in enumerate(open_ones, start=own.last_n + 1)
        ]
        repo.save(self._own, ingest.batch(self._own, own, outcomes))
        return len(open_ones)

    def _give_up_covered(self, *, now: bool = False) -> None:
        """Mark every lane; remove those that ended and are covered to their end."""
        for name, lane in list(self._lanes.followed.items()):
            if name in self._lanes.refused:
                continue
            try:
                self._let_go(name, lane, now=now)
            except IntegrityError as fault:
                self._refuse(name, fault)

    def _let_go(self, name: str, lane: FollowedLane, *, now: bool) -> None:
        covered = self._keeper.covered(name)
        if not lane.remove(covered):
            lane.mark(covered, self._clock(), now=now)
            return
        del self._lanes.followed[name]
        if self._recent is not None:
            self._recent.forget(name)
        (self._lanes.known or set()).discard(name)


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
