"""The private keys of the logs: one Ed25519 key a tree, a file each in ``KEYS/archive/logs``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sekimori.ledger.tlog.keys import KEY_BYTES, KeySigner
from sekimori.vault.files import make_folder, read_secret, write_secret
from sekimori.vault.keyfile import key_from_text, key_to_text

KIND = "log-private"
_SUFFIX = ".key"


class LogKeys:
    """Makes and reads the keys of the logs; none is ever replaced."""

    def __init__(self, folder: Path, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self.folder = folder
        self._random = random

    def names(self) -> list[str]:
        """Return the logs that have a key."""
        return sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"[!.]*{_SUFFIX}"))

    def find(self, name: str) -> KeySigner | None:
        """Return a log's key, or None if it never had one."""
        path = self._path(name)
        if not path.exists():
            return None
        return KeySigner(key_from_text(read_secret(path), KIND, path))

    def publics(self) -> dict[str, bytes]:
        """Return the public key of every log that has a key."""
        return {name: signer.public for name in self.names() if (signer := self.find(name)) is not None}

    def make(self, name: str) -> KeySigner:
        """Draw a new log's key; raises KeyAccessError if it has one."""
        make_folder(self.folder)
        private = self._random(KEY_BYTES)
        write_secret(self._path(name), key_to_text(KIND, private))
        return KeySigner(private)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"
