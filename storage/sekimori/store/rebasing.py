"""Write anew what leans on records that are about to be erased: the same bytes, from the living alone.

The text stays, so only its manifest, the entry that names the manifest's hash and what lies beside it change.
Each change is told, old hash and new, so that who checks what was stored follows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select, update

from sekimori.errors import IntegrityError
from sekimori.ledger.chunks import Stored
from sekimori.ledger.envelope import Value
from sekimori.store.holding import Holding
from sekimori.store.rows import encode_kept, open_entry, place, stored_hash
from sekimori.store.tables import CONTENT, ENTRY, RECORD
from sekimori.vault.records import RecordCipher

_INTENT = and_(ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us)
_CONTENT = and_(
    CONTENT.c.lane == ENTRY.c.lane, CONTENT.c.n == ENTRY.c.n, CONTENT.c.time_us == ENTRY.c.time_us
)


def rebase(holding: Holding, rids: Sequence[str], erased: Collection[str]) -> Iterator[dict[str, Value]]:
    """Make these records stand alone, and yield for each what a ``reencrypt`` leaf says of it."""
    if not rids:
        return
    keys = holding.hierarchy.record_keys(rids)
    for rid, stored in holding.deduper.rebase(rids, erased).items():
        key = keys[(rid, "")]
        yield _written(holding.connection, rid, stored, RecordCipher(key, random=holding.hierarchy.random))
        holding.texts.replace(rid, stored, key)


def _written(connection: Connection, rid: str, stored: Stored, cipher: RecordCipher) -> dict[str, Value]:
    """Seal manifest and entry of one record at the places they had."""
    row = _row(connection, rid)
    content = cipher.seal(stored.manifest, place("content", row.lane, row.n, rid))
    sha256 = hashlib.sha256(content).hexdigest()
    kept = msgspec.structs.replace(open_entry(cipher, row.lane, row.n, rid, row.sealed), content=sha256)
    sealed = cipher.seal(encode_kept(kept), place("entry", row.lane, row.n, rid))
    here = (ENTRY.c.lane == row.lane, ENTRY.c.n == row.n, ENTRY.c.time_us == row.time_us)
    connection.execute(update(ENTRY).where(*here).values(sealed=sealed))
    there = (CONTENT.c.lane == row.lane, CONTENT.c.n == row.n, CONTENT.c.time_us == row.time_us)
    connection.execute(update(CONTENT).where(*there).values(sealed=content, sealed_sha256=sha256))
    return {
        "of": row.lane,
        "first": row.n,
        "was": [stored_hash(row.sealed, row.content).hex()],
        "ct": [stored_hash(sealed, content).hex()],
    }


def _row(connection: Connection, rid: str) -> Any:
    columns = (ENTRY.c.lane, ENTRY.c.n, ENTRY.c.time_us, ENTRY.c.sealed, CONTENT.c.sealed.label("content"))
    query = select(*columns).join(RECORD, _INTENT).join(CONTENT, _CONTENT).where(RECORD.c.rid == rid)
    row = connection.execute(query).first()
    if row is None:
        raise IntegrityError(
            f"The text of record {rid} is not where it was stored.", hint="Run sekimori verify."
        )
    return row
