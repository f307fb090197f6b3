"""What the file and the passphrase provider share: one small file an epoch in a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

from sekimori.errors import KeyAccessError
from sekimori.vault.files import destroy_secret, make_folder, read_secret, write_secret
from sekimori.vault.kek import MAX_EPOCH

_NAME = re.compile(r"epoch-(\d{6})\.key")


class EpochFolder:
    """The key files of the epochs, mode 0600, in a folder of mode 0700 outside the data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, epoch: int) -> Path:
        """Return where an epoch's key lies."""
        if not 1 <= epoch <= MAX_EPOCH:
            raise KeyAccessError(f"There is no key epoch {epoch}.")
        return self._folder / f"epoch-{epoch:06}.key"

    def epochs(self) -> list[int]:
        """Return the epochs that have a file, ascending."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KeyAccessError(f"The key folder {self._folder} can't be read: {error.strerror}.") from error
        return sorted(int(found[1]) for found in map(_NAME.fullmatch, names) if found)

    def write(self, epoch: int, text: bytes) -> None:
        """Write an epoch's file; an existing one is refused."""
        make_folder(self._folder)
        write_secret(self.path(epoch), text)

    def read(self, epoch: int) -> bytes:
        """Read an epoch's file."""
        return read_secret(self.path(epoch))

    def destroy(self, epoch: int) -> None:
        """Overwrite and remove an epoch's file."""
        destroy_secret(self.path(epoch))
