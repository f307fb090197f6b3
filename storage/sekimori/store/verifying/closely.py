"""The close look: what is wrong with an entry, check by check, each fault by its table and key.

Only for entries that ``proof`` could not pass at once: those that somebody touched, and those that an erasure
or the end of their retention took, that stand under an older release's key, or have no place yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import META, REQUEST, RESPONSE
from sekimori.ledger.rebuild import TextMissingError, standing_alone
from sekimori.ledger.record import Entry as SpoolEntry
from sekimori.ledger.record import Outcome, decode
from sekimori.ledger.tlog.leaf import LEAF_BYTES, NAMESPACE, checksum_of
from sekimori.store.rows import (
    MANIFEST,
    Row,
    Sealed,
    kind_of,
    open_content,
    open_sealed,
    part_of,
    place,
    read_meta,
    stored_of,
)
from sekimori.store.verifying.entry import NOTHING, Entry, View
from sekimori.store.verifying.envelopes import EntryEnvelope, read_entry_envelope
from sekimori.store.verifying.faults import Stretch, differences
from sekimori.store.verifying.opening import Keys, Record
from sekimori.store.verifying.proof import Content
from sekimori.vault.content import is_old
from sekimori.vault.records import METADATA, RecordCipher

_CHECKSUM, _KEY_AT = 32, 96
_CONTENT = ("rid", "time_us", "part", "sealed_sha256", "sealed")


class CloseLook:
    """Names what is wrong with the entries of one lane."""

    def __init__(self, view: View, lane: str, stated: Mapping[int, bytes]) -> None:
        self._view = view
        self._lane = lane
        self._stated = stated
        self._found = Stretch()

    def at(
        self, entry: Entry, keys: Keys, index: Row | None, contents: Sequence[Content], found: Stretch
    ) -> None:
        """Look at one entry with what hangs on it; ``index`` is its record's row, where its key is gone."""
        self._found = found
        entry.kept = entry.said = entry.cipher = entry.links = None
        entry.content_hash = NOTHING
        envelope = self._envelope(entry)
        record = keys.living.get(entry.rid)
        self._open(entry, record, keys, index)
        body = self._content(entry, contents)
        if entry.kept is not None and entry.said is not None and entry.gone is None:
            self._stored_as_stated(entry)
            if body is not None and envelope is not None:
                self._commitments(entry, entry.said, record, body, envelope)

    # --- envelope and leaf -----------------------------------------------------------------------

    def _envelope(self, entry: Entry) -> EntryEnvelope | None:
        if entry.idx is None:
            self._found.unplaced += 1
            if not entry.envelope and not entry.leaf:
                self._found.unsigned += 1  # from a spool of before the ledger
                return None
        try:
            said = read_entry_envelope(entry.envelope)
        except IntegrityError as error:
            entry.fault("entry", "altered", error.message)
            return None
        entry.policy = said.pol
        here = (entry.n, entry.rid, entry.time_us, entry.kind, entry.lane)
        if (said.n, said.rid, said.t, said.k, said.lane) != here:
            entry.fault("entry", "altered", "its envelope stands at another place or time than it says")
        if entry.tree if entry.idx is None else not 0 <= entry.idx < self._view.trees.get(entry.tree, 0):
            entry.fault("entry", "altered", "it says that it has a place which no tree gave away")
        self._leaf(entry, entry.leaf)
        return said

    def _leaf(self, entry: Entry, leaf: bytes) -> None:
        if len(leaf) != LEAF_BYTES or leaf[:_CHECKSUM] != checksum_of(entry.envelope):
            entry.fault("entry", "altered", "its leaf is not the leaf of its envelope")
            return
        writer = self._view.writers.get(leaf[_KEY_AT:])
        if writer is None:
            entry.fault("entry", "altered", "its leaf was signed by a key that isn't known here")
        elif self._view.signatures and not writer.signed(
            leaf[_CHECKSUM:_KEY_AT], NAMESPACE + leaf[:_CHECKSUM]
        ):
            entry.fault("entry", "altered", "the signature of its leaf doesn't fit")

    # --- the entry itself ------------------------------------------------------------------------

    def _open(self, entry: Entry, record: Record | None, keys: Keys, index: Row | None) -> None:
        if self._view.old is not None and is_old(entry.sealed):
            entry.cipher = self._view.old
        elif record is not None:
            entry.cipher = record.cipher
        else:
            self._without_key(entry, keys, index)
            if entry.gone is None or entry.rid not in keys.metadata:
                return
            entry.cipher = RecordCipher.of_metadata(keys.metadata[entry.rid])
        try:
            where = place("entry", self._lane, entry.n, entry.rid)
            kept = open_sealed(entry.cipher, where, entry.sealed)
            said = read_meta(kept.meta, decode)
        except IntegrityError as error:
            entry.fault("entry", "altered", error.message)
            return
        entry.kept, entry.said = kept, said
        here = {"rid": entry.rid, "kind": entry.kind, "time_us": entry.time_us}
        meant = {"rid": said.rid, "kind": kind_of(said), "time_us": said.time_us}
        entry.faults = (*entry.faults, *differences("entry", entry.name, here, meant))

    def _without_key(self, entry: Entry, keys: Keys, index: Row | None) -> None:
        rid = entry.rid
        if (fault := keys.faults.get(rid)) is not None:
            entry.faults = (*entry.faults, fault)
            return
        entry.gone = self._view.authority.of(rid, index)
        if entry.gone is None:
            detail = "the key of its record is gone, and no erasure says so"
            entry.fault("record_key", "missing", detail, key=rid)
        elif rid not in keys.metadata and self._view.authority.keeps_metadata(rid, index):
            detail = "only the time of its content is over, and what is said about it is gone, too"
            entry.fault("record_key", "missing", detail, key=f"{rid}/{METADATA}")

    # --- content ---------------------------------------------------------------------------------

    def _content(self, entry: Entry, contents: Sequence[Content]) -> bytes | None:
        """Return the body of an entry: empty where it has none, None where it can't be read."""
        kept, said = entry.kept, entry.said
        wanted = kept is not None and bool(kept.content) and entry.gone is None
        if entry.gone is not None and contents:
            entry.fault("content", "extra", "its record was erased")
        elif kept is not None and len(contents) > wanted:
            entry.fault("content", "extra", "its entry had no content")
        if kept is None or said is None or not wanted:
            return b""
        if not contents:
            entry.fault("content", "missing")
            return None
        plain = self._opened(entry, kept, said, contents[0])
        if plain is None:
            return None
        body = self._rebuilt(entry, said.rid, plain) if kept.manifest else plain
        if body is not None and hashlib.sha256(body).hexdigest() != said.body.stored_sha256:
            entry.fault("content", "altered", "its bytes hash to something else")
            return None
        return body

    def _opened(self, entry: Entry, kept: Sealed, said: SpoolEntry, row: Content) -> bytes | None:
        sealed = row[-1]
        entry.content_hash = hashlib.sha256(sealed).digest()
        part = MANIFEST if kept.manifest else part_of(said)
        meant = (said.rid, said.time_us, part, kept.content.hex(), kept.content.hex())
        here = (*row[1:-1], entry.content_hash.hex())
        if here != meant:
            named = (dict(zip(_CONTENT, values, strict=True)) for values in (here, meant))
            entry.faults = (*entry.faults, *differences("content", entry.name, *named))
        try:
            if entry.cipher is None:
                raise IntegrityError("It can't be opened.")
            return open_content(entry.cipher, self._lane, entry.n, said.rid, sealed)
        except IntegrityError as error:
            entry.fault("content", "altered", error.message)
            return None

    def _rebuilt(self, entry: Entry, rid: str, manifest: bytes) -> bytes | None:
        self._view.manifests.known[rid] = manifest
        try:
            alone = standing_alone(manifest)
            if alone is not None:
                entry.links = ()
                return alone
            body = self._view.bodies.body(rid)
        except TextMissingError as error:
            entry.fault("content", "missing", error.message)
            return None
        except IntegrityError as error:
            entry.fault("content", "altered", error.message)
            return None
        entry.links = body.links
        return b"".join([piece.data for piece in body.pieces])

    def _stored_as_stated(self, entry: Entry) -> None:
        """Hold what lies here against what the archivist said when it stored it, or sealed it anew."""
        if not entry.envelope:
            return
        stated = self._view.authority.resealed.get((self._lane, entry.n)) or self._stated.get(entry.n)
        if stated is None:
            self._found.unstated += 1
        elif stated != stored_of(hashlib.sha256(entry.sealed).digest(), entry.content_hash):
            entry.fault("entry", "altered", "what is stored is not what the archivist stated")

    # --- commitments -----------------------------------------------------------------------------

    def _commitments(
        self, entry: Entry, said: SpoolEntry, record: Record | None, body: bytes, envelope: EntryEnvelope
    ) -> None:
        """Compute again what the envelope commits to."""
        if record is None:
            entry.fault("entry", "altered", "nobody can compute what its envelope commits to")
            return
        meta = entry.kept.meta if entry.kept else b""
        computed = {META: record.committing.commit(META, meta)}
        if body:
            what = RESPONSE if isinstance(said, Outcome) else REQUEST
            computed[what] = record.committing.commit(what, body)
        for what, value in ((META, envelope.c.meta), (REQUEST, envelope.c.req), (RESPONSE, envelope.c.resp)):
            if value != computed.get(what, ""):
                entry.fault("entry", "altered", f"its envelope commits to something else ({what})")
        if envelope.pol != said.policy:
            entry.fault("entry", "altered", "its envelope names another policy")
