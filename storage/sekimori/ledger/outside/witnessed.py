"""How long ago a checkpoint had its witnesses: a file whose time of change says so.

The archivist touches it; gate workers look. An archivist that is dead or cut off touches nothing, so what
looks closes by itself: the file says that all is well, and never that something is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sekimori.ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from sekimori.ledger.tlog.note import Verifier

NAME = "witnessed"
_AHEAD_SECONDS = 600.0  # more than a witness's clock may be ahead of ours
_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Standing:
    """A published checkpoint, the names of those who cosigned it, and since when they suffice.

    ``witnessed`` is the time that the last one who was needed wrote, in seconds; 0 if one is missing.
    """

    checkpoint: Checkpoint
    cosigners: tuple[str, ...]
    witnessed: int


def standing(data: bytes, log: Verifier, witnesses: Collection[Verifier], quorum: int) -> Standing:
    """Read a published checkpoint; raises IntegrityError if it isn't the log's or a cosignature is false."""
    opened = open_checkpoint(data, log, witnesses)
    names = tuple(signed.verifier.name for signed in opened.witnesses)
    times = sorted((signed.time for signed in opened.witnesses), reverse=True)
    return Standing(opened.checkpoint, names, times[quorum - 1] if 0 < quorum <= len(times) else 0)


class Mark:
    """The archivist's side of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, now: float) -> None:
        """Let the time run from now if it never did."""
        if not self._path.exists():
            self.touch(now)

    def touch(self, time: float) -> None:
        """Say when a checkpoint had its witnesses; by their clocks, so that an old one stays old."""
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE))
        os.utime(self._path, (time, time))

    def age(self, now: float) -> float:
        """Return for how long no checkpoint had its witnesses."""
        return age_of(self._path, now)


class WitnessedWatch:
    """A gate worker's side: tells whether traffic may pass; with a limit of 0 it always may."""

    def __init__(self, path: Path, limit: float) -> None:
        self._path = path
        self._limit = limit
        self.ok = not limit

    def look(self, now: float) -> bool:
        """Look at the file; tells whether the answer changed."""
        before = self.ok
        self.ok = not self._limit or -_AHEAD_SECONDS <= age_of(self._path, now) <= self._limit
        return self.ok != before


def age_of(path: Path, now: float) -> float:
    """Return how old the file's time is; infinite if it can't be seen."""
    try:
        return now - path.stat().st_mtime
    except OSError:
        return float("inf")
