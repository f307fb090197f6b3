"""The folder of published files: each file whole or not there, readable by the workers' group."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from sekimori.ledger.files import clear, fsync_folder, open_new
from sekimori.vault.files import destroy_secret
from sekimori.vault.pointers import Pointer
from sekimori.vault.published import PolicySeal

_KEPT = 5
_SHARED_MODE = 0o640
"""Gate workers may run as another user of the same group."""


class PublishingFolder:
    """Where the publisher puts what it seals under ``files``; there is one publisher for each folder."""

    def __init__(self, path: Path, files: PolicySeal) -> None:
        self.path = path
        self._files = files

    def make(self) -> None:
        """Make the folder if it is not there."""
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)

    def has(self, kind: str, sha256: str) -> bool:
        """Tell whether a file is there, whole or damaged."""
        return (self.path / PolicySeal.name(kind, sha256)).is_file()

    def read(self, kind: str, sha256: str) -> bytes | bytearray:
        """Open a file."""
        return self._files.read(self.path, kind, sha256)

    def put(self, kind: str, sha256: str, data: bytes) -> None:
        """Seal and write a file."""
        self._write(PolicySeal.name(kind, sha256), self._files.seal(data, kind, sha256))

    def point(self, name: str, pointer: Pointer) -> None:
        """Write a pointer; what it names must be there."""
        self._write(name, msgspec.json.encode(pointer))

    def _write(self, name: str, data: bytes) -> None:
        draft = self.path / f".{name}.draft"
        handle = open_new(draft, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, _SHARED_MODE)
            os.fsync(handle)
        draft.replace(self.path / name)
        fsync_folder(self.path)

    def prune(self, kind: str, in_force: Collection[str]) -> None:
        """Delete old files; what is in force, and was a moment ago, stays for workers in between."""
        named = {PolicySeal.name(kind, sha256) for sha256 in in_force}
        found = sorted(self.path.glob(f"{kind}-*.bin"), key=lambda path: path.stat().st_mtime_ns)
        for path in found[:-_KEPT]:
            if path.name not in named:
                path.unlink()

    def destroy_readable(self) -> None:
        """Destroy what an older release published: names and password hashes, for everybody to read."""
        for kind in ("policy", "people"):
            for name in (f"{kind}-*.json", f".{kind}-*.json.draft"):
                for path in self.path.glob(name):
                    if path.is_symlink() or not path.is_file():
                        clear(path)  # nothing that a release wrote
                    else:
                        destroy_secret(path)
