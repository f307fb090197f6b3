"""The quick way: what an entry's envelope must be is written from everything else, and compared once.

An entry is opened under its record's key, its body rebuilt, the commitments computed, and the envelope made
of them as its writer would have made it. If those bytes are the stored ones and the leaf is theirs, then
place, time, kind, policy, metadata and body are what was written. Whatever does not come out the same, or
cannot be judged here, is looked at again by ``closely``, which says what is wrong with it: here nothing
is named, and nothing is passed that would be named there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import META, REQUEST, RESPONSE, VERSION
from sekimori.ledger.rebuild import standing_alone
from sekimori.ledger.record import Entry as SpoolEntry
from sekimori.ledger.record import Intent, Outcome, Part
from sekimori.ledger.tlog.leaf import LEAF_BYTES, NAMESPACE
from sekimori.store.rows import MANIFEST, Sealed, open_sealed, read_meta
from sekimori.store.verifying.entry import Entry, View
from sekimori.store.verifying.opening import Record

Content = tuple[int, str, int, str, str, bytes]
"""A row of ``content``: number, record, time, part, the hash of what is sealed, what is sealed."""

_KINDS = {Intent: ("intent", REQUEST, "request"), Outcome: ("outcome", RESPONSE, "response")}
_KINDS[Part] = ("part", REQUEST, "request")
"""What an envelope calls each, what it commits to beside the metadata, and how the row calls that."""
_PLAIN = re.compile(r"[0-9A-Za-z._-]*").fullmatch
_CHECKSUM, _KEY_AT = 32, 96


class Prover:
    """Proves the entries of one lane; ``stated`` is what the archivist said of each when it stored it."""

    def __init__(self, view: View, lane: str, stated: Mapping[int, bytes]) -> None:
        self._lane = lane if _PLAIN(lane) else None
        self._stated = {
            **stated,
            **{n: value for (of, n), value in view.authority.resealed.items() if of == lane},
        }
        self._trees = view.trees
        self._writers = view.writers
        self._signatures = view.signatures
        self._manifests = view.manifests
        self._bodies = view.bodies

    def proves(self, entry: Entry, record: Record, content: Content | None) -> bool:
        """Tell whether an entry is wholly as it was written; where it isn't, or might not be, say no."""
        where = f"{entry.lane}\0{entry.n}\0{entry.rid}".encode()
        try:
            kept = open_sealed(record.cipher, b"entry\0" + where, entry.sealed)
            said = read_meta(kept.meta)
            kind, what, part = _KINDS[type(said)]
            if (said.rid, said.time_us, kind) != (entry.rid, entry.time_us, entry.kind):
                return False
            committed = f'"{META}":"{record.committing.commit(META, kept.meta).hex()}"'
            if content is not None:
                body = self._body(entry, record, kept, said, content, part, where)
                if body is None:
                    return False
                committed += f',"{what}":"{record.committing.commit(what, body).hex()}"'
            elif kept.content:
                return False
        except IntegrityError:
            return False
        entry.kept, entry.said, entry.cipher = kept, said, record.cipher
        return (
            self._is_stored(entry)
            and entry.envelope
            == (
                f'{{"c":{{{committed}}},"k":"{kind}","lane":"{self._lane}","n":{entry.n},"pol":"{said.policy}",'
                f'"rid":"{entry.rid}","t":{entry.time_us},"v":{VERSION}}}'
            ).encode()
            and self._is_placed(entry)
        )

    def _body(
        self,
        entry: Entry,
        record: Record,
        kept: Sealed,
        said: SpoolEntry,
        content: Content,
        part: str,
        where: bytes,
    ) -> bytes | None:
        """Return the body if it is the one that the entry names."""
        _, rid, time_us, called, sha256_hex, sealed = content
        entry.content_hash = hashed = sha256(sealed).digest()
        if kept.manifest:
            part = MANIFEST
        if kept.content != hashed or (rid, time_us, called, sha256_hex) != (
            entry.rid,
            entry.time_us,
            part,
            hashed.hex(),
        ):
            return None
        plain = record.cipher.open(sealed, b"content\0" + where)
        body = self._rebuilt(entry, plain) if kept.manifest else plain
        return body if body and sha256(body).hexdigest() == said.body.stored_sha256 else None

    def _rebuilt(self, entry: Entry, manifest: bytes) -> bytes:
        self._manifests.known[entry.rid] = manifest
        alone = standing_alone(manifest)
        if alone is not None:
            entry.links = ()
            return alone
        body = self._bodies.body(entry.rid)
        entry.links = body.links
        return b"".join([piece.data for piece in body.pieces])

    def _is_stored(self, entry: Entry) -> bool:
        lies_here = sha256(sha256(entry.sealed).digest() + entry.content_hash).digest()
        return self._stated.get(entry.n) == lies_here

    def _is_placed(self, entry: Entry) -> bool:
        """Tell whether the leaf is the envelope's, by a writer who is known, at a place that was given."""
        leaf = entry.leaf
        if len(leaf) != LEAF_BYTES or leaf[:_CHECKSUM] != sha256(sha256(entry.envelope).digest()).digest():
            return False
        writer = self._writers.get(leaf[_KEY_AT:])
        if writer is None or entry.idx is None or not 0 <= entry.idx < self._trees.get(entry.tree, 0):
            return False
        return not self._signatures or writer.signed(leaf[_CHECKSUM:_KEY_AT], NAMESPACE + leaf[:_CHECKSUM])
