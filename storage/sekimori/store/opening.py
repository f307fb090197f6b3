"""Sealed rows are opened here, each under its record's key; who has none any more was erased.

Until the archivist has moved what an older release sealed under one key for everything, such rows are opened
under that key.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sekimori.store.holding import Holding
from sekimori.store.rows import Cipher, Kept, open_content, open_entry
from sekimori.vault.content import ContentCipher, is_old
from sekimori.vault.records import RecordCipher

_MOST = 4096


class RecordOpener:
    """Opens rows of ``entry`` and ``content`` in one transaction; asks for the keys of many at once."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._ciphers: dict[str, Cipher | None] = {}
        old = holding.keys.old
        self._old = ContentCipher(old.key) if old else None

    def expect(self, rids: Collection[str]) -> None:
        """Take the keys of these records in one look-up."""
        if len(self._ciphers) > _MOST:
            self._ciphers.clear()
        self._ciphers.update(self._holding.record_ciphers([rid for rid in rids if rid not in self._ciphers]))

    def entry(self, row: Any) -> Kept | None:
        """Return what an entry's row holds, None where its key is gone; raise IntegrityError if altered."""
        cipher = self._cipher(row)
        return None if cipher is None else open_entry(cipher, row.lane, row.n, row.rid, row.sealed)

    def content(self, row: Any) -> bytes | None:
        """Return what a content row holds: a body, or the manifest of one."""
        cipher = self._cipher(row)
        return None if cipher is None else open_content(cipher, row.lane, row.n, row.rid, row.sealed)

    def has_expired(self, rid: str) -> bool:
        """Tell whether of this record only what is said about it is kept still."""
        if rid not in self._ciphers:
            self.expect([rid])
        cipher = self._ciphers[rid]
        return isinstance(cipher, RecordCipher) and cipher.has_expired

    def _cipher(self, row: Any) -> Cipher | None:
        if is_old(row.sealed) and self._old is not None:
            return self._old
        if row.rid not in self._ciphers:
            self.expect([row.rid])
        return self._ciphers[row.rid]
