"""One segment, walked from a position to where it ends, with everything checked on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger import frames
from sekimori.ledger.evidence import read_entry
from sekimori.ledger.lanes import Position
from sekimori.ledger.record import Entry, decode
from sekimori.ledger.seams import FrameOpener
from sekimori.ledger.segment_reader import SealedCommit, SegmentReader
from sekimori.ledger.tail import is_torn

_WITHOUT_EVIDENCE = 1
"""The version of segments whose entries have neither envelope nor leaf."""


class Item(NamedTuple):
    """One entry: where reading resumes after it, its number in the lane, and itself.

    ``envelope`` and ``leaf`` are empty in what a release before the ledger wrote (version 1).
    """

    position: Position
    n: int
    entry: Entry
    envelope: bytes = b""
    leaf: bytes = b""


class SegmentWalk:
    """Reads one segment; afterwards ``position``, ``closed`` and ``torn_bytes`` say how it ended.

    ``last`` tells that no segment follows, ``alive`` that the lane's writer may be writing just now.
    """

    def __init__(
        self, segment: SegmentReader, chain: FrameOpener, start: Position, *, last: bool, alive: bool
    ) -> None:
        self.position = start
        self.closed = False
        self.torn_bytes = 0
        self._segment = segment
        self._chain = chain
        self._last = last
        self._alive = alive

    def items(self) -> Iterator[Item]:
        """Yield the entries after the start; raises IntegrityError at what no crash explains."""
        while not self.closed and (commit := self._next_commit()) is not None:
            entries = self._open(commit)
            if not entries:
                self._close(commit)
            for n, payload in enumerate(entries, commit.head.first_n):
                if n > self.position.n:
                    entry, envelope, leaf = self._read(payload, n)
                    self.position = self._after(commit, n)
                    yield Item(self.position, n, entry, envelope, leaf)

    def _next_commit(self) -> SealedCommit | None:
        """Return the next whole frame, or None where the segment rightly ends."""
        offset = self.position.offset
        if (commit := self._segment.commit_at(offset)) is not None:
            return commit
        rest = self._segment.rest(offset, growing=self._alive and self._last)
        if not rest:
            return None
        if self._last and is_torn(rest, offset):
            self.torn_bytes = 0 if self._alive else len(rest)
            return None
        # While we looked at what follows, a living writer may have completed the frame.
        if self._alive and self._last and (commit := self._segment.commit_at(offset)) is not None:
            return commit
        raise self._broken(f"is damaged at byte {offset}")

    def _open(self, commit: SealedCommit) -> list[bytes]:
        head, at = commit.head, self.position
        resumed = head.first_n <= at.n < head.first_n + head.count
        if head.number != at.frame or not (head.first_n == at.n + 1 or resumed):
            raise self._broken(f"has frame {head.number} with entry {head.first_n} at byte {at.offset}")
        context = frames.context(self._segment.raw_header, head.bound)
        plaintext = self._chain.open(head.number, commit.sealed, context)
        return frames.unpack_entries(plaintext, head.count)

    def _read(self, payload: bytes, n: int) -> tuple[Entry, bytes, bytes]:
        header = self._segment.header
        try:
            if header.version > _WITHOUT_EVIDENCE:
                return read_entry(payload, header.lane, n)
            return decode(payload), b"", b""
        except IntegrityError as error:
            why = error.message.rstrip(".")
            raise self._broken(f"holds something else than entry {n} ({why})") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._broken(f"holds something else than entry {n}") from error

    def _after(self, commit: SealedCommit, n: int) -> Position:
        at, head = self.position, commit.head
        if n == head.first_n + head.count - 1:
            return Position(at.segment, commit.end, at.frame + 1, n)
        return Position(at.segment, at.offset, at.frame, n)

    def _close(self, commit: SealedCommit) -> None:
        at = self.position
        self.position = Position(at.segment, commit.end, at.frame + 1, at.n)
        self.closed = True
        if not self._last or self._segment.rest(commit.end, growing=False):
            raise self._broken("goes on after the writer said that it was closed")

    def _broken(self, what: str) -> IntegrityError:
        where = f"Segment {self.position.segment} of lane {self._segment.header.lane}"
        return IntegrityError(f"{where} {what}, after entry {self.position.n}.")
