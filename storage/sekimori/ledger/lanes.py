"""Lanes as folders: who writes one, which there are, how far each was shipped, how much is left.

A lane is ``spool/NAME`` with a ``lock`` that its one writer holds for life, segments
``seg-000001.spool`` and up, and ``shipped.json``, the archivist's marker of what is stored and covered. The
marker decides nothing about evidence (the database does): it lets a writer tell how much waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import (
    FILE_MODE,
    FOLDER_MODE,
    clear,
    fsync_folder,
    open_plain,
    read_plain,
    replace_file,
)
from sekimori.ledger.frames import is_lane_name

LOCK, SHIPPED, ROLL = "lock", "shipped.json", "roll"
_SEGMENT = re.compile(r"seg-(\d{6,})\.spool")
_GONE = ".gone-"
_PAGE = 4096
_MOST_SHIPPED = 4096


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where reading resumes: after entry ``n``, at frame number ``frame`` of a segment, at ``offset``.

    ``offset`` 0 is the start of the segment, before its header.
    """

    segment: int = 1
    offset: int = 0
    frame: int = 0
    n: int = 0

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}:{self.frame}:{self.n}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what ``str`` gave; raises ValueError on anything else."""
        segment, offset, frame, n = (int(part) for part in text.split(":"))
        position = cls(segment, offset, frame, n)
        if segment < 1 or min(offset, frame, n) < 0:
            raise ValueError(f"{text} is not a position in a lane")
        return position


START = Position()


class Shipped(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What ``shipped.json`` says: given up before ``position``; ``done`` when nothing more will come.

    ``stored`` is how far the database is; it is ahead until a published checkpoint covers that.
    """

    position: str = str(START)
    done: bool = False
    stored: str = ""

    def at(self) -> Position:
        """Return the position; raises IntegrityError if the file was tampered with."""
        return _position(self.position)

    def stored_at(self) -> Position:
        """Return the position up to which the database holds the lane; raises likewise."""
        return _position(self.stored or self.position)


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise IntegrityError(f"A lane's {SHIPPED} names no position.") from error


def segment_path(lane_dir: Path, number: int) -> Path:
    """Return the file of a segment."""
    return lane_dir / f"seg-{number:06d}.spool"


def segments(lane_dir: Path) -> list[int]:
    """Return the numbers of the segments that are there, in order."""
    found = (_SEGMENT.fullmatch(name) for name in os.listdir(lane_dir))  # noqa: PTH208  (names only, often)
    return sorted(int(match[1]) for match in found if match)


def lanes(spool_dir: Path) -> list[Path]:
    """Return the folders of all lanes, by name."""
    if not spool_dir.is_dir():
        return []
    return sorted(path for path in spool_dir.iterdir() if is_lane_name(path.name) and _is_made(path))


def _is_made(lane_dir: Path) -> bool:
    # A folder without either is a writer's that hasn't got its lock yet, or died before it had.
    return (lane_dir / LOCK).exists() or (lane_dir.is_dir() and bool(segments(lane_dir)))


def take_lane(spool_dir: Path, lane: str) -> tuple[Path, int]:
    """Make a new lane and hold its lock; returns its folder and the lock's descriptor.

    A lane is never taken twice: a writer that was killed left a state in memory that nobody has.
    """
    if not is_lane_name(lane):
        raise StateError(f"{lane!r} can't be the name of a lane.")
    folder = spool_dir / lane
    try:
        spool_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if folder.exists():
            raise StateError(f"Lane {lane} exists already; each start of a worker opens a new one.")
        folder.mkdir(mode=FOLDER_MODE)
        lock = _take_lock(folder)
        for changed in (folder, spool_dir, spool_dir.parent):
            fsync_folder(changed)
    except OSError as error:
        raise StateError(f"Lane {lane} can't be made in {spool_dir}: {error.strerror}.") from error
    return folder, lock


def _take_lock(folder: Path) -> int:
    # Locked before it has its name: whoever sees the file finds it held, as long as the writer lives.
    draft = folder / f".{LOCK}"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(folder / LOCK)
    except OSError:
        os.close(lock)
        raise
    return lock


def is_alive(lane_dir: Path) -> bool:
    """Tell whether the lane's writer still holds its lock."""
    try:
        lock = open_plain(lane_dir / LOCK)
    except FileNotFoundError as error:
        if not segments(lane_dir):
            return False  # its writer died before it wrote anything
        raise IntegrityError(
            f"The lock of lane {lane_dir.name} was removed.",
            hint="If its worker is dead, put an empty file of that name there.",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def read_shipped(lane_dir: Path) -> Shipped:
    """Read how far the archivist got; the start if it never came by."""
    try:
        return msgspec.json.decode(read_plain(lane_dir / SHIPPED, _MOST_SHIPPED), type=Shipped)
    except FileNotFoundError:
        return Shipped()
    except (IntegrityError, msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise IntegrityError(f"The file {lane_dir / SHIPPED} can't be read.") from error


def mark_shipped(
    lane_dir: Path, position: Position, *, done: bool = False, stored: Position | None = None
) -> None:
    """Note that everything before ``position`` may be given up, and delete the segments that lie before it.

    To be called once the database and a published checkpoint hold it; ``stored`` is how far the database
    alone is. ``done`` says that the rest, if any, was a torn tail that has been reported.
    """
    marker = Shipped(str(position), done, str(stored or position))
    replace_file(lane_dir / SHIPPED, msgspec.json.encode(marker))
    for number in segments(lane_dir):
        if number < position.segment:
            segment_path(lane_dir, number).unlink()


def ask_to_roll(lane_dir: Path) -> None:
    """Ask a lane's writer to begin a new segment, so that the one it writes can be given up."""
    # Finished meanwhile, or a trap stands there: nothing but room on the disk waits for the answer.
    with contextlib.suppress(OSError):
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        os.close(os.open(lane_dir / ROLL, flags, FILE_MODE))


def remove_lane(lane_dir: Path) -> None:
    """Delete a lane that is dead and shipped; renamed first, so that no half of it is ever read."""
    if is_alive(lane_dir) or pending_bytes(lane_dir):
        raise StateError(f"Lane {lane_dir.name} is not finished; it stays.")
    lane_dir.rename(lane_dir.with_name(_GONE + lane_dir.name))
    fsync_folder(lane_dir.parent)
    for path in lane_dir.parent.glob(f"{_GONE}*"):
        clear(path)


def pending(spool_dir: Path) -> dict[str, int]:
    """Return, for each lane, how many bytes wait to be shipped."""
    return {folder.name: pending_bytes(folder) for folder in lanes(spool_dir)}


def pending_bytes(lane_dir: Path) -> int:
    """Return how many bytes of a lane wait; costs a handful of reads, whatever the size.

    Headers are not counted, a marker that can't be read counts as none, and what stands in the place of a
    segment as empty. What vanishes while we look was shipped meanwhile.
    """
    try:
        shipped = read_shipped(lane_dir)
        position = shipped.at()
    except IntegrityError:
        shipped, position = Shipped(), START
    if shipped.done:
        return 0
    with contextlib.suppress(FileNotFoundError):
        waiting = [number for number in segments(lane_dir) if number >= position.segment]
        return sum(_unshipped(segment_path(lane_dir, number), position, number) for number in waiting)
    return 0


def _unshipped(path: Path, position: Position, number: int) -> int:
    try:
        handle = open_plain(path)
    except (FileNotFoundError, IntegrityError):
        return 0
    try:
        start = position.offset if number == position.segment else 0
        # The length field of the header: magic and version stand before it.
        start = start or int.from_bytes(os.pread(handle, 2, 8), "big")
        return max(0, written_bytes(handle) - start)
    finally:
        os.close(handle)


def written_bytes(handle: int) -> int:
    """Return where a segment's data ends: at its last byte that isn't zero.

    Sealed frames look random, so no page inside them is all zeros and a binary search finds the first
    page that is; a segment that was closed has no zero page at its end. A seal that ends in zero bytes
    is counted that much short.
    """
    low, high = 0, -(-os.fstat(handle).st_size // _PAGE)
    while low < high:
        middle = (low + high) // 2
        if any(os.pread(handle, _PAGE, middle * _PAGE)):
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return (low - 1) * _PAGE + len(os.pread(handle, _PAGE, (low - 1) * _PAGE).rstrip(b"\0"))
