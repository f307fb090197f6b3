"""Envelopes as a verifier reads them: thousands a second, and none that is not canonical.

The shapes that are written today are read into fixed structs whose fields stand in their sorted order, so that
writing them again gives the canonical bytes; whatever does not come out the same is read the slow way.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import VERSION, decode_envelope


class Commitments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What an entry's envelope commits to, in hex; empty where there was nothing."""

    meta: str = ""
    req: str = ""
    resp: str = ""


class EntryEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The envelope of a spool entry; the fields are in the order in which they are written."""

    c: Commitments
    k: str
    lane: str
    n: int
    pol: str
    rid: str
    t: int
    v: int


_DECODER = msgspec.json.Decoder(EntryEnvelope)
_ENCODER = msgspec.json.Encoder()


def read_entry_envelope(data: bytes) -> EntryEnvelope:
    """Read the envelope of a spool entry; raises IntegrityError unless it is one in its canonical form."""
    try:
        envelope = _DECODER.decode(data)
        if envelope.v == VERSION and _ENCODER.encode(envelope) == data:
            return envelope
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # a later release may have added a field: the slow reader decides
    return _slowly(data)


def _slowly(data: bytes) -> EntryEnvelope:
    fields = cast("dict[str, Any]", decode_envelope(data))
    try:
        commitments = {name: fields["c"].get(name, "") for name in ("meta", "req", "resp")}
        known = {name: fields[name] for name in ("k", "lane", "n", "pol", "rid", "t", "v")}
        return msgspec.convert({**known, "c": commitments}, EntryEnvelope)
    except (KeyError, AttributeError, msgspec.ValidationError) as fault:
        raise IntegrityError("An envelope is not that of a spool entry.") from fault
