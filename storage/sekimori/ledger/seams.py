"""What the ledger asks of others: somebody who seals and opens, and a disk.

The vault's ``SegmentSealer`` and ``SegmentOpener`` fit here, and so do doubles that fail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class FrameSealer(Protocol):
    """One segment's chain as its writer holds it."""

    @property
    def preamble(self) -> bytes:
        """What an opener needs to derive the same chain; stored in clear."""
        ...

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Seal the next frame; afterwards nobody here can open it."""
        ...


class Sealer(Protocol):
    """Starts a fresh chain for each segment."""

    def open_segment(self) -> FrameSealer:
        """Return the chain of a new segment."""
        ...


class FrameOpener(Protocol):
    """One segment's chain as its reader holds it."""

    def open(self, number: int, sealed: bytes, context: bytes) -> bytes:
        """Open frame ``number``; raises IntegrityError if anything of it differs."""
        ...


class Opener(Protocol):
    """Whoever can read what was sealed."""

    def open_segment(self, preamble: bytes) -> FrameOpener:
        """Return the chain of that segment; raises IntegrityError if it isn't for this reader."""
        ...


type FileId = tuple[int, int]
"""Device and inode."""


class Files(Protocol):
    """The few things a lane asks of the disk; each raises OSError as the system does."""

    def create(self, path: Path, size: int) -> int:
        """Make a new file of mode 0600 with all its blocks reserved and return its descriptor."""
        ...

    def write(self, handle: int, data: bytes, offset: int) -> int:
        """Write some of ``data`` at ``offset`` and return how much."""
        ...

    def sync(self, handle: int) -> None:
        """Return once what was written is durable."""
        ...

    def identity(self, handle: int) -> FileId:
        """Return what tells the open file from all others, for as long as it is open."""
        ...

    def is_at(self, mine: FileId, path: Path) -> bool:
        """Tell whether the open file of that identity still is the one under that name."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file and make its new length durable."""
        ...

    def publish(self, draft: Path, path: Path) -> None:
        """Give a file its final name, durably."""
        ...

    def close(self, handle: int) -> None:
        """Give the descriptor back."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Return how much an ordinary user can still write there."""
        ...
