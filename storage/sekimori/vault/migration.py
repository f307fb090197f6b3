"""From one data key for everything to the hierarchy, and the end of the old copies.

Blobs of version 1 (``content``) are opened with the old key and sealed anew under the record's own key
(``records``), a batch a transaction; a crash leaves a mixture that the next run goes on with, because the
version byte tells which are left. When none is, the rows' owner scrubs what the database still holds of
deleted pages, and the old key's file is destroyed: what an old backup holds of these blobs then stays as
unreadable as its copy of the key folder is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sekimori.errors import IntegrityError
from sekimori.vault.content import ContentCipher
from sekimori.vault.files import destroy_secret
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.records import RecordCipher
from sekimori.vault.slots import Slot

OLD_VERSION = 1

_AT_ONCE = 200
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class OldBlob:
    """A blob as it stands: where, of which record, and whose it will be."""

    table: str
    row: object
    rid: str
    slot: Slot
    place: bytes
    sealed: bytes


class BlobRows(Protocol):
    """The tables that hold sealed blobs."""

    def transaction(self) -> AbstractContextManager[object]:
        """Commit when the block ends, roll back when it raises; the key rows belong to it too."""
        ...

    def old_blobs(self, limit: int) -> Sequence[OldBlob]:
        """Return the next blobs whose first byte is ``OLD_VERSION``."""
        ...

    def replace(self, old: OldBlob, sealed: bytes) -> None:
        """Put the new blob where the old one stands."""
        ...

    def scrub(self) -> None:
        """Write the files anew, so that nothing of what was replaced is left in them."""
        ...


Amend = Callable[[OldBlob, bytes], bytes]
"""Changes a plaintext on its way, where it names the hash of another blob."""


def is_old(sealed: bytes) -> bool:
    """Tell whether a blob stands under the one data key."""
    return sealed[:1] == bytes([OLD_VERSION])


def migrate(
    rows: BlobRows, old: ContentCipher, keys: KeyHierarchy, old_key: Path, *, amend: Amend | None = None
) -> int:
    """Seal every old blob anew, scrub, destroy the old key's file; return how many blobs moved."""
    moved = 0
    while True:
        with rows.transaction():
            batch = rows.old_blobs(_AT_ONCE)
            _move(rows, batch, old, keys, amend)
        moved += len(batch)
        if not batch:
            break
    rows.scrub()
    destroy_secret(old_key)
    return moved


def _move(
    rows: BlobRows, batch: Sequence[OldBlob], old: ContentCipher, keys: KeyHierarchy, amend: Amend | None
) -> None:
    data_keys = keys.data_keys({blob.slot for blob in batch})
    known = keys.record_keys({blob.rid for blob in batch})
    record_keys = {rid: key for (rid, part), key in known.items() if not part}
    for blob in batch:
        if not is_old(blob.sealed):
            raise IntegrityError(f"Table {blob.table} offers a blob that is not an old one.")
        plain = old.open(blob.sealed, blob.place)
        if amend is not None:
            plain = amend(blob, plain)
        key = record_keys.get(blob.rid)
        if key is None:
            key = record_keys[blob.rid] = keys.random(_KEY_BYTES)
            keys.rows.put_record_keys([keys.wrap(data_keys[blob.slot], blob.rid, key)])
        rows.replace(blob, RecordCipher(key, random=keys.random).seal(plain, blob.place))
