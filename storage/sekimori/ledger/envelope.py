"""The envelope: the small canonical text that a leaf signs, and the commitments in it. Pure.

An envelope names nobody and holds no content: who, what and which model lie encrypted elsewhere, and here
stand only salted commitments to their exact bytes. It is written once and never again: a verifier hashes
the stored bytes. Its form is a subset of RFC 8785 (JCS): ASCII keys, strings, integers below 2^53,
booleans, arrays and objects; no floats and no null, so that sorted keys without blanks are all it takes.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.mac import KEY_BYTES, hmac_sha256, pads
from sekimori.ledger.record import Entry, encode

VERSION = 1
MAX_BYTES = 0xFFFF

META, REQUEST, RESPONSE = "meta", "req", "resp"
"""What can be committed to: the entry itself, the stored request bytes, the stored response bytes."""

type Value = str | int | bool | list[Value] | dict[str, Value]

_MAX_INT = (1 << 53) - 1
_MAX_DEPTH = 8
_ENCODER = msgspec.json.Encoder(order="sorted")
_PLAIN = re.compile(r"[0-9A-Za-z._-]{0,2000}").fullmatch
"""What stands in JSON as it is; ids, lanes and hashes of policies are made of nothing else."""
_PREFIXES = {what: f"sekimori/v1/{what}\0".encode() for what in (META, REQUEST, RESPONSE)}
"""In the order that sorting gives them."""
_NO_SALT = bytes(KEY_BYTES)


class RecordEnvelope(msgspec.Struct, frozen=True):
    """The envelope of a spool entry, read; ``c`` holds the commitments in hex."""

    c: dict[str, str]
    k: str
    lane: str
    n: int
    pol: str
    rid: str
    t: int
    v: int

    def commitments(self) -> dict[str, bytes]:
        """Return the commitments as bytes."""
        return {what: bytes.fromhex(value) for what, value in self.c.items()}


_RECORDS = msgspec.json.Decoder(RecordEnvelope)


def encode_envelope(fields: Mapping[str, Value]) -> bytes:
    """Return the canonical bytes of an envelope; raises IntegrityError for what no envelope may hold."""
    _check(fields, 0)
    try:
        data = _ENCODER.encode(fields)
    except UnicodeEncodeError as error:
        raise IntegrityError("An envelope can't hold a lone surrogate.") from error
    if len(data) > MAX_BYTES:
        raise IntegrityError(f"An envelope has {len(data)} bytes, more than {MAX_BYTES}.")
    return data


def decode_envelope(data: bytes) -> dict[str, Value]:
    """Read an envelope; raises IntegrityError unless its bytes are the canonical ones of this version."""
    if len(data) > MAX_BYTES:
        raise IntegrityError(f"An envelope has {len(data)} bytes, more than {MAX_BYTES}.")
    try:
        fields = msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("An envelope is no JSON object.") from error
    envelope: dict[str, Value] = fields  # type: ignore[assignment]  # encode_envelope looks at every value
    if encode_envelope(envelope) != data:
        raise IntegrityError("An envelope is not written in its canonical form.")
    if envelope.get("v") != VERSION or envelope["v"] is True:
        raise IntegrityError(
            f"An envelope is not of version {VERSION}.", hint="Read it with the release that wrote it."
        )
    return envelope


def record_envelope(
    *,
    kind: str,
    lane: str,
    n: int,
    rid: str,
    time_us: int,
    policy: str,
    commitments: Mapping[str, bytes],
) -> bytes:
    """Return the envelope of one spool entry (``intent``, ``part`` or ``outcome``)."""
    return _record_bytes(
        RecordEnvelope(
            {what: value.hex() for what, value in commitments.items()},
            kind,
            lane,
            n,
            policy,
            rid,
            time_us,
            VERSION,
        )
    )


def read_record_envelope(data: bytes) -> RecordEnvelope:
    """Read the envelope of a spool entry; raises IntegrityError unless it is one, written as we write it."""
    try:
        envelope = _RECORDS.decode(data)
        well_formed = envelope.v == VERSION and _record_bytes(envelope) == data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("These bytes are no envelope of a record.") from error
    if not well_formed:
        raise IntegrityError(
            f"The envelope of a record is not a canonical one of version {VERSION}.",
            hint="Read it with the release that wrote it.",
        )
    return envelope


def opening(record_key: bytes, rid: str, what: str) -> bytes:
    """Return r_x, the 32 bytes that open one commitment: who has them can check that one and no other."""
    return _expand(_extract(record_key), rid.encode(), what)


def commit(opened: bytes, what: str, data: bytes) -> bytes:
    """Return the commitment to exactly these bytes under its opening."""
    return hmac_sha256(opened, _PREFIXES.get(what) or f"sekimori/v1/{what}\0".encode(), data)


def commitments(record_key: bytes, rid: str, content: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the commitment to each piece of content."""
    extracted, rid_bytes = _extract(record_key), rid.encode()
    return {what: commit(_expand(extracted, rid_bytes, what), what, data) for what, data in content.items()}


class Committing:
    """The commitments of one record, for a verifier who computes many: nothing of it is derived twice.

    ``extracted`` are the inner and outer pad of what HKDF extracts from the record key, without salt.
    """

    __slots__ = ("_inner", "_known", "_outer", "_rid")

    def __init__(self, extracted: tuple[bytes, bytes], rid: str) -> None:
        self._inner, self._outer = extracted
        self._rid = rid.encode()
        self._known: dict[str, tuple[bytes, bytes]] = {}

    def commit(self, what: str, data: bytes) -> str:
        """Return the commitment to exactly these bytes, in hex as an envelope has it."""
        inner, outer = self._known.get(what) or self._open(what)
        return sha256(outer + sha256(inner + data).digest()).hexdigest()

    def _open(self, what: str) -> tuple[bytes, bytes]:
        info = b"commit" + self._rid + what.encode() + b"\x01"
        inner, outer = pads(sha256(self._outer + sha256(self._inner + info).digest()).digest())
        known = self._known[what] = inner + _PREFIXES[what], outer
        return known


def fits(commitment: bytes, opened: bytes, what: str, data: bytes) -> bool:
    """Tell whether a disclosed piece is what was committed to."""
    return hmac.compare_digest(commitment, commit(opened, what, data))


def meta_bytes(entry: Entry) -> bytes:
    """Return what ``c.meta`` commits to: the entry without its bodies' bytes and without its record key."""
    return encode(
        msgspec.structs.replace(entry, key=b"", body=msgspec.structs.replace(entry.body, stored=b""))
    )


def _record_bytes(envelope: RecordEnvelope) -> bytes:
    """Return the canonical bytes of a record's envelope: a third of the time that ``encode_envelope`` takes."""
    named = envelope.c
    texts = f"{envelope.k}{envelope.lane}{envelope.pol}{envelope.rid}{''.join(named.values())}"
    plain = _PLAIN(texts) and named.keys() <= _PREFIXES.keys()
    if not (plain and 0 <= envelope.n <= _MAX_INT and 0 <= envelope.t <= _MAX_INT):
        return encode_envelope(msgspec.to_builtins(envelope))
    pairs = ",".join([f'"{what}":"{named[what]}"' for what in _PREFIXES if what in named])
    return (
        f'{{"c":{{{pairs}}},"k":"{envelope.k}","lane":"{envelope.lane}","n":{envelope.n:d},'
        f'"pol":"{envelope.pol}","rid":"{envelope.rid}","t":{envelope.t:d},"v":{envelope.v:d}}}'
    ).encode("ascii")


def _extract(record_key: bytes) -> bytes:
    """Do the first half of HKDF-SHA256 (RFC 5869) without salt; it serves all openings of a record."""
    if len(record_key) != KEY_BYTES:
        raise IntegrityError(f"A record key has {len(record_key)} bytes, not {KEY_BYTES}.")
    return hmac_sha256(_NO_SALT, record_key)


def _expand(extracted: bytes, rid: bytes, what: str) -> bytes:
    """Do the second half, which is one block long."""
    return hmac_sha256(extracted, b"commit" + rid + what.encode() + b"\x01")


def _check(value: object, depth: int) -> None:
    """Raise IntegrityError at a value that the profile doesn't have."""
    match value:
        case bool() | str():
            return
        case int() if -_MAX_INT <= value <= _MAX_INT:
            return
        case list() if depth < _MAX_DEPTH:
            if {*map(type, value)} != {str}:  # hashes by the hundred are nothing else
                for item in value:
                    _check(item, depth + 1)
        case dict() if depth < _MAX_DEPTH and all(isinstance(key, str) and key.isascii() for key in value):
            for item in value.values():
                _check(item, depth + 1)
        case _:
            raise IntegrityError(f"An envelope can't hold a {type(value).__name__} like that.")
