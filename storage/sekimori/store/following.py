"""One lane of the spool as the archivist follows it, and how far of it may be given up."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.lanes import START, Position, mark_shipped, read_shipped, remove_lane
from sekimori.ledger.reading import LaneEnd, LaneReader
from sekimori.ledger.seams import Opener
from sekimori.store.lanes import LaneState

_MARK_EVERY_US = 500_000
"""Marking costs two syncs of its own, and nothing but the writers' gauge hangs on it."""


class FollowedLane:
    """Where reading goes on, and what the marker says.

    Raises IntegrityError where the marker says that more was stored than the database holds. ``end`` is where
    the lane ended, once the database has it whole.
    """

    def __init__(self, folder: Path, opener: Opener, state: LaneState | None) -> None:
        shipped = read_shipped(folder)
        given_up, marked = shipped.at(), shipped.stored_at()
        stored = state.last_n if state else 0
        if max(marked.n, given_up.n) > stored:
            raise IntegrityError(
                f"The spool's marker says {marked.n} entries were stored, the database holds {stored}.",
                hint="The database seems to be an older copy; find out before anything is shipped to it.",
            )
        self.folder = folder
        # The database's word, which is sealed: anybody who writes to the spool can write its marker.
        self.reader = LaneReader(folder, opener, ended=state is not None and state.closed_us is not None)
        self.position = Position.parse(state.position) if state and state.position else START
        if given_up.n == self.position.n:
            # An empty segment was begun, and the one before given up already.
            self.position = max(self.position, given_up)
        self.end: LaneEnd | None = None
        self._given_up = given_up
        self._marked = (given_up, marked)
        self._marked_us = 0
        self._uncovered = deque([self.position])

    def went_on(self, position: Position) -> None:
        """Take note that the database holds the lane up to there."""
        self.position = position
        self._uncovered.append(position)

    def mark(self, covered: int, now_us: int, *, now: bool = False) -> None:
        """Say in the marker what is stored, and give up what the trees cover: entries to number ``covered``."""
        while self._uncovered and self._uncovered[0].n <= covered:
            self._given_up = max(self._given_up, self._uncovered.popleft())
        marks = (self._given_up, self.position)
        full = self._given_up.segment > self._marked[0].segment
        due = now or full or abs(now_us - self._marked_us) >= _MARK_EVERY_US
        if marks != self._marked and due:
            mark_shipped(self.folder, self._given_up, stored=self.position)
            self._marked, self._marked_us = marks, now_us

    def remove(self, covered: int) -> bool:
        """Delete the lane if it ended and is covered to its end; say whether it is gone."""
        if self.end is None or covered < self.end.position.n:
            return False
        mark_shipped(self.folder, self.end.position, done=True)
        remove_lane(self.folder)
        return True
