"""What is written of one exchange: an ``Intent`` before it is forwarded, an ``Outcome`` when it ends.

A turn of a WebSocket session may add ``Part``s in between: further messages of the same prompt.

Both are appended to the spool by a gate worker, which can't read them back; the archivist opens
them and moves them to the database. A refusal is an ``Intent`` whose ``decision`` is not ``allow``
and has no ``Outcome``.

Every exchange has a record key of its own, drawn with its first entry and carried by all of them: under it
lie the commitments of the envelopes and, later, the stored content. It is shown by no ``repr``.

Encoded as MessagePack (``encode``/``decode``): bodies are bytes and must not be re-encoded.
Unknown fields are ignored when read, fields are never renamed or removed: that is the version rule.
"""

from __future__ import annotations

import msgspec

RECORD_KEY_BYTES = 32


class Redaction(msgspec.Struct, frozen=True, array_like=True):
    """A credential that was cut before storing: where it stood in the original bytes.

    ``place`` is ``body``, ``header:NAME``, ``query:NAME`` or ``subprotocol``; ``fingerprint`` is a
    keyed hash that tells two credentials apart and reveals neither.
    """

    place: str
    kind: str
    start: int
    length: int
    fingerprint: str


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes that crossed the barrier, and what of them is stored.

    ``sha256`` and ``size`` are of the exact bytes on the wire (content-encoded, transfer coding
    removed); ``stored`` is what may be kept (credentials cut; decoded if they stood inside an
    encoded body, then ``stored_encoding`` is empty), ``stored_sha256`` its hash. ``cut`` tells that the
    capture hit its limit and ``stored`` is a prefix.
    """

    sha256: str = ""
    size: int = 0
    stored: bytes = b""
    stored_sha256: str = ""
    stored_encoding: str = ""
    content_type: str = ""
    cut: bool = False
    redacted: tuple[Redaction, ...] = ()


class Attached(msgspec.Struct, frozen=True, array_like=True):
    """A file, picture or sound that travelled with a prompt, told by its content; its name is not kept here.

    ``read`` tells that the class detector saw its text. What is not inline has no size and no hash.
    """

    media_type: str
    size: int
    sha256: str
    read: bool


class Keyed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every entry has: its exchange's id, its time (UTC in microseconds), its exchange's record key.

    ``key`` is empty in what an earlier release wrote.
    """

    rid: str
    time_us: int
    key: bytes = b""

    def __repr__(self) -> str:
        """Show all but the key: whatever ends in a log or a traceback must open nothing."""
        return super(Keyed, msgspec.structs.replace(self, key=b"")).__repr__()


class Intent(Keyed, frozen=True, kw_only=True, omit_defaults=True, tag="intent"):
    """A request that is about to be forwarded, or that was refused.

    ``path`` has no query; ``target`` is the path with its
    query, credentials cut (a query is content and is stored encrypted). ``masked`` is the only
    text kept of a refused prompt. ``kind`` is the operation (``generate``, ``embed``, ...).
    ``mode`` is ``http``, ``websocket`` (the handshake, which opens a session), ``turn`` (one user
    turn of a session) or ``connect`` (refused before any request was read).
    """

    mode: str = "http"
    user: str = ""
    user_source: str = "none"
    client: str = ""
    service: str = ""
    provider: str = ""
    model: str = ""
    host: str = ""
    port: int = 443
    method: str = ""
    path: str = ""
    target: str = ""
    http_version: str = ""
    purpose: str = ""
    klass: int = 1
    class_source: str = ""
    detected: tuple[str, ...] = ()
    decision: str = "deny"
    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    rule: str = ""
    policy: str = ""
    grant: str = ""
    unsigned_policy: bool = False
    kind: str = ""
    dialect: str = ""
    parse: str = "unparsed"
    skipped: tuple[str, ...] = ()
    stream: bool = False
    session: str = ""
    conversation: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    redacted: tuple[Redaction, ...] = ()
    masked: str = ""
    body: Body = Body()
    attachments: tuple[Attached, ...] = ()


class Outcome(Keyed, frozen=True, kw_only=True, omit_defaults=True, tag="outcome"):
    """How an exchange that was forwarded ended.

    ``state`` is ``complete``, ``partial`` (interrupted, or the capture was cut), ``blocked`` (cut
    by the gate while it ran, ``reasons`` says why), ``failed`` (no answer from the service) or
    ``unknown-crash`` (written by the archivist for an intent whose worker died). ``policy`` is its intent's.
    """

    state: str
    policy: str = ""
    status: int = 0
    reasons: tuple[str, ...] = ()
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    redacted: tuple[Redaction, ...] = ()
    first_byte_us: int = 0
    body: Body = Body()
    prompt: Body = Body()


class Part(Keyed, frozen=True, kw_only=True, omit_defaults=True, tag="part"):
    """More of a prompt whose intent is already durable: a further client message of a WebSocket turn.

    ``number`` counts from 1; ``body`` holds this message alone. The hash over all messages of the turn
    (each prefixed by its length in 8 bytes) comes with the outcome, in ``prompt``, which stores no bytes.
    ``policy`` is its intent's.
    """

    number: int
    policy: str = ""
    body: Body = Body()


Entry = Intent | Outcome | Part


class BodyHead(msgspec.Struct, frozen=True, gc=False):
    """Of a body only what its stored bytes hash to."""

    stored_sha256: str = ""


class IntentHead(msgspec.Struct, frozen=True, kw_only=True, tag="intent", gc=False):
    """Of an entry as much as holds it against its envelope and its body: read in a third of the time."""

    rid: str
    time_us: int
    policy: str = ""
    body: BodyHead = BodyHead()


class OutcomeHead(IntentHead, frozen=True, tag="outcome", gc=False):
    """The same of an outcome."""


class PartHead(IntentHead, frozen=True, tag="part", gc=False):
    """The same of a part."""


Head = IntentHead | OutcomeHead | PartHead

_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)
_HEADS: msgspec.msgpack.Decoder[Head] = msgspec.msgpack.Decoder(Head)


def encode(entry: Entry) -> bytes:
    """Turn an entry into the bytes that are sealed into a frame."""
    return _ENCODER.encode(entry)


def decode(payload: bytes) -> Entry:
    """Read back what ``encode`` wrote; raises ``msgspec.DecodeError`` on anything else."""
    return _DECODER.decode(payload)


def decode_head(payload: bytes) -> Head:
    """Read only the head of what ``encode`` wrote; raises ``msgspec.DecodeError`` on anything else."""
    return _HEADS.decode(payload)
