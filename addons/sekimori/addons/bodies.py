"""What of a body may be stored: credentials cut, and decoded first where they may hide in an encoding."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator

from sekimori.errors import WireError
from sekimori.ledger.record import Attached, Body, Redaction
from sekimori.wire.encoding import decode
from sekimori.wire.model import Attachment
from sekimori.wire.redact import Span, redact_body

_DECODED_LIMIT = 64 * 1024 * 1024
_PREFIX = 8
_ATTACHMENTS = 256  # kept of one prompt; a longer list is an attempt to fill the spool
WEBSOCKET = "application/x-sekimori-websocket"
"""Media type of stored WebSocket messages: each prefixed by its length in 8 bytes, big-endian."""


def stored_body(
    wire: bytes,
    digest: str,
    *,
    content_type: str,
    encoding: str,
    fingerprint: Callable[[bytes], str],
    size: int | None = None,
    cut: bool = False,
) -> Body:
    """Describe ``wire`` (kept bytes of a body whose whole hash is ``digest``) as it may be stored.

    An encoded body is decoded to look for credentials; if there are none, the bytes are kept as they
    came, otherwise the decoded text without them. What can't be decoded is kept as it came: nobody
    else could read it either without decoding it.
    """
    plain, kept_encoding = wire, ""
    if encoding and encoding.strip().lower() != "identity":
        try:
            plain, kept_encoding = decode(wire, encoding, limit=_DECODED_LIMIT).body, encoding
        except WireError:
            return _body(wire, digest, content_type, encoding, (), size or len(wire), cut=cut)
    redacted = redact_body(plain, content_type, fingerprint)
    if not redacted.spans and kept_encoding:
        return _body(wire, digest, content_type, kept_encoding, (), size or len(wire), cut=cut)
    spans = tuple(redactions(*redacted.spans))
    return _body(redacted.body, digest, content_type, "", spans, size or len(wire), cut=cut)


def stored_messages(
    framed: bytes,
    digest: str,
    *,
    fingerprint: Callable[[bytes], str],
    size: int | None = None,
    cut: bool = False,
) -> Body:
    """Describe WebSocket messages, each prefixed by its length in 8 bytes, as they may be stored.

    Credentials are cut from each message, whose prefix then tells its new length; spans count within
    ``framed`` as it was.
    """
    kept: list[bytes] = []
    spans: list[Redaction] = []
    for start, payload in messages(framed):
        redacted = redact_body(payload, "application/json", fingerprint)
        kept.append(frame(redacted.body))
        spans += (
            Redaction(span.place, span.kind, start + span.start, span.length, span.fingerprint)
            for span in redacted.spans
        )
    return _body(b"".join(kept), digest, WEBSOCKET, "", tuple(spans), size or len(framed), cut=cut)


def storable(text: str) -> str:
    """Return text from the wire as it can be encoded: bytes that are not UTF-8 are written out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def frame(payload: bytes) -> bytes:
    """Prefix a WebSocket message by its length in 8 bytes, big-endian."""
    return len(payload).to_bytes(_PREFIX, "big") + payload


def messages(framed: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each message with its offset; what a cut capture holds of the last one comes as it is."""
    offset = 0
    while offset + _PREFIX <= len(framed):
        size = int.from_bytes(framed[offset : offset + _PREFIX], "big")
        offset += _PREFIX
        yield offset, framed[offset : offset + size]
        offset += size


def attached(attachments: Iterable[Attachment]) -> tuple[Attached, ...]:
    """Turn the attachments of a prompt into what the record keeps of them."""
    return tuple(
        Attached(each.media_type[:100], each.size, each.sha256, each.read)
        for each in itertools.islice(attachments, _ATTACHMENTS)
    )


def redactions(*spans: Span) -> Iterator[Redaction]:
    """Turn the spans that ``wire.redact`` cut into what the record keeps of them."""
    for span in spans:
        yield Redaction(span.place, span.kind, span.start, span.length, span.fingerprint)


def _body(
    stored: bytes,
    digest: str,
    content_type: str,
    encoding: str,
    spans: tuple[Redaction, ...],
    size: int,
    *,
    cut: bool,
) -> Body:
    same = not spans and not cut and size == len(stored)
    return Body(
        sha256=digest,
        size=size,
        stored=stored,
        stored_sha256=digest if same else hashlib.sha256(stored).hexdigest(),
        stored_encoding=encoding,
        content_type=storable(content_type)[:200],
        cut=cut,
        redacted=spans,
    )
