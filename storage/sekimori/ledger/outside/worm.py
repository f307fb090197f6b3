"""A folder that is written once: on storage that lets nobody overwrite or remove, one file a checkpoint.

::

    <folder>/<day>/<time>-<size>.checkpoint

A file appears under its name with all of its bytes or with an alarm; what stands there is never opened for
writing again. The storage itself (object lock, tape, an export that only adds) is what makes it hold.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import FOLDER_MODE, fsync_folder

_MODE = 0o444


def write_once(path: Path, data: bytes) -> bool:
    """Write a file that nobody may change, durably; tells whether it is new.

    Raises IntegrityError if something else stands there already, and StateError if it can't be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    except FileExistsError:
        return _is_there(path, data)
    except OSError as error:
        raise StateError(f"{path} can't be made: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fsync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path} can't be written: {error.strerror}.") from error
    return True


class WormFolder:
    """Keeps each checkpoint and each time-stamp, by day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, data: bytes, now: float) -> Path:
        """Write a file into the folder of the day; raises StateError or IntegrityError."""
        time = datetime.fromtimestamp(now, UTC)
        path = self._folder / time.strftime("%Y-%m-%d") / f"{time:%H%M%S}-{name}"
        if not self._folder.is_dir():
            # A share that is not mounted must not turn into a folder of the local disk.
            raise StateError(f"The folder {self._folder} is missing.", hint="Mount it, or make it.")
        try:
            path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
            fsync_folder(self._folder)
        except OSError as error:
            raise StateError(f"{path.parent} can't be made: {error.strerror}.") from error
        write_once(path, data)
        return path


def _is_there(path: Path, data: bytes) -> bool:
    try:
        stands = path.read_bytes()
    except OSError as error:
        raise StateError(f"{path} can't be read: {error.strerror}.") from error
    if stands != data:
        raise IntegrityError(f"{path} holds something else than what is to be written there once.")
    return False
