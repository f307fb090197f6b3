"""Everything that opens and seals records, bound to one connection.

``StoreKeys`` is what a process holds: the key of counters and lists, the keeper of the key-encryption keys,
the archivist's signature, and the keys that were opened already. ``Holding`` brings them together with the
rows of one transaction. ``Memory`` is for whoever stores batch after batch on one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection

from sekimori.ledger.chunks import Deduper, SharedTexts
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.allowance import Allowance
from sekimori.store.keyrows import SqlKeyRows
from sekimori.store.tagrows import SqlTagRows
from sekimori.store.textrows import SqlTextRows
from sekimori.store.tokens import Tokens
from sekimori.vault.content import ContentCipher
from sekimori.vault.hierarchy import KeyCache, KeyHierarchy
from sekimori.vault.kek import KekProvider
from sekimori.vault.names import NameSeal
from sekimori.vault.records import METADATA, RecordCipher


@dataclass(frozen=True, slots=True)
class OldKey:
    """The one data key of an older release, and the file that is destroyed once nothing lies under it."""

    key: bytes = field(repr=False)
    file: Path


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """What a process needs to open and seal what the database keeps; ``signing`` signs statements."""

    store_key: bytes = field(repr=False)
    kek: KekProvider
    signing: LeafSigner | None
    living: Path
    old: OldKey | None = None
    cache: KeyCache = field(default_factory=KeyCache, repr=False)
    allowance: Allowance = field(default_factory=Allowance, repr=False, compare=False)

    @property
    def cipher(self) -> ContentCipher:
        """Seal and open lane counters, the list of lanes, events and holds."""
        return ContentCipher(self.store_key)

    @property
    def tokens(self) -> Tokens:
        """Make the tokens that records are found by."""
        return Tokens.under(self.store_key)

    @property
    def policies(self) -> NameSeal:
        """Seal and open applied files and compiled snapshots."""
        return NameSeal(self.store_key)


class Memory:
    """Bodies that were rebuilt, kept from one transaction to the next; for one thread.

    Forgotten when the rows tell of another epoch: what an erasure took must not be referred to again.
    """

    def __init__(self) -> None:
        self._rows = _Forwarding()
        self._deduper = Deduper(self._rows)
        self._epoch = 0

    def on(self, rows: SharedTexts, epoch: int) -> Deduper:
        """Return the deduper, working on these rows from now on."""
        self._rows.to = rows
        if epoch != self._epoch:
            self._deduper.forget()
            self._epoch = epoch
        return self._deduper

    def forget(self) -> None:
        """Drop what is remembered; called when a transaction was rolled back."""
        self._deduper.forget()


class Holding:
    """The keys and the text rows of one connection, in one transaction."""

    def __init__(self, connection: Connection, keys: StoreKeys, *, memory: Memory | None = None) -> None:
        self.connection = connection
        self.keys = keys
        self._memory = memory

    @cached_property
    def hierarchy(self) -> KeyHierarchy:
        """The record keys, data keys and epochs."""
        return KeyHierarchy(SqlKeyRows(self.connection), self.keys.kek, cache=self.keys.cache)

    @cached_property
    def texts(self) -> SqlTextRows:
        """What is stored beside manifests."""
        return SqlTextRows(self.connection, self.hierarchy)

    @cached_property
    def deduper(self) -> Deduper:
        """Store and rebuild bodies."""
        if self._memory is None:
            return Deduper(self.texts)
        return self._memory.on(self.texts, self.hierarchy.current().epoch)

    @cached_property
    def tags(self) -> SqlTagRows:
        """The tags of answers."""
        return SqlTagRows(self.connection)

    def record_ciphers(self, rids: Collection[str]) -> dict[str, RecordCipher | None]:
        """Return what opens and seals each of these records, None where its key was destroyed."""
        keys = self.hierarchy.record_keys(rids)
        return {rid: self._cipher(keys.get((rid, "")), keys.get((rid, METADATA))) for rid in rids}

    def _cipher(self, record_key: bytes | None, metadata_key: bytes | None) -> RecordCipher | None:
        random = self.hierarchy.random
        if record_key is not None:
            return RecordCipher(record_key, random=random)
        return None if metadata_key is None else RecordCipher.of_metadata(metadata_key, random=random)


class _Forwarding:
    """Text rows that may be exchanged for those of the next transaction."""

    def __init__(self) -> None:
        self.to: SharedTexts | None = None

    @property
    def _rows(self) -> SharedTexts:
        if self.to is None:
            raise RuntimeError("a memory was asked for text outside a transaction")
        return self.to

    def manifest(self, rid: str) -> bytes | None:
        """Return a record's manifest, None where it was erased."""
        return self._rows.manifest(rid)

    def large(self, address: bytes) -> bytes | None:
        """Return a large piece, None where it was erased."""
        return self._rows.large(address)

    def owners(self, addresses: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records store the large pieces of these addresses."""
        return self._rows.owners(addresses)

    def anchored(self, anchors: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records left these anchors."""
        return self._rows.anchored(anchors)

    def linked(self, rid: str) -> Collection[str]:
        """Return the records that refer to this one."""
        return self._rows.linked(rid)

    def address_key(self, rid: str) -> bytes | None:
        """Return what pieces are addressed with under the data key of a record."""
        return self._rows.address_key(rid)
