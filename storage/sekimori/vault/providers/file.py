"""Key-encryption keys in files: for one host whose key folder is guarded like the host itself."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.vault.aead import Random, seal, unseal
from sekimori.vault.kek import place_of
from sekimori.vault.keyfile import KEY_BYTES, key_from_text, key_to_text
from sekimori.vault.providers.folder import EpochFolder


class FileKek:
    """One key file an epoch, readable by its owner alone."""

    name = "file"

    def __init__(self, folder: Path, *, random: Random = os.urandom) -> None:
        self._files = EpochFolder(folder)
        self._random = random

    def epochs(self) -> list[int]:
        """Return the epochs whose key is alive."""
        return self._files.epochs()

    def create(self, epoch: int) -> None:
        """Draw the key of an epoch and make it durable."""
        self._files.write(epoch, key_to_text(_kind(epoch), self._random(KEY_BYTES)))

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Return the secret, sealed under the epoch's key."""
        return seal(self._key(epoch), secret, place_of(epoch), self._random)

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return the secret that was sealed."""
        return unseal(self._key(epoch), wrapped, place_of(epoch), f"The secret of key epoch {epoch}")

    def destroy(self, epoch: int) -> None:
        """Overwrite and remove the key file."""
        self._files.destroy(epoch)

    def _key(self, epoch: int) -> AESGCM:
        return AESGCM(key_from_text(self._files.read(epoch), _kind(epoch), self._files.path(epoch)))


def _kind(epoch: int) -> str:
    # The epoch stands inside the file too: one that was renamed is refused.
    return f"kek-{epoch:06}"
