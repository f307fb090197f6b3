"""The envelope: the small canonical text that a leaf signs, and the commitments in it. Pure.

An envelope names nobody and holds no content: who, what and which model lie encrypted elsewhere, and here
stand only salted commitments to their exact bytes. It is written once and never again: a verifier hashes
the stored bytes. Its form is a subset of RFC 8785 (JCS): ASCII keys, strings, integers below 2^53,
booleans, arrays and objects; no floats and no null, so that sorted keys without blanks are all it takes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Body, Entry

VERSION = 1
MAX_BYTES = 0xFFFF
KEY_BYTES = 32

META, REQUEST, RESPONSE = "meta", "req", "resp"
"""What can be committed to: the entry itself, the stored request bytes, the stored response bytes."""

type Value = str | int | bool | list[Value] | dict[str, Value]

_MAX_INT = (1 << 53) - 1
_MAX_DEPTH = 8
_IN_ONE_PIECE = 16 * 1024
_ENCODER = msgspec.json.Encoder(order="sorted")
_META_ENCODER = msgspec.msgpack.Encoder()


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
    return encode_envelope(
        {
            "c": {name: value.hex() for name, value in commitments.items()},
            "k": kind,
            "lane": lane,
            "n": n,
            "pol": policy,
            "rid": rid,
            "t": time_us,
            "v": VERSION,
        }
    )


def opening(record_key: bytes, rid: str, what: str) -> bytes:
    """Return r_x, the 32 bytes that open one commitment: who has them can check that one and no other."""
    # HKDF-SHA256 (RFC 5869) without salt, one block long.
    extracted = hmac.digest(bytes(32), record_key, "sha256")
    return hmac.digest(extracted, b"commit" + rid.encode() + what.encode() + b"\x01", "sha256")


def commit(opened: bytes, what: str, data: bytes) -> bytes:
    """Return the commitment to exactly these bytes under its opening."""
    prefix = b"sekimori/v1/" + what.encode() + b"\x00"
    if len(data) <= _IN_ONE_PIECE:
        return hmac.digest(opened, prefix + data, "sha256")
    mac = hmac.new(opened, prefix, hashlib.sha256)  # a long body is not copied
    mac.update(data)
    return mac.digest()


def commitments(record_key: bytes, rid: str, content: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the commitment to each piece of content."""
    if len(record_key) != KEY_BYTES:
        raise IntegrityError(f"A record key has {len(record_key)} bytes, not {KEY_BYTES}.")
    return {what: commit(opening(record_key, rid, what), what, data) for what, data in content.items()}


def fits(commitment: bytes, opened: bytes, what: str, data: bytes) -> bool:
    """Tell whether a disclosed piece is what was committed to."""
    return hmac.compare_digest(commitment, commit(opened, what, data))


def meta_bytes(entry: Entry) -> bytes:
    """Return what ``c.meta`` commits to: the entry without its bodies' bytes and without its record key."""
    cleared: dict[str, object] = {
        name: msgspec.structs.replace(body, stored=b"")
        for name in ("body", "prompt")
        if isinstance(body := getattr(entry, name, None), Body)
    }
    if "key" in entry.__struct_fields__:
        cleared["key"] = b""
    return _META_ENCODER.encode(msgspec.structs.replace(entry, **cleared))


def _check(value: object, depth: int) -> None:
    """Raise IntegrityError at a value that the profile doesn't have."""
    match value:
        case bool() | str():
            return
        case int() if -_MAX_INT <= value <= _MAX_INT:
            return
        case list() if depth < _MAX_DEPTH:
            for item in value:
                _check(item, depth + 1)
        case dict() if depth < _MAX_DEPTH and all(isinstance(key, str) and key.isascii() for key in value):
            for item in value.values():
                _check(item, depth + 1)
        case _:
            raise IntegrityError(f"An envelope can't hold a {type(value).__name__} like that.")
