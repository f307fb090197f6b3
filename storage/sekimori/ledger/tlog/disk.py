"""The local disk, as a tree needs it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import FILE_MODE, FOLDER_MODE, fsync_folder
from sekimori.ledger.tlog.tiles import MAX_ENTRY_BYTES, WIDTH

_MOST = WIDTH * (MAX_ENTRY_BYTES + 2)
"""A bundle of the longest envelopes; nothing in a log's folder is larger."""


class LocalTree:
    """The system calls themselves."""

    def lock(self, path: Path) -> Callable[[], None]:
        """Hold a lock file alone; it stays, only the lock goes with this process."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise StateError(f"Another process writes the log in {path.parent}.") from error
        except OSError:
            os.close(handle)
            raise
        return lambda: os.close(handle)

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents where they are missing."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole and sync it; what fsync says is believed once (see ``ledger.files``)."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, draft: Path, path: Path) -> None:
        """Give a file another name, whatever stood there."""
        draft.replace(path)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        fsync_folder(path)

    def read(self, path: Path) -> bytes:
        """Return a file's content; raises IntegrityError for what a log never wrote there.

        Whoever can write to the folder must not send its readers to a device that never ends.
        """
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise IntegrityError(f"{path} is not a plain file.") from error
            raise
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
                raise IntegrityError(f"{path} is not a plain file, or larger than a log's files are.")
            return file.read()

    def remove(self, path: Path) -> None:
        """Remove a folder of files, if it is there."""
        if path.exists():
            shutil.rmtree(path)
