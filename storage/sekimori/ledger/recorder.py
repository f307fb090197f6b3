"""The writing end of a lane: numbers, signs, seals and syncs what a spool orders, one commit at a time.

Synchronous. A gate's recorder is a process of its own, so that neither its arithmetic nor its waiting for the
disk takes the interpreter from the event loop, and so that the key that signs the record is not used where
strangers' bytes are read. It outlives a worker that is killed by as long as it needs to write what it was
given; without the order to close, the lane then ends as after a crash, which it was.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sekimori.errors import IntegrityError, SpoolFullError, SpoolLostError
from sekimori.ledger.evidence import Draft, write_draft
from sekimori.ledger.files import LocalFiles
from sekimori.ledger.gauge import Gauge
from sekimori.ledger.lane import LaneWriter
from sekimori.ledger.orders import CLOSE, Answer, Said, answer_message, read_drafts, receive
from sekimori.ledger.seams import Files, Sealer
from sekimori.ledger.tlog.leaf import LeafSigner

UNWRITABLE = (msgspec.MsgspecError, IntegrityError, ValueError, TypeError, OverflowError, RecursionError)
"""What encoding an entry raises when nothing but that entry is at fault."""

_TIMEVAL = struct.Struct("@ll")


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds; ``high_water`` and ``min_free`` are the whole spool's."""

    segment_bytes: int = 64 * 1024 * 1024
    high_water: int = 4 * 1024 * 1024 * 1024
    min_free: int = 256 * 1024 * 1024
    measure_every: float = 1.0


class Recorder:
    """Writes one lane, from its making to its end."""

    def __init__(
        self,
        directory: Path,
        lane: str,
        *,
        seal: Sealer,
        signer: LeafSigner,
        settings: RecorderSettings,
        files: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the lane; raises StateError if it exists already, RecordError if it can't be written."""
        self._lane = lane
        self._signer = signer
        self._measure_every = settings.measure_every
        self._clock = clock
        files = files or LocalFiles()
        self._writer = LaneWriter(
            directory, lane, sealer=seal, segment_bytes=settings.segment_bytes, files=files
        )
        self._gauge = Gauge(
            directory,
            high_water=settings.high_water,
            min_free=settings.min_free,
            measure_every=settings.measure_every,
            files=files,
            clock=clock,
        )
        try:
            self._gauge.refresh(now=True)
        except SpoolLostError:
            self._writer.abandon()
            raise
        self._rolled = clock()

    def state(self, *, ordered: bool = False) -> Answer:
        """Say how the disk is."""
        no_room = self._gauge.refusal()
        return Answer(
            ordered=ordered, waiting=self._gauge.bytes, no_room=None if no_room is None else Said.of(no_room)
        )

    def serve(self, sock: socket.socket) -> None:
        """Do what is ordered until the lane is closed or lost, or whoever orders is gone."""
        try:
            self._serve(sock)
        except SpoolLostError as error:
            self._tell(sock, Said.of(error))
        except ConnectionError:
            pass  # whoever ordered is gone before the answer, and what they ordered is written
        except Exception as error:  # noqa: BLE001  a bug or the memory: whatever it is, nothing may pass
            self._tell(sock, Said(f"The spool's writer failed: {error!r}."))
        finally:
            self._writer.abandon()

    def _serve(self, sock: socket.socket) -> None:
        # The kernel's own time-out: a call to poll before each receive would cost as much as the receive.
        seconds, part = divmod(self._measure_every, 1.0)
        sock.settimeout(None)
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(seconds), max(1, int(part * 1e6)))
        )
        told = self._say(sock, self.state())
        while True:
            try:
                order = receive(sock)
            except BlockingIOError:
                self._look()
                if (state := self.state()) != told:
                    # Whoever is gone may have ordered something in between, and that is still to be written.
                    with contextlib.suppress(ConnectionError):
                        self._say(sock, state)
                    told = state
                continue
            if order is None:
                return
            if order == CLOSE:
                self._writer.close()
                self._say(sock, self.state(ordered=True))
                return
            self._gauge.refresh()
            answer = self._commit(read_drafts(order))
            told = self._say(sock, answer)
            self._look()

    @staticmethod
    def _say(sock: socket.socket, answer: Answer) -> Answer:
        """Send an answer; returns what it said of the disk."""
        sock.sendall(answer_message(answer))
        return Answer(ordered=False, waiting=answer.waiting, no_room=answer.no_room)

    @staticmethod
    def _tell(sock: socket.socket, lost: Said) -> None:
        with contextlib.suppress(OSError):  # nobody is left who could be told
            sock.sendall(answer_message(Answer(ordered=False, lost=lost)))

    def _look(self) -> None:
        """Measure, and see whether the segment is to be given up before it is full, from time to time."""
        self._gauge.refresh()
        now = self._clock()
        if now - self._rolled < self._measure_every:
            return
        self._rolled = now
        try:
            self._writer.roll()
        except SpoolFullError as full:
            self._gauge.is_full(full)  # asked again at the next look

    def _commit(self, drafts: list[Draft]) -> Answer:
        refused: list[tuple[int, str]] = []
        payloads: list[bytes] = []
        first_n = self._writer.next_n
        for place, drafted in enumerate(drafts):
            try:
                payloads.append(write_draft(drafted, self._lane, first_n + len(payloads), self._signer))
            except UNWRITABLE as error:
                refused.append((place, str(error)))
        full: Said | None = None
        if payloads:
            try:
                self._gauge.grew(self._writer.commit(payloads))
            except SpoolFullError as error:
                self._gauge.is_full(error)
                full = Said.of(error)
        return msgspec.structs.replace(self.state(ordered=True), refused=refused, full=full)
