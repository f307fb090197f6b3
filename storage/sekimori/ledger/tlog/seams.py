"""What a lane asks of others: a disk, and a memory that lies elsewhere.

``disk.LocalTree`` and ``lockstore.SqliteLockStore`` fit here, and so do doubles that lose power.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.merkle import EMPTY_ROOT
from sekimori.ledger.tlog.note import Note, NoteSignature


@dataclass(frozen=True, slots=True)
class Head:
    """Size and root of a tree, and when it got there."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    time_us: int = 0


class LaneState(StrEnum):
    """Whether a lane may still grow."""

    OPEN = "open"
    CLOSED = "closed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Locked:
    """What the lock store remembers of a lane; ``published`` once a checkpoint of it has lain in its folder."""

    head: Head
    state: LaneState
    published: bool = False


class LockStore(Protocol):
    """Remembers one head a log, on other storage than the log; each change durable when it returns."""

    def read(self, origin: str) -> Locked | None:
        """Return what is remembered of a log, or None."""
        ...

    def register(self, origin: str, lane: str, head: Head) -> None:
        """Remember a new log; raises StateError if it is known already."""
        ...

    def swap(self, origin: str, old: Head, new: Head) -> None:
        """Replace the head; raises StateError unless the log is open and ``old`` is what stands there."""
        ...

    def note_published(self, origin: str) -> None:
        """Remember that the log has a checkpoint: from now on one that is missing was removed."""
        ...

    def end(self, origin: str, old: Head, state: LaneState) -> None:
        """Say that the log never grows again; raises StateError unless ``old`` is what stands there."""
        ...


class TreeFiles(Protocol):
    """The few things a tree asks of the disk; each raises OSError as the system does."""

    def lock(self, path: Path) -> Callable[[], None]:
        """Hold a lock file alone and return what lets go of it; raises StateError if another holds it."""
        ...

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents where they are missing."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Make or overwrite a file and return once its content is durable (its name may not be)."""
        ...

    def rename(self, draft: Path, path: Path) -> None:
        """Give a file another name, whatever stood there."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Return once the names in a folder are durable."""
        ...

    def read(self, path: Path) -> bytes:
        """Return a file's content; raises FileNotFoundError."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a folder of files, if it is there."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint that asks for cosignatures; ``prove`` shows that it goes on from an older size."""

    note: Note
    checkpoint: Checkpoint
    prove: Callable[[int], tuple[bytes, ...]]


Cosign = Callable[[Offer], Sequence[NoteSignature]]
"""Asks the witnesses; those that did not answer are simply not among the signatures."""


def no_witness(offer: Offer) -> Sequence[NoteSignature]:
    """Ask nobody."""
    del offer
    return ()
