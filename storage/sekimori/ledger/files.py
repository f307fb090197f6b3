"""The local disk, as a lane needs it.

A file's blocks are reserved when it is made, so that a full disk shows before an entry is accepted and
never in the middle of a commit. What fsync says is believed once: after a failed sync the kernel may
drop the dirty pages and report success the next time, so nobody here asks again (see "fsyncgate",
PostgreSQL's wiki, 2018).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.seams import FileId

FILE_MODE = 0o660
FOLDER_MODE = 0o770


class LocalFiles:
    """The system calls themselves."""

    def create(self, path: Path, size: int) -> int:
        """Make a new file with its blocks reserved; nothing is left behind if the disk is full."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError:
            os.close(handle)
            path.unlink()
            raise
        return handle

    def write(self, handle: int, data: bytes, offset: int) -> int:
        """Write some of the data at that offset."""
        return os.pwrite(handle, data, offset)

    def sync(self, handle: int) -> None:
        """Make the data durable; the length was made so when the file was created."""
        os.fdatasync(handle)

    def identity(self, handle: int) -> FileId:
        """Return device and inode, which no other file gets while this one is open."""
        mine = os.fstat(handle)
        return mine.st_dev, mine.st_ino

    def is_at(self, mine: FileId, path: Path) -> bool:
        """Compare an open file with whatever stands under its name now, in one system call."""
        try:
            named = os.lstat(path)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == mine

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file and sync its length."""
        os.ftruncate(handle, size)
        os.fsync(handle)

    def publish(self, draft: Path, path: Path) -> None:
        """Rename, then sync the folder: a synced file under no name is lost."""
        draft.rename(path)
        fsync_folder(path.parent)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        os.close(handle)

    def free_bytes(self, folder: Path) -> int:
        """Ask the file system for its free blocks."""
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize


def fsync_folder(path: Path) -> None:
    """Make names that were added to or removed from a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_plain(path: Path) -> int:
    """Open a file to read it, in a folder where others write; raises IntegrityError for anything but a file.

    A link is not followed, and no pipe or device is waited for.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise IntegrityError(f"{path} is not a plain file.") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IntegrityError(f"{path} is not a plain file.")
    return handle


def read_plain(path: Path, most: int) -> bytes:
    """Read such a file whole; raises IntegrityError also for one of more than ``most`` bytes."""
    with os.fdopen(open_plain(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise IntegrityError(f"{path} has {size} bytes; no such file has more than {most}.")
        return file.read(size)


def open_new(path: Path, mode: int = FILE_MODE) -> int:
    """Open a new file to write it, in place of whatever stands under its name: a left-over, or a trap."""
    clear(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)


def clear(path: Path) -> None:
    """Remove whatever stands under a name that is ours; a link goes, what it points to stays."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # the second is what POSIX says of a folder
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise
        shutil.rmtree(path)


def replace_file(path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    """Put new content under a name at once and durably: a reader sees the old or the new, whole."""
    draft = path.with_name(f".{path.name}.draft")
    with os.fdopen(open_new(draft, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    fsync_folder(path.parent)
