"""For how long what waits on the spool has made no headway: the figure that an alert looks at.

Compares the archivist's markers from one look to the next. The age of a marker alone would call a lane
late that was idle for an hour and has just got its next entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sekimori.ledger.lanes import SHIPPED, pending


@dataclass(frozen=True, slots=True)
class _Seen:
    """The marker of a lane, and when it was first seen as it is."""

    stamp: tuple[int, int]
    since: float


class Backlog:
    """Watches one spool folder; ``seconds`` is asked every now and then and reads a few small files."""

    def __init__(self, spool_dir: Path) -> None:
        self._spool_dir = spool_dir
        self._seen: dict[str, _Seen] = {}

    def seconds(self, now: float) -> float:
        """Return how long the slowest lane has waited at ``now``, a monotonic time; 0 where nothing waits."""
        waiting = pending(self._spool_dir)
        self._seen = {lane: self._look(lane, size, now) for lane, size in waiting.items()}
        return max((now - seen.since for seen in self._seen.values()), default=0.0)

    def _look(self, lane: str, size: int, now: float) -> _Seen:
        stamp = _stamp(self._spool_dir / lane / SHIPPED)
        known = self._seen.get(lane)
        return known if known is not None and size and known.stamp == stamp else _Seen(stamp, now)


def _stamp(marker: Path) -> tuple[int, int]:
    try:
        status = marker.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino
