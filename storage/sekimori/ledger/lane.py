"""A lane as its writer sees it: numbers entries, commits them, goes on to the next segment.

Synchronous and without threads: the ``recorder`` runs it. After SpoolLostError nothing may be written
any more, for nobody knows what of the last commit is on the disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sekimori.errors import RecordError, SpoolLostError
from sekimori.ledger import frames
from sekimori.ledger.frames import SegmentHeader
from sekimori.ledger.lanes import ROLL, take_lane
from sekimori.ledger.seams import Files, Sealer
from sekimori.ledger.segment import Commits, start_segment

_HEADROOM = 64 * 1024


class LaneWriter:
    """The one writer of one lane, from its making to its end."""

    def __init__(
        self, spool_dir: Path, lane: str, *, sealer: Sealer, segment_bytes: int, files: Files
    ) -> None:
        self._lane = lane
        self._sealer = sealer
        self._segment_bytes = segment_bytes
        self._files = files
        self._folder, self._lock = take_lane(spool_dir, lane)
        self._number = 0
        self._n = 0
        self._first_n = 1
        self._segment: Commits | None = None
        try:
            self._next_segment(0)
        except RecordError:
            self.abandon()
            shutil.rmtree(self._folder)  # nothing was accepted: no lane, rather than an empty one
            raise

    @property
    def next_n(self) -> int:
        """The number that the next entry gets: its envelope names it before it is sealed."""
        return self._n + 1

    def commit(self, entries: list[bytes]) -> int:
        """Make entries durable as one frame, under the next numbers, and return its size."""
        plaintext = frames.pack_entries(entries)
        if self._segment is None or not self._segment.has_room(len(plaintext)):
            self._next_segment(len(plaintext))
        return self._put(plaintext, len(entries))

    def roll(self) -> None:
        """Begin a new segment if somebody asked for it and this one holds anything."""
        if not (self._folder / ROLL).exists():
            return
        if self._segment is not None and self._n >= self._first_n:
            self._next_segment(0)
        (self._folder / ROLL).unlink(missing_ok=True)

    def close(self) -> None:
        """Say in the lane that this is its end, and let go of it."""
        try:
            self._put(b"", 0)  # there is room: every commit before left it
            if self._segment is not None:
                self._segment.file.cut()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of a lane without a word: to its readers it looks like a crash."""
        if self._segment is not None:
            self._segment.file.release()
            self._segment = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _put(self, plaintext: bytes, count: int) -> int:
        if self._segment is None:
            raise SpoolLostError(f"Lane {self._lane} is closed.")
        size = self._segment.commit(plaintext, self._n + 1, count)
        self._n += count
        return size

    def _next_segment(self, plaintext_bytes: int) -> None:
        """Close the full segment only when the next one is sure to have its blocks."""
        size = max(self._segment_bytes, plaintext_bytes + _HEADROOM)
        chain = self._sealer.open_segment()
        header = SegmentHeader(self._lane, self._number + 1, self._n + 1, chain.preamble)
        following = start_segment(self._folder, header, chain, size, self._files)
        self._number += 1
        self._first_n = self._n + 1
        full, self._segment = self._segment, following
        if full is not None:
            full.file.finish()
