"""The quick way: what an entry's envelope must be is written from everything else, and compared once.

An entry is opened under its record's key, its body rebuilt, the commitments computed, and the envelope made
of them as its writer would have made it. If those bytes are the stored ones and the leaf is theirs, then
place, time, kind, policy, metadata and body are what was written. Whatever does not come out the same, or
cannot be judged here, is looked at again by ``closely``, which says what is wrong with it: here nothing
is named, and nothing is passed that would be named there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import META, REQUEST, RESPONSE, VERSION
from sekimori.ledger.rebuild import standing_alone
from sekimori.ledger.record import (
    Intent,
    IntentHead,
    Outcome,
    OutcomeHead,
    Part,
    PartHead,
    decode,
    decode_head,
)
from sekimori.ledger.tlog.leaf import LEAF_BYTES, NAMESPACE
from sekimori.store.rows import MANIFEST, read_meta, read_sealed
from sekimori.store.verifying.entry import NOTHING, Entry, View
from sekimori.store.verifying.opening import Record
from sekimori.vault.records import opened

Content = tuple[int, str, int, str, str, bytes]
"""A row of ``content``: number, record, time, part, the hash of what is sealed, what is sealed."""

_REQUEST, _RESPONSE = (REQUEST, "request"), (RESPONSE, "response")
_KINDS: dict[type, tuple[str, str, str]] = {
    Intent: ("intent", *_REQUEST),
    IntentHead: ("intent", *_REQUEST),
    Part: ("part", *_REQUEST),
    PartHead: ("part", *_REQUEST),
    Outcome: ("outcome", *_RESPONSE),
    OutcomeHead: ("outcome", *_RESPONSE),
}
"""What an envelope calls each, what it commits to beside the metadata, and how the row calls that."""
_PLAIN = re.compile(r"[0-9A-Za-z._-]*").fullmatch
_CHECKSUM, _KEY_AT = 32, 96


class Prover:
    """Proves the entries of one lane; ``stated`` is what the archivist said of each when it stored it."""

    def __init__(self, view: View, lane: str, stated: Mapping[int, bytes]) -> None:
        anew = {n: value for (of, n), value in view.authority.resealed.items() if of == lane}
        self._stated = {**stated, **anew} if anew else stated
        # Of any other name nobody knows how JSON writes it.
        self._after = f'"lane":"{lane}","n":' if _PLAIN(lane) else ""
        # Without the index nobody asks an entry for more than its head.
        self._read: Callable[[bytes], Any] = decode if view.index else decode_head
        self._trees = view.trees
        self._writers = view.writers
        self._signatures = view.signatures
        self._manifests = view.manifests
        self._bodies = view.bodies

    def proves(self, entry: Entry, record: Record, content: Content | None) -> bool:
        """Tell whether an entry is wholly as it was written; where it isn't, or might not be, say no."""
        rid, time_us, stored = entry.rid, entry.time_us, NOTHING
        where = f"{entry.lane}\0{entry.n}\0{rid}".encode()
        try:
            entry.kept = kept = read_sealed(opened(record.metadata, entry.sealed, b"entry\0" + where))
            entry.said = said = read_meta(kept.meta, self._read)
            kind, what, part = _KINDS[type(said)]
            committed = f'"meta":"{record.committing.commit(META, kept.meta)}"'
            if content is not None:
                sealed = content[-1]
                stored = sha256(sealed).digest()
                if content[1:-1] != (rid, time_us, MANIFEST if kept.manifest else part, stored.hex()):
                    return False
                body = opened(record.content, sealed, b"content\0" + where)
                if kept.manifest:
                    body = self._rebuilt(entry, body)
                if not body or sha256(body).hexdigest() != said.body.stored_sha256:
                    return False
                committed = f'{committed},"{what}":"{record.committing.commit(what, body)}"'
        except IntegrityError:
            return False
        if (said.rid, said.time_us, kind) != (rid, time_us, entry.kind):
            return False
        if kept.content != (b"" if content is None else stored):
            return False
        envelope = (
            f'{{"c":{{{committed}}},"k":"{kind}",{self._after}{entry.n},"pol":"{said.policy}","rid":"{rid}",'
            f'"t":{time_us},"v":{VERSION}}}'
        ).encode()
        return (
            envelope == entry.envelope
            and self._stated.get(entry.n) == sha256(sha256(entry.sealed).digest() + stored).digest()
            and self._is_placed(entry, envelope)
        )

    def _rebuilt(self, entry: Entry, manifest: bytes) -> bytes:
        self._manifests.known[entry.rid] = manifest
        alone = standing_alone(manifest)
        if alone is not None:
            entry.links = ()
            return alone
        body = self._bodies.body(entry.rid)
        entry.links = body.links
        return b"".join([piece.data for piece in body.pieces])

    def _is_placed(self, entry: Entry, envelope: bytes) -> bool:
        """Tell whether the leaf is the envelope's, by a writer who is known, at a place that was given."""
        leaf, idx = entry.leaf, entry.idx
        if len(leaf) != LEAF_BYTES or leaf[:_CHECKSUM] != sha256(sha256(envelope).digest()).digest():
            return False
        writer = self._writers.get(leaf[_KEY_AT:])
        if writer is None or idx is None or not 0 <= idx < self._trees.get(entry.tree, 0):
            return False
        return not self._signatures or writer.signed(leaf[_CHECKSUM:_KEY_AT], NAMESPACE + leaf[:_CHECKSUM])
