"""Reading a lane back: every entry in order, and how the lane ends.

What a crash can leave is told apart from what it can't. A crash leaves at most one damaged frame, the
last of the last segment of a lane whose writer is dead: a *torn tail*, never acknowledged to anybody
and reported in ``LaneEnd``. Damage before a sound frame, bytes that differ instead of missing, a missing
segment (the last one, too: only a segment that another follows is cut where its data ends), a gap in the
numbers, a seal that doesn't open: IntegrityError, and reading stops there; nothing is ever skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.lanes import START, Position, is_alive, segments
from sekimori.ledger.seams import FrameOpener, Opener
from sekimori.ledger.segment_reader import SegmentReader
from sekimori.ledger.walk import Item, SegmentWalk


class EndState(StrEnum):
    """How a lane ends, as far as it was read."""

    GROWING = "growing"
    """The writer lives: more may come."""
    CLOSED = "closed"
    """The writer said that this is the end."""
    CRASHED = "crashed"
    """The writer is dead and said nothing; all that is there was read."""


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """Where and how reading ended; ``torn_bytes`` were written and never acknowledged."""

    state: EndState
    position: Position
    torn_bytes: int = 0


class LaneReader:
    """Reads one lane; keep it while the lane grows, it remembers how far its keys have come.

    ``ended`` tells that its end was read before: what is read then may begin behind the word that closed it.
    """

    def __init__(self, directory: Path, opener: Opener, *, ended: bool = False) -> None:
        self.directory = directory
        self._ended = ended
        self.lane = directory.name
        self.end: LaneEnd | None = None
        self._opener = opener
        self._chain: tuple[bytes, FrameOpener] | None = None

    def is_alive(self) -> bool:
        """Tell whether the lane's writer still holds its lock."""
        return is_alive(self.directory)

    def read(self, start: Position = START) -> Iterator[Item]:
        """Yield what stands after ``start``; once exhausted, ``end`` says how the lane ends.

        Raises IntegrityError at the first thing that no crash explains.
        """
        self.end = None
        # Asked before anything is read: a writer that dies meanwhile is met at the next reading.
        alive = self.is_alive()
        state = EndState.GROWING if alive else EndState.CRASHED
        end = LaneEnd(state, start)
        numbers = self._numbers(start)
        for number in numbers:
            with SegmentReader(self.directory, number) as segment:
                at = self._enter(segment, end.position)
                last = number == numbers[-1]
                walk = SegmentWalk(segment, self._chain_of(segment), at, last=last, alive=alive)
                yield from walk.items()
                if last and not alive and not walk.closed and segment.is_cut_at(walk.position.offset):
                    self._expect_ended(number)
            end = LaneEnd(EndState.CLOSED if walk.closed else state, walk.position, walk.torn_bytes)
        self.end = end

    def _expect_ended(self, number: int) -> None:
        """Refuse a last segment that was cut: its writer cuts one when the next is there, or when it says the end."""
        if not self._ended:
            raise IntegrityError(
                f"Segment {number + 1} of lane {self.lane} is missing: the one before it was finished, "
                "and its writer did not say that this was the end."
            )

    def _numbers(self, start: Position) -> list[int]:
        """Return the segments to read; none may be missing between them."""
        numbers = [number for number in segments(self.directory) if number >= start.segment]
        if not numbers and start == START:
            return []
        wanted = range(start.segment, max(numbers, default=start.segment) + 1)
        if numbers != list(wanted):
            missing = next(number for number in wanted if number not in numbers)
            raise IntegrityError(f"Segment {missing} of lane {self.lane} is missing.")
        return numbers

    def _enter(self, segment: SegmentReader, at: Position) -> Position:
        """Return the position of the first frame to read in a segment."""
        if at.segment == segment.number and at.offset > 0:
            return at
        if segment.header.first_n != at.n + 1:
            raise IntegrityError(
                f"Segment {segment.number} of lane {self.lane} begins with entry "
                f"{segment.header.first_n}, expected {at.n + 1}."
            )
        return Position(segment.number, len(segment.raw_header), 0, at.n)

    def _chain_of(self, segment: SegmentReader) -> FrameOpener:
        """Return the segment's chain; the last one is kept, so that tailing needn't start over."""
        if self._chain is None or self._chain[0] != segment.raw_header:
            self._chain = segment.raw_header, self._opener.open_segment(segment.header.preamble)
        return self._chain[1]
