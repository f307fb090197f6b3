"""The local disk, as a tree needs it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sekimori.errors import StateError
from sekimori.ledger.files import FILE_MODE, FOLDER_MODE, fsync_folder, open_new, read_plain
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
        with os.fdopen(open_new(path), "wb") as file:
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
        return read_plain(path, _MOST)

    def remove(self, path: Path) -> None:
        """Remove a folder of files, if it is there."""
        if path.exists():
            shutil.rmtree(path)
