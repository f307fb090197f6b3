"""An entry as a spool of version 2 holds it: beside its envelope and its leaf. Pure.

The entry is encoded once: what ``c.meta`` commits to is a part of what is stored, and the two things that it
leaves out, the record key and the bytes of the body, stand beside it.
"""

from __future__ import annotations

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import (
    META,
    REQUEST,
    RESPONSE,
    commitments,
    meta_bytes,
    read_record_envelope,
    record_envelope,
)
from sekimori.ledger.record import Entry, Intent, Outcome, decode
from sekimori.ledger.tlog.leaf import LeafSigner, is_leaf_of


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a frame, as MessagePack writes it: an array of five."""

    envelope: bytes
    leaf: bytes
    meta: bytes
    key: bytes
    stored: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Evidence)


def kind_of(entry: Entry) -> str:
    """Return what an envelope calls such an entry."""
    if isinstance(entry, Intent):
        return "intent"
    return "outcome" if isinstance(entry, Outcome) else "part"


def envelope_of(entry: Entry, lane: str, n: int) -> bytes:
    """Return the envelope of an entry; raises IntegrityError if it has no record key."""
    return _envelope(entry, lane, n, meta_bytes(entry))


def write_entry(entry: Entry, lane: str, n: int, signer: LeafSigner) -> bytes:
    """Return the bytes that go into a frame; raises IntegrityError if the entry has no record key."""
    meta = meta_bytes(entry)
    envelope = _envelope(entry, lane, n, meta)
    return _ENCODER.encode([envelope, signer.sign(envelope), meta, entry.key, entry.body.stored])


def read_entry(data: bytes, lane: str, n: int) -> tuple[Entry, bytes, bytes]:
    """Return an entry, its envelope and its leaf; raises IntegrityError unless the three fit together.

    Signature and commitments are not looked at: ``verify`` does that.
    """
    try:
        evidence = _DECODER.decode(data)
        bare = decode(evidence.meta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("It can't be read.") from error
    body = msgspec.structs.replace(bare.body, stored=evidence.stored)
    entry = msgspec.structs.replace(bare, key=evidence.key, body=body)
    _check(evidence, entry, lane, n)
    return entry, evidence.envelope, evidence.leaf


def _envelope(entry: Entry, lane: str, n: int, meta: bytes) -> bytes:
    content = {META: meta}
    if entry.body.stored:
        content[RESPONSE if isinstance(entry, Outcome) else REQUEST] = entry.body.stored
    return record_envelope(
        kind=kind_of(entry),
        lane=lane,
        n=n,
        rid=entry.rid,
        time_us=entry.time_us,
        policy=entry.policy,
        commitments=commitments(entry.key, entry.rid, content),
    )


def _check(evidence: Evidence, entry: Entry, lane: str, n: int) -> None:
    said = read_record_envelope(evidence.envelope)
    if (said.k, said.lane, said.n, said.rid) != (kind_of(entry), lane, n, entry.rid):
        raise IntegrityError(
            f"Its envelope speaks of {said.k} {said.n} of lane {said.lane}, exchange {said.rid}."
        )
    if (said.t, said.pol) != (entry.time_us, entry.policy):
        raise IntegrityError("Its envelope has another time or policy.")
    if not is_leaf_of(evidence.leaf, evidence.envelope):
        raise IntegrityError("Its leaf is not that of its envelope.")
