"""What a rotation wrote, added up, to be held against what is there: a database may pass over what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import msgspec

from sekimori.errors import IntegrityError
from sekimori.vault.datakey import DataKey

_HASH_BYTES = 16


class Tally:
    """How many data keys live, and a hash of each and of each record key under those that were replaced."""

    def __init__(self, replaced: Collection[bytes] = ()) -> None:
        self.living = 0
        self.replaced = set(replaced)
        self._hashes = set[bytes]()

    def data_key(self, key: DataKey) -> None:
        """Count a data key."""
        self.living += 1
        self._add(key.id, key.key, key.generation, key.slot)

    def record_key(self, rid: str, part: str, key: bytes) -> None:
        """Count a record key under a data key that was replaced."""
        self._add(rid, part, key)

    def expect(self, found: Tally, *, more: bool = False) -> None:
        """Refuse what is not the same; ``more`` may have been stored after a commit."""
        if not self._hashes <= found._hashes or not (more or found._hashes <= self._hashes):
            raise IntegrityError(
                f"{self.living} data keys should live under the new key epoch, and {found.living} are found"
                " there or not all are what was written: the database did not do what it was told. No key"
                " was destroyed.",
                hint="Look for triggers and rules that somebody put on data_key, record_key and key_epoch.",
            )

    def _add(self, *what: object) -> None:
        self._hashes.add(hashlib.sha256(msgspec.msgpack.encode(what)).digest()[:_HASH_BYTES])
