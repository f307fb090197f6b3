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


class Draft(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry on its way to whoever makes evidence of it: encoded, neither numbered nor signed."""

    kind: str
    rid: str
    time_us: int
    policy: str
    key: bytes
    meta: bytes
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
    return _envelope(draft(entry), lane, n)


def write_entry(entry: Entry, lane: str, n: int, signer: LeafSigner) -> bytes:
    """Return the bytes that go into a frame; raises IntegrityError if the entry has no record key."""
    return write_draft(draft(entry), lane, n, signer)


def draft(entry: Entry) -> Draft:
    """Encode an entry; raises what msgspec raises if it can't be (a lone surrogate)."""
    return Draft(
        kind_of(entry),
        entry.rid,
        entry.time_us,
        entry.policy,
        entry.key,
        meta_bytes(entry),
        entry.body.stored,
    )


def write_draft(drafted: Draft, lane: str, n: int, signer: LeafSigner) -> bytes:
    """Return the bytes that go into a frame; raises IntegrityError if the entry has no record key."""
    envelope = _envelope(drafted, lane, n)
    return _ENCODER.encode([envelope, signer.sign(envelope), drafted.meta, drafted.key, drafted.stored])


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


def _envelope(drafted: Draft, lane: str, n: int) -> bytes:
    content = {META: drafted.meta}
    if drafted.stored:
        content[RESPONSE if drafted.kind == "outcome" else REQUEST] = drafted.stored
    return record_envelope(
        kind=drafted.kind,
        lane=lane,
        n=n,
        rid=drafted.rid,
        time_us=drafted.time_us,
        policy=drafted.policy,
        commitments=commitments(drafted.key, drafted.rid, content),
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
