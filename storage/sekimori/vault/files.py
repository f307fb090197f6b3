"""Secret files: written once and durably, read only while nobody else can.

A file appears under its name complete or not at all, with mode 0600 in a folder of mode 0700, and
is refused on reading if its owner or mode would let somebody else in. What root writes into a folder of
another user becomes that user's, who would else find keys there that it can't read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from sekimori.errors import KeyAccessError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
MAX_SECRET_BYTES = 1 << 20
_OTHERS = 0o077


def make_folder(path: Path) -> None:
    """Make a folder that only its owner enters, or check that an existing one is such a folder."""
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=FOLDER_MODE, parents=True)
            _give_folder(path)
        check_folder(path)
        # Whoever was handed the folder may not be let into the one above it; who handed it out synced that.
        with contextlib.suppress(PermissionError):
            fsync_folder(path.parent)
    except OSError as error:
        raise KeyAccessError(f"The key folder {path} can't be made: {error.strerror}.") from error


def write_secret(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a secret durably with mode 0600; without ``replace`` an existing file is refused."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        _write_new(draft, data)
        try:
            if replace:
                draft.replace(path)
            else:
                os.link(draft, path)  # unlike a rename, a link fails if the name is taken
        finally:
            draft.unlink(missing_ok=True)
        fsync_folder(path.parent)
    except FileExistsError as error:
        raise KeyAccessError(f"The key file {path} already exists; nothing was changed.") from error
    except OSError as error:
        raise KeyAccessError(f"The key file {path} can't be written: {error.strerror}.") from error


def read_secret(path: Path) -> bytes:
    """Read a secret; raises KeyAccessError if it is missing or others could read or replace it."""
    try:
        check_folder(path.parent)
        with path.open("rb") as file:
            _check_alone(os.fstat(file.fileno()), path, "file", FILE_MODE)
            return file.read(MAX_SECRET_BYTES)
    except FileNotFoundError as error:
        raise KeyAccessError(
            f"The key file {path} is missing.", hint="Restore it from the backup of the key folder."
        ) from error
    except OSError as error:
        raise KeyAccessError(f"The key file {path} can't be read: {error.strerror}.") from error


def destroy_secret(path: Path) -> None:
    """Overwrite a secret with zeros and remove it, durably; nothing happens when it is gone already.

    Overwriting helps on a plain disk. A copy-on-write file system, a snapshot or a flash controller may
    keep the old blocks: whoever needs more puts the key folder on a disk that is destroyed, or in an HSM.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            # Some of what is destroyed lies where others write: zeros must not go through their links.
            flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(path, flags), "r+b", buffering=0) as file:
                file.write(bytes(os.fstat(file.fileno()).st_size))
                os.fsync(file.fileno())
            path.unlink()
            fsync_folder(path.parent)
    except OSError as error:
        raise KeyAccessError(f"The key file {path} can't be destroyed: {error.strerror}.") from error


def check_folder(path: Path) -> None:
    """Refuse a folder of secrets that somebody else owns or can enter."""
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise KeyAccessError(f"{path} is not a folder.")
    _check_alone(status, path, "folder", FOLDER_MODE)


def give(handle: int, folder: Path) -> None:
    """Let root's new file belong to whom its folder belongs."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(handle, owner.st_uid, owner.st_gid)


def fsync_folder(path: Path) -> None:
    """Make names that were added to or removed from a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _give_folder(path: Path) -> None:
    # By its descriptor: whoever owns the folder above could put a link in the place of the name.
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        give(handle, path.parent)
    finally:
        os.close(handle)


def _write_new(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # a draft of a process of the same number that died
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        give(file.fileno(), path.parent)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check_alone(status: os.stat_result, path: Path, noun: str, mode: int) -> None:
    me = os.geteuid()
    # Root reads everybody's keys anyway: an operator looks at the log of a service user.
    if me != 0 and status.st_uid not in (me, 0):
        raise KeyAccessError(
            f"The key {noun} {path} belongs to another user.", hint=f"Give it to user id {me}."
        )
    if status.st_mode & _OTHERS:
        raise KeyAccessError(
            f"Others than its owner can reach the key {noun} {path}.",
            hint=f"Close it with: chmod {mode:o} {path}",
        )
