"""What the archivist stored last, kept as it came: whoever counts it need not open it again.

Opening a stored intent costs two rows and two ciphers, and every exchange is counted a second after it was
stored. Where something is missing here (a start, another node, a lane that was far behind) the database has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from sekimori.ledger.record import Entry, Intent
from sekimori.store.rows import without_stored

Remembered = tuple[int, Intent | None]
"""An entry's number, and the intent without its body; nothing for entries of other kinds."""


class Recent:
    """The last entries of each lane, without gaps; for one thread, ``limit`` entries a lane."""

    def __init__(self, limit: int = 2_048) -> None:
        self._limit = limit
        self._lanes: dict[str, deque[Remembered]] = {}

    def note(self, lane: str, stored: Iterable[tuple[int, Entry]]) -> None:
        """Remember entries of a lane that were committed, in the order of their numbers."""
        kept = self._lanes.setdefault(lane, deque(maxlen=self._limit))
        for n, entry in stored:
            if kept and kept[-1][0] != n - 1:
                kept.clear()
            kept.append((n, without_stored(entry) if isinstance(entry, Intent) else None))

    def take(self, lane: str, after: int, upto: int) -> Sequence[Intent] | None:
        """Hand out the intents above ``after`` and up to ``upto``, once; None where not all are remembered."""
        kept = self._lanes.get(lane)
        if not kept or kept[0][0] > after + 1 or kept[-1][0] < upto:
            return None
        taken: list[Intent] = []
        while kept and kept[0][0] <= upto:
            n, intent = kept.popleft()
            if n > after and intent is not None:
                taken.append(intent)
        return taken

    def forget(self, lane: str) -> None:
        """Drop a lane that ended."""
        self._lanes.pop(lane, None)
