"""An export's folder: written under a draft's name, given its own when everything in it is durable."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sekimori.errors import StateError, UsageError
from sekimori.ledger.files import fsync_folder

SUMS = "SHA256SUMS"
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644


class ExportFolder:
    """Takes files; remembers the sum of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sums: dict[str, str] = {}
        self._made: set[Path] = set()

    def put(self, path: str, data: bytes) -> None:
        """Write one file."""
        target = self._folder / path
        if target.parent not in self._made:
            target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._made.add(target.parent)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as file:
            file.write(data)
        self._sums[path] = hashlib.sha256(data).hexdigest()

    def copy(self, path: str, source: Path) -> None:
        """Copy one file."""
        self.put(path, source.read_bytes())

    def finish(self) -> None:
        """Write the sums of all files, in the order of their names, and make everything durable."""
        sums = "".join(f"{self._sums[path]}  {path}\n" for path in sorted(self._sums))
        self.put(SUMS, sums.encode())
        for folder, _, files in os.walk(self._folder, topdown=False):
            for name in files:
                with (Path(folder) / name).open("rb") as file:
                    os.fsync(file.fileno())
            fsync_folder(Path(folder))


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Tell a fault of the file system in a sentence: which path, and what is wrong with it."""
    try:
        yield
    except OSError as fault:
        raise StateError(
            f"{fault.filename or path} can't be written: {fault.strerror}.",
            hint="Name a folder on a disk that has room, where this user may write.",
        ) from fault


@contextmanager
def new_folder(folder: Path) -> Iterator[ExportFolder]:
    """Give a folder to fill; it gets its name at the end, and nothing is left where that isn't reached."""
    with on_disk(folder), _draft(folder) as filling:
        yield filling


@contextmanager
def _draft(folder: Path) -> Iterator[ExportFolder]:
    expect_new(folder)
    draft = folder.with_name(f".{folder.name}.draft")
    if draft.exists():
        shutil.rmtree(draft)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir(mode=_FOLDER_MODE)
    try:
        filling = ExportFolder(draft)
        yield filling
        filling.finish()
        draft.replace(folder)  # an empty folder may be there; one that was filled meanwhile stays
        fsync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def expect_new(folder: Path) -> None:
    """Raise UsageError where something is there already: an export is never mixed with another."""
    with on_disk(folder):
        taken = folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))
    if taken:
        raise UsageError(f"{folder} is there already and is not empty.", hint="Name a new folder.")
