"""Keys for thousands of records at once, told apart: living, gone, or not what was wrapped.

``KeyHierarchy.record_keys`` answers for whoever reads one record and stops at the first that is wrong; here
every one must be named, and the walk goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select

from sekimori.errors import IntegrityError, KeyAccessError
from sekimori.ledger.envelope import Committing
from sekimori.store.holding import Holding
from sekimori.store.tables import RECORD_KEY
from sekimori.store.verifying.bulk import Among
from sekimori.store.verifying.faults import Fault
from sekimori.vault.datakey import DataKey
from sekimori.vault.derive import extract
from sekimori.vault.records import METADATA, RecordCipher, content_cipher, metadata_cipher

_COLUMNS = (RECORD_KEY.c.rid, RECORD_KEY.c.part, RECORD_KEY.c.data_key, RECORD_KEY.c.sealed)


class Record:
    """What one living record's key is good for: it opens its rows and computes its commitments."""

    __slots__ = ("_cipher", "_content", "_extracted", "_key", "committing", "data_key", "metadata")

    def __init__(self, rid: str, key: bytes, data_key: DataKey) -> None:
        self._key = key
        self._extracted = extracted = extract(key)
        self._content: AESGCM | None = None
        self._cipher: RecordCipher | None = None
        self.metadata = metadata_cipher(extracted)
        self.committing = Committing(extracted, rid)
        self.data_key = data_key

    @property
    def content(self) -> AESGCM:
        """The key of its bodies."""
        if self._content is None:
            self._content = content_cipher(self._extracted)
        return self._content

    @property
    def cipher(self) -> RecordCipher:
        """What opens everything of it by its place."""
        if self._cipher is None:
            self._cipher = RecordCipher(self._key, extracted=self._extracted)
        return self._cipher


@dataclass(slots=True)
class Keys:
    """The living records of those asked for, and what is wrong with the others.

    ``metadata`` are what is left of those whose content has expired.
    """

    living: dict[str, Record] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)


class KeyOpener:
    """Unwraps record keys; data keys that were opened once stay so, for a view never changes."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._rows = Among(holding.connection, select(*_COLUMNS), RECORD_KEY.c.rid)
        self._data_keys: dict[bytes, DataKey | str] = {}

    def open(self, rids: Collection[str], known: Keys | None = None) -> Keys:
        """Return the keys of these records beside those that are ``known``: two look-ups, however many they are."""
        rows = self._rows.rows(rids)
        self._open_data_keys({row[2] for row in rows} - self._data_keys.keys())
        found, data_keys = known or Keys(), self._data_keys
        for rid, part, id_, sealed in rows:
            data_key = data_keys.get(id_)
            if not isinstance(data_key, DataKey):
                detail = data_key or f"its data key {id_.hex()} is gone"
                found.faults[rid] = Fault("record_key", rid, "altered", detail)
                continue
            try:
                key = data_key.unwrapped(rid, part, sealed)
                if not part:
                    found.living[rid] = Record(rid, key, data_key)
                elif part == METADATA:
                    found.metadata[rid] = key
            except IntegrityError as error:
                found.faults[rid] = Fault("record_key", rid, "altered", error.message)
        return found

    def _open_data_keys(self, ids: Collection[bytes]) -> None:
        hierarchy = self._holding.hierarchy
        for row in hierarchy.rows.data_keys_of(ids) if ids else ():
            try:
                self._data_keys[row.id] = hierarchy.open(row)
            except (IntegrityError, KeyAccessError) as error:
                self._data_keys[row.id] = error.message


class Manifests:
    """The manifests of one piece of a lane, opened already, in front of whoever else stores texts."""

    def __init__(self, holding: Holding) -> None:
        self._rows = holding.texts
        self.known: dict[str, bytes] = {}

    def manifest(self, rid: str) -> bytes | None:
        """Return a record's manifest, None where it was erased."""
        return self.known.get(rid) or self._rows.manifest(rid)

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
