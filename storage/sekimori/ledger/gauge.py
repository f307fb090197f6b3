"""How full the spool is, known at every moment without asking the disk at every moment.

The folder is measured at most once in ``measure_every`` seconds; what this writer adds in between is
added to the figure. Other writers' additions show at the next measure, so that the high-water mark may
be passed by what they write in that time: set it with that much room below the size of the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sekimori.errors import SpoolFullError, SpoolLostError
from sekimori.ledger.lanes import pending
from sekimori.ledger.seams import Files


class Gauge:
    """Measured and asked by the recorder."""

    def __init__(
        self,
        spool_dir: Path,
        *,
        high_water: int,
        min_free: int,
        measure_every: float,
        files: Files,
        clock: Callable[[], float],
    ) -> None:
        self._spool_dir = spool_dir
        self._high_water = high_water
        self._min_free = min_free
        self._measure_every = measure_every
        self._files = files
        self._clock = clock
        self._measured_at = -measure_every
        self._unshipped = 0
        self._grown = 0
        self._free = 0
        self._full: SpoolFullError | None = None

    @property
    def bytes(self) -> int:
        """How many bytes of all lanes wait for the archivist."""
        return self._unshipped + self._grown

    def grew(self, size: int) -> None:
        """Count what this writer added since the last measure."""
        self._grown += size

    def is_full(self, error: SpoolFullError) -> None:
        """Note that the disk refused a new segment; believed until the next measure."""
        self._full = error

    def refresh(self, *, now: bool = False) -> None:
        """Measure, if it is time to or ``now``; raises SpoolLostError if the folder can't be read."""
        at = self._clock()
        if not now and at - self._measured_at < self._measure_every:
            return
        self._measured_at = at
        try:
            self._unshipped, self._grown = sum(pending(self._spool_dir).values()), 0
            self._free = self._files.free_bytes(self._spool_dir)
        except OSError as error:
            raise SpoolLostError(
                f"The spool {self._spool_dir} can't be measured: {error.strerror}."
            ) from error
        self._full = None

    def refusal(self) -> SpoolFullError | None:
        """Return why nothing may be accepted now, or None."""
        if self._full is not None:
            return self._full
        if self.bytes >= self._high_water:
            return SpoolFullError(
                f"The spool holds {self.bytes} bytes the archivist has not taken, of {self._high_water}.",
                hint="See why the archivist is behind; the gate goes on by itself once it catches up.",
            )
        if self._free < self._min_free:
            return SpoolFullError(
                f"The disk of {self._spool_dir} has {self._free} bytes free; {self._min_free} are kept.",
                hint="Make room; the gate goes on by itself.",
            )
        return None
