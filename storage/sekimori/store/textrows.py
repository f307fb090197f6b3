"""Text that is stored once, in the tables ``chunk``, ``anchor`` and ``link``: the ledger's ``TextRows``.

A manifest is the sealed content of a record's intent; a large piece is sealed under the key of the record
that stored it first. What is put here is seen at once and written by ``flush``, many rows at a time; the
caller's transaction decides what stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from sqlalchemy import Connection, and_, delete, select

from sekimori.ledger.chunks import Stored
from sekimori.store.bulk import insert_absent, insert_rows
from sekimori.store.rows import MANIFEST, place
from sekimori.store.tables import ANCHOR, CHUNK, CONTENT, LINK, RECORD
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.records import RecordCipher

_AT_ONCE = 500
_AHEAD = 64
"""How many records further back are fetched together, once a chain of manifests is walked at all."""

_INTENT = and_(
    CONTENT.c.lane == RECORD.c.lane, CONTENT.c.n == RECORD.c.n, CONTENT.c.time_us == RECORD.c.time_us
)


@dataclass(slots=True)
class _Pending:
    """What was put and not written yet."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    large: dict[bytes, tuple[str, bytes, bytes]] = field(default_factory=dict)
    anchors: dict[bytes, str] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class _Seen:
    """What was fetched ahead; good for one transaction."""

    anchors: dict[bytes, str | None] = field(default_factory=dict)
    owners: dict[bytes, str | None] = field(default_factory=dict)
    manifests: dict[str, bytes | None] = field(default_factory=dict)
    ciphers: dict[str, RecordCipher | None] = field(default_factory=dict)


class SqlTextRows:
    """Manifests, large pieces, anchors and links on one connection, in one transaction."""

    def __init__(self, connection: Connection, hierarchy: KeyHierarchy) -> None:
        self._connection = connection
        self._hierarchy = hierarchy
        self._pending = _Pending()
        self._seen = _Seen()
        self._walked: set[str] = set()

    # --- reading ---------------------------------------------------------------------------------

    def manifest(self, rid: str) -> bytes | None:
        """Return a record's manifest, None where it was erased."""
        if (put := self._pending.manifests.get(rid)) is not None:
            return put
        if rid not in self._seen.manifests:
            self._fetch_manifests(rid)
        return self._seen.manifests[rid]

    def large(self, address: bytes) -> bytes | None:
        """Return a large piece, None where it was erased."""
        if (put := self._pending.large.get(address)) is not None:
            return put[2]
        query = select(CHUNK.c.rid, CHUNK.c.sealed).where(CHUNK.c.address == address)
        row = self._connection.execute(query).first()
        cipher = None if row is None else self._ciphers([row.rid])[row.rid]
        return (
            None if row is None or cipher is None else cipher.open(row.sealed, chunk_place(address, row.rid))
        )

    def owners(self, addresses: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records store the large pieces of these addresses."""
        put = {
            address: self._pending.large[address][0]
            for address in addresses
            if address in self._pending.large
        }
        self._look(addresses, self._seen.owners, CHUNK.c.address)
        return _known(addresses, self._seen.owners) | put

    def anchored(self, anchors: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records left these anchors."""
        put = {anchor: self._pending.anchors[anchor] for anchor in anchors if anchor in self._pending.anchors}
        self._look(anchors, self._seen.anchors, ANCHOR.c.anchor)
        return put | _known(anchors, self._seen.anchors)

    def linked(self, rid: str) -> Collection[str]:
        """Return the records that refer to this one."""
        stored = self._connection.execute(select(LINK.c.rid).where(LINK.c.refers == rid)).scalars()
        return {*stored, *(referring for referring, refers in self._pending.links if refers == rid)}

    def address_key(self, rid: str) -> bytes | None:
        """Return what pieces are addressed with under the data key that the record's key opens under."""
        for row in self._hierarchy.rows.record_keys_of([rid]):
            data_key = None if row.part else self._hierarchy.find_data_key(row.data_key)
            if data_key is not None:
                data_key.unwrap(row)  # the row may name any data key; it opens under its own alone
                return data_key.address_key
        return None

    def look_ahead(self, anchors: Collection[bytes] = (), addresses: Collection[bytes] = ()) -> None:
        """Fetch what many bodies are about to ask for, each in one query."""
        self._look(anchors, self._seen.anchors, ANCHOR.c.anchor)
        self._look(addresses, self._seen.owners, CHUNK.c.address)

    # --- writing ---------------------------------------------------------------------------------

    def put(self, rid: str, stored: Stored, record_key: bytes) -> None:
        """Take up what belongs beside a manifest; the manifest itself is the caller's to seal and store."""
        cipher = RecordCipher(record_key, random=self._hierarchy.random)
        self._pending.manifests[rid] = stored.manifest
        for address, piece in stored.large.items():
            self._pending.large[address] = (rid, cipher.seal(piece, chunk_place(address, rid)), piece)
        for anchor in stored.anchors:
            self._pending.anchors.setdefault(anchor, rid)
        self._pending.links |= {(rid, refers) for refers in stored.links}

    def flush(self) -> None:
        """Write what was put. A large piece that another transaction was first with ends in a fault.

        That fault is ``sqlalchemy.exc.IntegrityError``: who tries again finds the other's piece.
        """
        pending, self._pending = self._pending, _Pending()
        # In one order: two transactions wait for one another, and never in a ring.
        chunks = [
            {"address": address, "rid": rid, "sealed": sealed}
            for address, (rid, sealed, _) in sorted(pending.large.items())
        ]
        insert_rows(self._connection, CHUNK, chunks)
        insert_absent(
            self._connection,
            ANCHOR,
            [{"anchor": anchor, "rid": rid} for anchor, rid in sorted(pending.anchors.items())],
        )
        insert_rows(
            self._connection, LINK, [{"rid": rid, "refers": refers} for rid, refers in sorted(pending.links)]
        )
        # A large piece and an anchor that were absent before are there now.
        self._seen = _Seen(manifests=self._seen.manifests, ciphers=self._seen.ciphers)

    def replace(self, rid: str, stored: Stored, record_key: bytes) -> None:
        """Write what belongs beside a manifest that was made anew; its anchors stay where they are."""
        self._connection.execute(delete(LINK).where(LINK.c.rid == rid))
        for some in batched(stored.large, _AT_ONCE):
            self._connection.execute(delete(CHUNK).where(CHUNK.c.address.in_(some)))
        self._seen = _Seen()
        self.put(rid, stored._replace(anchors=()), record_key)
        self.flush()

    # --- queries ---------------------------------------------------------------------------------

    def _look(self, wanted: Collection[bytes], seen: dict[bytes, str | None], by: Any) -> None:
        unseen = [key for key in wanted if key not in seen]
        for some in batched(unseen, _AT_ONCE):
            seen.update(dict.fromkeys(some))
            query = select(by, by.table.c.rid).where(by.in_(some))
            seen.update(tuple(row) for row in self._connection.execute(query))

    def _fetch_manifests(self, rid: str) -> None:
        """Fetch one, or a stretch of the chain when the one asked for stands behind another."""
        if len(self._seen.manifests) > _AHEAD * 8:
            self._seen.manifests.clear()  # opened text; a long walk must not keep all of it
        rids = self._behind(rid) if rid in self._walked else [rid]
        self._seen.manifests.update(dict.fromkeys(rids))
        query = select(CONTENT.c.lane, CONTENT.c.n, CONTENT.c.rid, CONTENT.c.sealed)
        query = query.join(RECORD, _INTENT).where(RECORD.c.rid.in_(rids), CONTENT.c.part == MANIFEST)
        ciphers = self._ciphers(rids)
        for row in self._connection.execute(query):
            cipher = ciphers[row.rid]
            if cipher is not None:
                at = place("content", row.lane, row.n, row.rid)
                self._seen.manifests[row.rid] = cipher.open(row.sealed, at)
        self._walked = set(
            self._connection.execute(select(LINK.c.refers).where(LINK.c.rid.in_(rids))).scalars()
        )

    def _behind(self, rid: str) -> list[str]:
        """Return a record and those that it refers to, directly or through others, up to a bound."""
        chain = select(LINK.c.refers).where(LINK.c.rid == rid).cte("chain", recursive=True)
        chain = chain.union(select(LINK.c.refers).join(chain, LINK.c.rid == chain.c.refers))
        found = self._connection.execute(select(chain.c.refers).limit(_AHEAD)).scalars()
        return [rid, *(other for other in found if other != rid and other not in self._seen.manifests)]

    def _ciphers(self, rids: Sequence[str]) -> dict[str, RecordCipher | None]:
        seen = self._seen.ciphers
        unseen = [rid for rid in rids if rid not in seen]
        if unseen:
            keys = self._hierarchy.record_keys(unseen)
            for rid in unseen:
                key = keys.get((rid, ""))
                seen[rid] = None if key is None else RecordCipher(key, random=self._hierarchy.random)
        return {rid: seen[rid] for rid in rids}


def chunk_place(address: bytes, rid: str) -> bytes:
    """Name the one place where a large piece opens."""
    return b"chunk\0" + address + rid.encode()


def _known(wanted: Collection[bytes], seen: Mapping[bytes, str | None]) -> dict[bytes, str]:
    return {key: rid for key in wanted if (rid := seen[key]) is not None}
