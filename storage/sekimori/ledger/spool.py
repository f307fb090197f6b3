"""The spool as a gate worker uses it: ``await append(entry)`` returns once the entry is durable.

One writer thread encodes, signs, seals and syncs. Whatever arrived while it synced is its next commit; it
never waits for a commit to fill (waiting 2 ms cost a quarter of the throughput and 4.5 ms a request in
a prototype). Whoever can't be served is told at once: a queue, a spool or a disk that is full raises
SpoolFullError before anything is accepted, a disk that doesn't answer RecordError, and once a sync has
failed or the file has vanished every call raises SpoolLostError for good: the worker must end, and its
successor opens a new lane.

An entry that was accepted is written unless the lane is lost, whatever becomes of its caller: after a
time-out or a cancellation it may still turn up in the record, and what it announces must not happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from sekimori.errors import IntegrityError, RecordError, SpoolFullError, SpoolLostError
from sekimori.ledger.evidence import write_entry
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.gauge import Gauge
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.record import Entry, Intent
from sekimori.ledger.seams import Files, Sealer
from sekimori.ledger.tlog.leaf import LeafSigner

MAX_ENTRY_BYTES = 1 << 30
_UNWRITABLE = (msgspec.MsgspecError, IntegrityError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Limits of one writer and, for ``high_water`` and ``min_free``, of the spool that it shares."""

    segment_bytes: int = 64 * 1024 * 1024
    queue_entries: int = 4096
    queue_bytes: int = 256 * 1024 * 1024
    batch_bytes: int = 8 * 1024 * 1024
    record_timeout: float = 0.5
    close_timeout: float = 10.0
    high_water: int = 4 * 1024 * 1024 * 1024
    min_free: int = 256 * 1024 * 1024
    measure_every: float = 1.0


_Payloads = list[bytes]


class _Item(NamedTuple):
    """An accepted entry on its way to the disk."""

    entry: Entry
    weight: int
    at: float
    done: asyncio.Future[None] | None


class SpoolWriter:
    """The writing end of one lane; lives in one event loop, which also makes all calls."""

    def __init__(
        self,
        directory: Path,
        lane: str,
        *,
        seal: Sealer,
        signer: LeafSigner,
        settings: SpoolSettings | None = None,
        files: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the lane; raises StateError if it exists already, RecordError if it can't be written."""
        self.lane = lane
        self._signer = signer
        self._settings = settings or SpoolSettings()
        self._clock = clock
        files = files or LocalFiles()
        self._writer = LaneWriter(
            directory, lane, sealer=seal, segment_bytes=self._settings.segment_bytes, files=files
        )
        self._gauge = Gauge(
            directory,
            high_water=self._settings.high_water,
            min_free=self._settings.min_free,
            measure_every=self._settings.measure_every,
            files=files,
            clock=clock,
        )
        self._gauge.refresh(now=True)
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        # What this round of the event loop accepted goes to the thread together: waking it costs as much
        # as an entry, and what comes together is one commit.
        self._gathered: deque[_Item] = deque()
        self._deadlines: deque[tuple[float, asyncio.Future[None]]] = deque()
        # Each counter has one writer: "taken" the event loop, "done" the thread.
        self._taken = self._taken_bytes = self._done = self._done_bytes = 0
        self._oldest: float | None = None
        self._dropped = 0
        self._rolled = clock()
        self._closing = self._stopped = False
        self._lost: SpoolLostError | None = None
        self._thread = threading.Thread(target=self._run, name=f"spool-{lane}", daemon=True)
        self._thread.start()

    async def append(self, entry: Entry) -> None:
        """Return once the entry is durable; raises RecordError if that is not certain."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._accept(entry, done)
        # One timer for all: each of its own would be made and cancelled, twice a request.
        self._deadlines.append((loop.time() + self._settings.record_timeout, done))
        if len(self._deadlines) == 1:
            loop.call_at(self._deadlines[0][0], self._expire, loop)
        await done

    def offer(self, entry: Entry) -> None:
        """Queue an entry that nobody waits for; raises RecordError if it can't even be queued."""
        self._accept(entry, None)

    def close(self) -> None:
        """Write what was accepted, mark the lane as closed and let go of it; blocks the caller.

        Raises SpoolLostError if the lane was lost, or if the disk doesn't answer in ``close_timeout``.
        """
        if not self._closing:
            self._closing = True
            self._hand_over()
            self._queue.put(None)
        self._thread.join(self._settings.close_timeout)
        if self._thread.is_alive():
            raise SpoolLostError(f"Lane {self.lane} can't be closed: the disk doesn't answer.")
        self._writer.abandon()
        if self._lost is not None:
            raise _again(self._lost)

    @property
    def depth(self) -> int:
        """How many accepted entries are not durable yet."""
        return self._taken - self._done

    @property
    def oldest_us(self) -> int:
        """How long the commit under way has kept its oldest entry waiting, in microseconds."""
        oldest = self._oldest
        return 0 if oldest is None else max(0, int((self._clock() - oldest) * 1_000_000))

    @property
    def bytes(self) -> int:
        """How many bytes of all lanes wait for the archivist."""
        return self._gauge.bytes

    @property
    def dropped(self) -> int:
        """How many offered entries were accepted and could not be made durable."""
        return self._dropped

    @property
    def lost(self) -> SpoolLostError | None:
        """Why the lane was closed for good, or None."""
        return self._lost

    def refusal(self) -> RecordError | None:
        """Say why an entry would be refused right now, or None; costs no system call."""
        if self._lost is not None:
            return _again(self._lost)
        if self._closing:
            return RecordError("The spool is closed.")
        if self.oldest_us > self._settings.record_timeout * 1_000_000:
            return RecordError(
                "The spool's disk doesn't answer.", hint="Look at the disk; the gate goes on by itself."
            )
        if self.depth >= self._settings.queue_entries:
            return SpoolFullError("More entries wait for the spool's disk than it can take.")
        full = self._gauge.refusal()
        return None if full is None else _again(full)

    def _accept(self, entry: Entry, done: asyncio.Future[None] | None) -> None:
        if (refusal := self.refusal()) is not None:
            raise refusal
        weight = _weight(entry)
        if weight > min(self._settings.queue_bytes, MAX_ENTRY_BYTES):
            raise RecordError("An entry is larger than the spool's queue.")
        if self._taken_bytes - self._done_bytes + weight > self._settings.queue_bytes:
            raise SpoolFullError("More bytes wait for the spool's disk than it can take.")
        self._taken += 1
        self._taken_bytes += weight
        self._gathered.append(_Item(entry, weight, self._clock(), done))
        if len(self._gathered) == 1:
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Give what was accepted to the thread; called by the event loop, and by ``close``."""
        batch: list[_Item] = []
        size = 0
        with contextlib.suppress(IndexError):
            while True:
                item = self._gathered.popleft()
                batch.append(item)
                size += item.weight
                if size >= self._settings.batch_bytes:
                    self._queue.put(batch)
                    batch, size = [], 0
        if batch:
            self._queue.put(batch)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those whose time is over, and come back for the next."""
        deadlines, now = self._deadlines, loop.time()
        while deadlines and (deadlines[0][1].done() or deadlines[0][0] <= now):
            _, done = deadlines.popleft()
            if not done.done():
                milliseconds = int(self._settings.record_timeout * 1000)
                done.set_exception(RecordError(f"The record was not durable within {milliseconds} ms."))
        if deadlines:
            loop.call_at(deadlines[0][0], self._expire, loop)

    # From here on: the writer thread.

    def _run(self) -> None:
        try:
            while not self._stopped:
                batch = self._next_batch()
                self._gauge.refresh()
                if batch:
                    self._commit(batch)
                self._roll()
            self._writer.close()
        except SpoolLostError as error:
            self._lose(error)
        except Exception as error:  # noqa: BLE001  a bug or the memory: whatever it is, nothing may pass
            self._lose(SpoolLostError(f"The spool's writer failed: {error!r}."))

    def _roll(self) -> None:
        """Look from time to time whether the segment is to be given up before it is full."""
        now = self._clock()
        if now - self._rolled < self._settings.measure_every:
            return
        self._rolled = now
        try:
            self._writer.roll()
        except SpoolFullError as full:
            self._gauge.is_full(full)  # asked again at the next look

    def _next_batch(self) -> list[_Item]:
        """Take what is there; an empty batch after a while of silence, to measure again."""
        batch: list[_Item] = []
        size = 0
        try:
            items = self._queue.get(timeout=self._settings.measure_every)
            while items is not None:
                batch += items
                size += sum(item.weight for item in items)
                if size >= self._settings.batch_bytes:
                    return batch
                items = self._queue.get_nowait()
        except queue.Empty:
            return batch
        self._stopped = True
        return batch

    def _commit(self, batch: list[_Item]) -> None:
        self._oldest = batch[0].at
        error: RecordError | None = None
        items, payloads = self._encoded(batch)
        try:
            if items:
                self._gauge.grew(self._writer.commit(payloads))
        except SpoolFullError as full:
            self._gauge.is_full(full)
            error = full
        except Exception:
            self._settle(items, SpoolLostError("The spool was lost while this entry was written."))
            raise
        finally:
            self._oldest = None
            self._done += len(batch)
            self._done_bytes += sum(item.weight for item in batch)
        self._settle(items, error)

    def _encoded(self, batch: list[_Item]) -> tuple[list[_Item], _Payloads]:
        """Encode and sign each entry; one that can't be (a lone surrogate, no key) is refused alone."""
        first_n = self._writer.next_n
        items: list[_Item] = []
        payloads: _Payloads = []
        for item in batch:
            try:
                payload = write_entry(item.entry, self.lane, first_n + len(items), self._signer)
            except _UNWRITABLE as error:
                self._settle([item], RecordError(f"An entry can't be encoded: {error}."))
                continue
            items.append(item)
            payloads.append(payload)
        return items, payloads

    def _lose(self, error: SpoolLostError) -> None:
        self._lost = error
        rest: list[_Item] = []
        try:
            while True:
                rest += self._queue.get_nowait() or []
        except queue.Empty:
            self._settle(rest, error)
        self._done += len(rest)
        self._done_bytes += sum(item.weight for item in rest)

    def _settle(self, items: list[_Item], error: RecordError | None) -> None:
        """Tell those who wait, in one call into their loop: each costs a system call."""
        waiting = [item.done for item in items if item.done is not None]
        if error is not None:
            self._dropped += len(items) - len(waiting)
        if not waiting:
            return
        try:
            waiting[0].get_loop().call_soon_threadsafe(_resolve, waiting, error)
        except RuntimeError:
            # The loop was closed while the disk worked: nobody is left who could be told.
            self._dropped += 0 if error is None else len(waiting)


def _resolve(waiting: list[asyncio.Future[None]], error: RecordError | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(_again(error))


def _again[E: RecordError](error: E) -> E:
    """Return a fresh copy: one exception raised in many places would gather all their tracebacks."""
    return type(error)(error.message, hint=error.hint)


def _weight(entry: Entry) -> int:
    """Estimate how much an entry occupies without encoding it in the event loop."""
    texts = len(entry.masked) + len(entry.target) if isinstance(entry, Intent) else 0
    return 2048 + len(entry.body.stored) + texts
