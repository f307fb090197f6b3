"""Did this text pass the barrier? Keyed tags of answers, one a record, and how they are found again.

::

    digest = SHA-256("sekimori/v1/output\\0" || the normalised text in UTF-8)
    tag    = HMAC-SHA256(HKDF(data key, "tag"), digest), its first 16 bytes

A plain hash of a text can be guessed by anyone who has the table. A tag needs the data key, so a text is
searched by trying every data key that lives, and when a data key dies its tags mean nothing: "erased" and
"never" look alike. The digest is kept sealed under the record key, so that the tag can be made anew when a
data key is replaced. Normalising forgives what copying does to a text: its Unicode form, its line ends
and its spacing; not one changed letter.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import batched
from typing import Protocol

import msgspec

from sekimori.vault.aead import Random
from sekimori.vault.datakey import DataKey
from sekimori.vault.derive import mac
from sekimori.vault.records import RecordCipher

TAG_BYTES = 16
MAX_TEXT_CHARACTERS = 1 << 26

_AT_ONCE = 500
_CONTEXT = b"sekimori/v1/output\0"


class OutputTagRow(msgspec.Struct, frozen=True, array_like=True):
    """The tag of one answer: found by ``tag``, made anew from ``sealed``."""

    rid: str
    tag: bytes
    sealed: bytes


class TagRows(Protocol):
    """Whoever stores the tags."""

    def find_tags(self, tags: Collection[bytes]) -> Collection[str]:
        """Return the records that carry one of these tags."""
        ...


def output_digest(text: str) -> bytes | None:
    """Return what identifies an answer however it was copied; None for a text of nothing but space."""
    normal = "".join(unicodedata.normalize("NFKC", text[:MAX_TEXT_CHARACTERS]).split())
    if not normal:
        return None
    return hashlib.sha256(_CONTEXT + normal.encode("utf-8", "surrogatepass")).digest()


def tag_of(key: DataKey, digest: bytes) -> bytes:
    """Return the tag of a digest under a data key."""
    return mac(key.tag_key, digest)[:TAG_BYTES]


def output_row(
    key: DataKey, record_key: bytes, rid: str, text: str, *, random: Random = os.urandom
) -> OutputTagRow | None:
    """Return the row to store with a record; None for an answer without text."""
    return sealed_output(key, RecordCipher(record_key, random=random), rid, text)


def sealed_output(key: DataKey, cipher: RecordCipher, rid: str, text: str) -> OutputTagRow | None:
    """Return the same row for whoever has the record's cipher at hand."""
    digest = output_digest(text)
    return (
        None if digest is None else OutputTagRow(rid, tag_of(key, digest), cipher.seal(digest, _place(rid)))
    )


def retagged(row: OutputTagRow, record_key: bytes, key: DataKey) -> OutputTagRow:
    """Return the row under the data key that took another's place."""
    return tagged(row, RecordCipher(record_key), key)


def tagged(row: OutputTagRow, cipher: RecordCipher, key: DataKey) -> OutputTagRow:
    """Return the row as it must be, for whoever has the record's cipher already."""
    digest = cipher.open(row.sealed, _place(row.rid))
    return OutputTagRow(row.rid, tag_of(key, digest), row.sealed)


def find_output(rows: TagRows, keys: Iterable[DataKey], text: str) -> Iterator[str]:
    """Yield the records whose answer was this text, trying every data key given."""
    digest = output_digest(text)
    if digest is None:
        return
    for some in batched(keys, _AT_ONCE):
        yield from rows.find_tags({tag_of(key, digest) for key in some})


def _place(rid: str) -> bytes:
    return b"output-tag\0" + rid.encode()
