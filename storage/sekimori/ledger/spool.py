"""The spool as a gate worker uses it: ``await append(entry)`` returns once the entry is durable.

Lives in one event loop; the writing itself is the recorder's, at the other end of a socket (``orders``).
Whatever arrived while it synced is its next commit; it never waits for a commit to fill (waiting 2 ms cost a
quarter of the throughput and 4.5 ms a request in a prototype). Whoever can't be served is told at once: a
queue, a spool or a disk that is full raises SpoolFullError before anything is accepted, a disk that doesn't
answer RecordError, and once a sync has failed, the file has vanished or the recorder has ended every call
raises SpoolLostError for good: the worker must end, and its successor opens a new lane.

An entry that was accepted is written unless the lane is lost, whatever becomes of its caller: after a
time-out or a cancellation it may still turn up in the record, and what it announces must not happen.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sekimori.errors import RecordError, SpoolFullError, SpoolLostError
from sekimori.ledger.evidence import Draft, draft
from sekimori.ledger.line import RecorderLine, loop_here
from sekimori.ledger.orders import Answer, close_order, commit_order
from sekimori.ledger.record import Entry, Intent
from sekimori.ledger.recorder import UNWRITABLE, Recorder, RecorderSettings
from sekimori.ledger.seams import Files, Sealer
from sekimori.ledger.tlog.leaf import LeafSigner

MAX_ENTRY_BYTES = 1 << 30
_BYTES_A_SECOND = 64 * 1024 * 1024
"""A disk that is slower than this is too slow; what is written is given the time that it takes."""


class SpoolSettings(RecorderSettings, frozen=True, kw_only=True):
    """Limits of one writer: of its queue in entries and bytes, of its waiting in seconds; and its recorder's."""

    queue_entries: int = 4096
    queue_bytes: int = 256 * 1024 * 1024
    batch_bytes: int = 8 * 1024 * 1024
    record_timeout: float = 0.5
    close_timeout: float = 10.0


class _Item(NamedTuple):
    """An accepted entry on its way to the disk."""

    entry: Entry
    weight: int
    at: float
    done: asyncio.Future[None] | None


def open_spool(
    directory: Path,
    lane: str,
    *,
    seal: Sealer,
    signer: LeafSigner,
    settings: SpoolSettings | None = None,
    files: Files | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> SpoolWriter:
    """Take a lane whose recorder is a thread of this process: for tools, and where the disk is a double.

    Raises StateError if the lane exists already, RecordError if it can't be written.
    """
    settings = settings or SpoolSettings()
    recorder = Recorder(
        directory, lane, seal=seal, signer=signer, settings=settings, files=files, clock=clock
    )
    ours, theirs = socket.socketpair()

    def record() -> None:
        with theirs:
            recorder.serve(theirs)

    thread = threading.Thread(target=record, name=f"recorder-{lane}", daemon=True)
    thread.start()
    return SpoolWriter(lane, ours, settings=settings, join=thread.join, clock=clock)


class SpoolWriter:
    """The ordering end of one lane; lives in one event loop, which also makes all calls but ``close``."""

    def __init__(
        self,
        lane: str,
        sock: socket.socket,
        *,
        settings: SpoolSettings,
        join: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wait for the recorder's first word; raises RecordError if the lane can't be written.

        ``join`` waits that many seconds for the recorder to end.
        """
        self.lane = lane
        self._line = RecorderLine(sock, heard=self._answered, ended=self._ended)
        self._settings = settings
        self._join = join
        self._clock = clock
        self._state = Answer()
        self._ordered: list[_Item] = []
        # What comes while a commit is under way is the next one.
        self._gathered: deque[_Item] = deque()
        self._deadlines: deque[tuple[float, float, asyncio.Future[None]]] = deque()
        self._depth = self._depth_bytes = 0
        self._dropped = 0
        self._allowed = settings.record_timeout
        # Whoever came alone the last time is not made to wait for company: a turn of the event loop is 0.05 ms.
        # Otherwise what this turn accepts is ordered together, for an order costs as much as an entry.
        self._alone = True
        self._closing = self._close_ordered = self._closed = self._greeted = False
        self._lost: SpoolLostError | None = None
        try:
            self._greet()
        except RecordError:
            self._line.close()
            raise
        if (loop := loop_here()) is not None:
            self._attach(loop)

    async def append(self, entry: Entry) -> None:
        """Return once the entry is durable; raises RecordError if that is not certain."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._accept(entry, done)
        # One timer for all: each of its own would be made and cancelled, twice a request. Whoever comes behind
        # a large entry waits for it anyway, and is told no sooner.
        seconds = self._time_for(_weight(entry))
        self._deadlines.append((loop.time() + seconds, seconds, done))
        if len(self._deadlines) == 1:
            loop.call_at(self._deadlines[0][0], self._expire, loop)
        await done

    def offer(self, entry: Entry) -> None:
        """Queue an entry that nobody waits for; raises RecordError if it can't even be queued."""
        self._accept(entry, None)

    def close(self) -> None:
        """Write what was accepted, mark the lane as closed and let go of it; blocks the caller, in any thread.

        Raises SpoolLostError if the lane was lost, or if the disk doesn't answer in ``close_timeout``.
        """
        self._closing = True
        self._line.detach(self._settings.close_timeout)
        if self._lost is None and not self._closed:
            try:
                self._finish(time.monotonic() + self._settings.close_timeout)
            except TimeoutError as error:
                raise SpoolLostError(f"Lane {self.lane} can't be closed: the disk doesn't answer.") from error
        self._line.close()
        self._join(self._settings.close_timeout)
        if self._lost is not None:
            raise _again(self._lost)

    @property
    def depth(self) -> int:
        """How many accepted entries are not durable yet."""
        return self._depth

    @property
    def oldest_us(self) -> int:
        """How long the commit under way has kept its oldest entry waiting, in microseconds."""
        return max(0, int((self._clock() - self._ordered[0].at) * 1_000_000)) if self._ordered else 0

    @property
    def bytes(self) -> int:
        """How many bytes of all lanes wait for the archivist."""
        return self._state.waiting

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
        if self.oldest_us > self._allowed * 1_000_000:
            return RecordError(
                "The spool's disk doesn't answer.", hint="Look at the disk; the gate goes on by itself."
            )
        if self._depth >= self._settings.queue_entries:
            return SpoolFullError("More entries wait for the spool's disk than it can take.")
        no_room = self._state.no_room
        return None if no_room is None else no_room.full()

    # --- accepting ---------------------------------------------------------------------------

    def _accept(self, entry: Entry, done: asyncio.Future[None] | None) -> None:
        if (refusal := self.refusal()) is not None:
            raise refusal
        weight = _weight(entry)
        if weight > min(self._settings.queue_bytes, MAX_ENTRY_BYTES):
            raise RecordError("An entry is larger than the spool's queue.")
        if self._depth_bytes + weight > self._settings.queue_bytes:
            raise SpoolFullError("More bytes wait for the spool's disk than it can take.")
        self._depth += 1
        self._depth_bytes += weight
        self._gathered.append(_Item(entry, weight, self._clock(), done))
        loop = asyncio.get_running_loop()
        if loop is not self._line.loop:
            self._attach(loop)
        if self._ordered:
            return
        if self._alone:
            self._order()
        elif len(self._gathered) == 1:
            loop.call_soon(self._order)

    def _time_for(self, size: int) -> float:
        """Return how many seconds that many bytes may take."""
        return self._settings.record_timeout + size / _BYTES_A_SECOND

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those whose time is over, and come back for the next."""
        deadlines, now = self._deadlines, loop.time()
        while deadlines and (deadlines[0][2].done() or deadlines[0][0] <= now):
            _, seconds, done = deadlines.popleft()
            if not done.done():
                done.set_exception(RecordError(f"The record was not durable within {seconds * 1000:.0f} ms."))
        if deadlines:
            loop.call_at(deadlines[0][0], self._expire, loop)

    # --- ordering ----------------------------------------------------------------------------

    def _order(self) -> None:
        """Order what was gathered to be written, unless the recorder has something to do still."""
        if self._ordered or self._lost is not None:
            return
        drafts: list[Draft] = []
        size = 0
        try:
            while self._gathered and size < self._settings.batch_bytes:
                self._ordered.append(item := self._gathered.popleft())
                try:
                    drafts.append(draft(item.entry))
                except UNWRITABLE as error:
                    self._settle([self._ordered.pop()], _unwritable(str(error)))
                    continue
                size += item.weight
            self._allowed = self._time_for(size)
            if drafts:
                self._alone = len(drafts) == 1
                self._line.send(*commit_order(drafts))
        except TimeoutError:
            raise
        except Exception as error:  # noqa: BLE001  the memory, or a bug: nobody knows what was ordered
            self._lose(SpoolLostError(f"The spool can't order anything any more: {error!r}."))

    # --- what the recorder answers -----------------------------------------------------------

    def _ended(self, how: str) -> None:
        self._lose(SpoolLostError(f"The recorder of lane {self.lane} {how}."))

    def _answered(self, answer: Answer) -> None:
        self._state = answer
        self._greeted = True
        if answer.lost is not None:
            self._lose(answer.lost.lost())
            return
        if not answer.ordered:
            return
        if not self._ordered:
            if not self._close_ordered:
                raise IndexError("it answers what nobody ordered")
            self._closed = True
            return
        items, self._ordered = self._ordered, []
        if answer.refused:
            for place, why in answer.refused:
                self._settle([items[place]], _unwritable(why))
            bad = {place for place, _ in answer.refused}
            items = [item for place, item in enumerate(items) if place not in bad]
        self._settle(items, None if answer.full is None else answer.full.full())
        self._order()

    def _lose(self, error: SpoolLostError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._line.detach(self._settings.close_timeout)
        ordered, self._ordered = self._ordered, []
        self._settle(ordered, SpoolLostError("The spool was lost while this entry was written."))
        rest = list(self._gathered)
        self._gathered.clear()
        self._settle(rest, error)

    def _settle(self, items: list[_Item], error: RecordError | None) -> None:
        """Tell those who wait what became of their entries."""
        self._depth -= len(items)
        self._depth_bytes -= sum(item.weight for item in items)
        if error is not None:
            self._dropped += sum(item.done is None for item in items)
        # Those of an event loop that has ended were cancelled with it.
        waiting = [item.done for item in items if item.done is not None and not item.done.done()]
        if not waiting:
            return
        loop = waiting[0].get_loop()
        if loop is loop_here():
            _resolve(waiting, error)
            return
        try:
            loop.call_soon_threadsafe(_resolve, waiting, error)
        except RuntimeError:
            # The loop was closed while the disk worked: nobody is left who could be told.
            self._dropped += 0 if error is None else len(waiting)

    # --- beginning and end -------------------------------------------------------------------

    def _greet(self) -> None:
        """Wait for the recorder's first word; raises RecordError if it is that there will be no lane."""
        deadline = time.monotonic() + self._settings.close_timeout
        try:
            while not self._greeted and self._lost is None:
                self._line.wait(deadline)
        except TimeoutError as error:
            raise SpoolLostError(f"The recorder of lane {self.lane} doesn't answer.") from error
        if self._lost is not None:
            raise self._lost
        if self._state.full is not None:
            raise self._state.full.full()

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._line.detach(self._settings.close_timeout)
        self._deadlines.clear()  # the timer that watched them ended with the loop before
        self._line.attach(loop)

    def _finish(self, deadline: float) -> None:
        """Have everything written and the lane closed; raises TimeoutError."""
        self._line.finish_sending(deadline)
        self._order()
        while self._ordered and self._lost is None:
            self._line.wait(deadline)
        if self._lost is None and not self._close_ordered:
            self._close_ordered = True
            self._line.send(close_order())
        while not self._closed and self._lost is None:
            self._line.wait(deadline)


def _unwritable(why: str) -> RecordError:
    return RecordError(f"An entry can't be encoded: {why}.")


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
