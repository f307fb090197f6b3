"""Key-encryption keys in files that open with a passphrase: a copied key folder alone opens nothing.

The file of an epoch is one line, ``sekimori-kek-v1 argon2id EPOCH m=KIB,t=PASSES,p=LANES SALT SEALED``:
a random key, sealed under what argon2id makes of the passphrase. The passphrase itself is never the key:
it outlives an epoch, and destroying the file must be enough to destroy the epoch.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.vault.aead import Random, seal, unseal
from sekimori.vault.kek import place_of
from sekimori.vault.keyfile import KEY_BYTES
from sekimori.vault.providers.folder import EpochFolder

MIN_PASSPHRASE_CHARACTERS = 12

_SALT_BYTES = 16
_MAX_MEMORY_KIB, _MAX_PASSES, _MAX_LANES = 1 << 20, 64, 16
_LINE = re.compile(
    r"sekimori-kek-v1 argon2id (\d{6}) m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2}) ([0-9a-f]{32}) ([0-9a-f]{122})\n"
)


class Cost(NamedTuple):
    """What one guess at a passphrase costs; RFC 9106's second recommended option."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4


DEFAULT_COST = Cost()


class PassphraseKek:
    """One sealed key file an epoch; the passphrase is asked of a person or of the service manager."""

    name = "passphrase"

    def __init__(
        self,
        folder: Path,
        passphrase: str,
        *,
        cost: Cost = DEFAULT_COST,
        random: Random = os.urandom,
    ) -> None:
        if len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
            raise KeyAccessError(
                f"The passphrase is shorter than {MIN_PASSPHRASE_CHARACTERS} characters.",
                hint="Use several words.",
            )
        # The same words typed on another keyboard are the same bytes in NFC.
        self._passphrase = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
        self._files = EpochFolder(folder)
        self._cost = cost
        self._random = random

    def epochs(self) -> list[int]:
        """Return the epochs whose key is alive."""
        return self._files.epochs()

    def create(self, epoch: int) -> None:
        """Draw the key of an epoch, seal it under the passphrase and make it durable."""
        self._files.path(epoch)  # an epoch that can't be is refused before anything is worked out
        salt = self._random(_SALT_BYTES)
        stretched = self._stretch(salt, self._cost)
        sealed = seal(stretched, self._random(KEY_BYTES), _place(epoch), self._random)
        cost = "m={},t={},p={}".format(*self._cost)
        line = f"sekimori-kek-v1 argon2id {epoch:06} {cost} {salt.hex()} {sealed.hex()}\n"
        self._files.write(epoch, line.encode())

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
        path = self._files.path(epoch)
        found = _LINE.fullmatch(self._files.read(epoch).decode("ascii", "replace"))
        if found is None or int(found[1]) != epoch:
            raise KeyAccessError(f"{path} is not the sealed key of epoch {epoch}.", hint=_RESTORE)
        cost = Cost(int(found[2]), int(found[3]), int(found[4]))
        if not _bearable(cost):
            raise KeyAccessError(f"{path} asks for more memory or time than a key may cost.", hint=_RESTORE)
        stretched = self._stretch(bytes.fromhex(found[5]), cost)
        try:
            return AESGCM(unseal(stretched, bytes.fromhex(found[6]), _place(epoch), "The key"))
        except IntegrityError as error:
            raise KeyAccessError(
                f"The passphrase doesn't open {path}.", hint="Type it again, or restore the file."
            ) from error

    def _stretch(self, salt: bytes, cost: Cost) -> AESGCM:
        raw = hash_secret_raw(
            self._passphrase,
            salt,
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )
        return AESGCM(raw)


_RESTORE = "Restore it from the backup of the key folder."


def _bearable(cost: Cost) -> bool:
    return (
        8 * cost.lanes <= cost.memory_kib <= _MAX_MEMORY_KIB
        and 1 <= cost.passes <= _MAX_PASSES
        and 1 <= cost.lanes <= _MAX_LANES
    )


def _place(epoch: int) -> bytes:
    return b"sekimori/v1/kek\0" + epoch.to_bytes(4, "big")
