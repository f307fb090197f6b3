"""What keeps the top of the key hierarchy: one key-encryption key an epoch, outside the data folder.

A provider wraps one 32-byte secret an epoch, and that secret wraps the data keys. So a hardware module or
a network service is asked once a start, not once a record; and destroying one small key on the
provider's side makes every copy of the rows under it worthless, wherever a backup kept them.
"""

from __future__ import annotations

from typing import Protocol

SECRET_BYTES = 32
MAX_EPOCH = 999_999


class KekProvider(Protocol):
    """A file, a passphrase, a PKCS#11 token or a transit service.

    Every call raises ``KeyAccessError`` when the provider can't be reached or the key isn't there, and
    ``IntegrityError`` when what is to be unwrapped is not what was wrapped.
    """

    @property
    def name(self) -> str:
        """Say which kind of provider this is; stored beside what it wrapped."""
        ...

    def epochs(self) -> list[int]:
        """Return the epochs whose key is alive, ascending."""
        ...

    def create(self, epoch: int) -> None:
        """Make the key of an epoch, durable on return; an existing one is refused."""
        ...

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Return the secret, wrapped under the epoch's key."""
        ...

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return the secret that was wrapped."""
        ...

    def destroy(self, epoch: int) -> None:
        """Destroy the key of an epoch for good; nothing happens when it is gone already."""
        ...


def place_of(epoch: int) -> bytes:
    """Name what a wrapped secret is bound to: another epoch's does not open in its stead."""
    return b"sekimori/v1/epoch\0" + epoch.to_bytes(4, "big")
