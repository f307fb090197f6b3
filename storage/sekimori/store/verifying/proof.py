"""The quick way: what an entry's envelope must be is written from everything else, and compared once.

An entry is opened under its record's key, its body rebuilt, the commitments computed, and the envelope made
of them as its writer would have made it. If those bytes are the stored ones and the leaf is theirs, then
place, time, kind, policy, metadata and body are what was written. Whatever does not come out the same, or
cannot be judged here, is looked at again by ``closely``, which says what is wrong with it: here nothing
is named, and nothing is passed that would be named there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
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
from sekimori.store.rows import MANIFEST, Sealed, read_meta, read_sealed
from sekimori.store.verifying.entry import NOTHING, View
from sekimori.store.verifying.opening import Record
from sekimori.vault.records import opened

EntryRow = tuple[str, int, str, str, int, bytes, bytes, bytes, str, int | None]
"""A row of ``entry`` in the order of ``ENTRY_COLUMNS``."""
Proven = tuple[Sealed, Any, Collection[str] | None]
"""What was opened, the entry in it, and the records that its text refers to."""
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

    def proven(self, row: EntryRow, record: Record, content: Content | None) -> Proven | None:
        """Return what a row of ``entry`` says if it is wholly as it was written; None where it might not be."""
        lane, n, rid, kind, time_us, sealed, envelope, leaf, tree, idx = row
        stored, links = NOTHING, None
        where = f"{lane}\0{n}\0{rid}".encode()
        try:
            kept = read_sealed(opened(record.metadata, sealed, b"entry\0" + where))
            said = read_meta(kept.meta, self._read)
            named, what, part = _KINDS[type(said)]
            committed = f'"meta":"{record.committing.commit(META, kept.meta)}"'
            if content is not None:
                blob = content[-1]
                stored = sha256(blob).digest()
                if content[1:-1] != (rid, time_us, MANIFEST if kept.manifest else part, stored.hex()):
                    return None
                body = opened(record.content, blob, b"content\0" + where)
                if kept.manifest:
                    body, links = self._rebuilt(rid, body)
                if not body or sha256(body).hexdigest() != said.body.stored_sha256:
                    return None
                committed = f'{committed},"{what}":"{record.committing.commit(what, body)}"'
        except IntegrityError:
            return None
        if said.rid != rid or said.time_us != time_us or named != kind:
            return None
        if kept.content != (b"" if content is None else stored):
            return None
        written = (
            f'{{"c":{{{committed}}},"k":"{kind}",{self._after}{n},"pol":"{said.policy}","rid":"{rid}",'
            f'"t":{time_us},"v":{VERSION}}}'
        ).encode()
        if written != envelope or self._stated.get(n) != sha256(sha256(sealed).digest() + stored).digest():
            return None
        # The leaf is the envelope's, by a writer who is known, at a place that was given.
        if len(leaf) != LEAF_BYTES or leaf[:_CHECKSUM] != sha256(sha256(envelope).digest()).digest():
            return None
        writer = self._writers.get(leaf[_KEY_AT:])
        if writer is None or idx is None or not 0 <= idx < self._trees.get(tree, 0):
            return None
        if self._signatures and not writer.signed(leaf[_CHECKSUM:_KEY_AT], NAMESPACE + leaf[:_CHECKSUM]):
            return None
        return kept, said, links

    def _rebuilt(self, rid: str, manifest: bytes) -> tuple[bytes, Collection[str]]:
        self._manifests.known[rid] = manifest
        alone = standing_alone(manifest)
        if alone is not None:
            return alone, ()
        body = self._bodies.body(rid)
        return b"".join([piece.data for piece in body.pieces]), body.links
