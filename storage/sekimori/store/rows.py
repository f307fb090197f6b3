"""Spool entries become sealed rows, and sealed rows become entries again. Pure: no database, no clock.

``Kept`` is what an entry's ``sealed`` column holds: the entry without its body and without its record key,
the hash of the sealed body beside it, and what the archivist read in the answer. Each seal is bound to its
place (table, lane, number, record), so that a row copied or swapped elsewhere no longer opens.

Sealed is the MessagePack array ``[2, meta, content, manifest, tagged, answer]``: ``meta`` are the very bytes
that the envelope's ``c.meta`` commits to, so that nobody has to encode the entry again to check it. What is a
map instead is version 1, which encoded the entry among the other fields.

The body lies in ``content`` as it is (``request``, ``response``) or, for a request that the deduper took
apart, as the manifest that rebuilds it (``manifest``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import meta_bytes
from sekimori.ledger.record import Entry, Intent, Outcome, Part, decode
from sekimori.store.tables import OPEN
from sekimori.store.tokens import Tokens
from sekimori.vault.records import RecordCipher

MANIFEST = "manifest"
"""The part of a content row that holds no body, but how to rebuild it."""

READING = "reading"
"""The mode of a record that says who read another record's content."""

Row = dict[str, Any]

_MOST = 1 << 63


class Cipher(Protocol):
    """Seals and opens stored bytes; ``aad`` is the place they are bound to."""

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return the sealed form of ``plaintext``."""
        ...

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed; raise IntegrityError when bytes or place are not the same."""
        ...


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the wire reader of the day saw in an answer; kept, because later readers may see more."""

    model: str = ""
    parse: str = "unparsed"
    finish_reason: str = ""
    usage: dict[str, int] = {}
    skipped: tuple[str, ...] = ()
    error: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part of an ``entry`` row; ``content`` is empty for an entry without stored bytes.

    ``manifest`` says that ``content`` has to be rebuilt, ``tagged`` that the answer can be found by its text.
    """

    entry: Entry
    content: str = ""
    answer: Answer | None = None
    manifest: bool = False
    tagged: bool = False
    meta: bytes = b""


class Sealed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The same as it is written, the entry not decoded yet; ``content`` is the hash itself."""

    version: int
    meta: bytes
    content: bytes = b""
    manifest: bool = False
    tagged: bool = False
    answer: Answer | None = None


_VERSION = 2
_ARRAY = b"\x90"
"""The lowest first byte of a MessagePack array; that of a map with fewer than 16 fields is lower."""
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Sealed] = msgspec.msgpack.Decoder(Sealed)
_OLD_DECODER: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder(Kept)


def place(table: str, lane: str, n: int, rid: str) -> bytes:
    """Name the one place where a seal opens."""
    # Zero bytes between: no two places may read the same.
    return f"{table}\0{lane}\0{n}\0{rid}".encode()


def part_of(entry: Entry) -> str:
    """Say which body an entry carries."""
    return "response" if isinstance(entry, Outcome) else "request"


def kind_of(entry: Entry) -> str:
    """Say which of the three an entry is."""
    return {Intent: "intent", Part: "part", Outcome: "outcome"}[type(entry)]


def seal_entry(
    cipher: Cipher,
    lane: str,
    n: int,
    entry: Entry,
    answer: Answer | None = None,
    content: Row | None = None,
    *,
    tagged: bool = False,
) -> Row:
    """Return the row of ``entry``; its envelope, leaf and place are for the caller to add."""
    kept = Sealed(
        _VERSION,
        meta_bytes(entry),
        bytes.fromhex(content["sealed_sha256"]) if content else b"",
        content is not None and content["part"] == MANIFEST,
        tagged,
        answer,
    )
    sealed = cipher.seal(_ENCODER.encode(kept), place("entry", lane, n, entry.rid))
    return {
        "lane": lane,
        "n": n,
        "rid": entry.rid,
        "kind": kind_of(entry),
        "time_us": entry.time_us,
        "sealed": sealed,
    }


def seal_content(cipher: RecordCipher, lane: str, n: int, entry: Entry, manifest: bytes = b"") -> Row | None:
    """Return the row of ``content``: the manifest where one is given, the body itself where it has bytes."""
    if not manifest and not entry.body.stored:
        return None
    # What a manifest holds of a body is compressed already.
    at, plain = place("content", lane, n, entry.rid), manifest or entry.body.stored
    sealed = cipher.seal(plain, at, compress=not manifest)
    return {
        "lane": lane,
        "n": n,
        "rid": entry.rid,
        "time_us": entry.time_us,
        "part": MANIFEST if manifest else part_of(entry),
        "sealed_sha256": hashlib.sha256(sealed).hexdigest(),
        "sealed": sealed,
    }


def encode_kept(kept: Kept) -> bytes:
    """Return what is sealed in an ``entry`` row."""
    meta, content = kept.meta or meta_bytes(kept.entry), bytes.fromhex(kept.content)
    return _ENCODER.encode(Sealed(_VERSION, meta, content, kept.manifest, kept.tagged, kept.answer))


def stored_hash(entry_sealed: bytes, content_sealed: bytes = b"") -> bytes:
    """Return what a ``stored`` statement says of one entry: the hash of what lies in the database."""
    return stored_of(hashlib.sha256(entry_sealed).digest(), hashlib.sha256(content_sealed).digest())


def stored_of(entry_hash: bytes, content_hash: bytes) -> bytes:
    """Return the same for whoever has hashed both already."""
    return hashlib.sha256(entry_hash + content_hash).digest()


def open_entry(cipher: Cipher, lane: str, n: int, rid: str, sealed: bytes) -> Kept:
    """Read an ``entry`` row back; raise IntegrityError when it is not what was written there."""
    kept = open_sealed(cipher, place("entry", lane, n, rid), sealed)
    return Kept(
        entry=read_meta(kept.meta, decode),
        content=kept.content.hex(),
        answer=kept.answer,
        manifest=kept.manifest,
        tagged=kept.tagged,
        meta=kept.meta,
    )


def open_sealed(cipher: Cipher, where: bytes, sealed: bytes) -> Sealed:
    """Return what lies sealed at the place of an entry; raise IntegrityError when that can't be read."""
    return read_sealed(cipher.open(sealed, where))


def read_sealed(plain: bytes) -> Sealed:
    """Read what an ``entry`` row holds, once it is opened; raise IntegrityError when nobody here wrote it."""
    try:
        if plain[:1] < _ARRAY:
            old = _OLD_DECODER.decode(plain)
            content = bytes.fromhex(old.content)
            return Sealed(_VERSION, meta_bytes(old.entry), content, old.manifest, old.tagged, old.answer)
        kept = _DECODER.decode(plain)
    except (msgspec.DecodeError, ValueError) as fault:
        raise IntegrityError(f"A sealed row holds something unknown: {fault}.") from fault
    if kept.version != _VERSION:
        raise IntegrityError(
            f"A sealed row is of version {kept.version}, not {_VERSION}.",
            hint="Read it with the release that wrote it.",
        )
    return kept


def read_meta[T](meta: bytes, read: Callable[[bytes], T]) -> T:
    """Read the bytes that an envelope commits to; raise IntegrityError when they are no entry."""
    try:
        return read(meta)
    except msgspec.DecodeError as fault:
        raise IntegrityError(f"A sealed row holds something unknown: {fault}.") from fault


def open_content(cipher: Cipher, lane: str, n: int, rid: str, sealed: bytes) -> bytes:
    """Read a ``content`` row back; raise IntegrityError when it is not what was written there."""
    return cipher.open(sealed, place("content", lane, n, rid))


def decoded[T](decoder: msgspec.msgpack.Decoder[T], plain: bytes) -> T:
    """Decode what a seal held; raise IntegrityError when it is not of the shape that is written here."""
    try:
        return decoder.decode(plain)
    except msgspec.DecodeError as fault:
        raise IntegrityError(f"A sealed row holds something unknown: {fault}.") from fault


def without_stored[E: Entry](entry: E) -> E:
    """Return the entry without its stored bytes, which lie in ``content``, and without its record key."""
    body = msgspec.structs.replace(entry.body, stored=b"") if entry.body.stored else entry.body
    return msgspec.structs.replace(entry, body=body, key=b"")


def index_intent(lane: str, n: int, intent: Intent) -> Row:
    """Return the columns of ``record`` that an intent alone decides."""
    return {
        "rid": intent.rid,
        "lane": lane,
        "n": n,
        "time_us": intent.time_us,
        "mode": intent.mode,
        "operation": intent.kind,
        "klass": intent.klass,
        "decision": intent.decision,
        "reasons": " ".join(intent.reasons),
        "policy": intent.policy,
        "parse": intent.parse,
        "prompt_bytes": intent.body.size,
    }


def search_rows(tokens: Tokens, intent: Intent) -> list[Row]:
    """Return the ``search`` rows that an intent's record can be found by."""
    return [
        {"rid": intent.rid, "field": field, "time_us": intent.time_us, "token": token}
        for field, token in tokens.of(intent).items()
    ]


def index_outcome(lane: str, n: int, outcome: Outcome, answer: Answer) -> Row:
    """Return the columns of ``record`` that an outcome alone decides."""
    return {
        "state": outcome.state,
        "outcome_lane": lane,
        "outcome_n": n,
        "ended_us": outcome.time_us,
        "status": outcome.status,
        "answer_parse": answer.parse,
        "input_tokens": _counted(answer, "input_tokens"),
        "output_tokens": _counted(answer, "output_tokens"),
        "output_bytes": outcome.body.size,
    }


def _counted(answer: Answer, what: str) -> int | None:
    # A service may answer any number; no database takes more than 63 bits.
    count = answer.usage.get(what)
    return count if count is not None and abs(count) < _MOST else None


def index_unanswered(intent: Intent) -> Row:
    """Return the same columns for an intent that has no outcome, or none yet."""
    empty = index_outcome("", 0, Outcome(rid="", time_us=0, state=""), Answer())
    return dict.fromkeys(empty) | {"state": first_state(intent)}


def first_state(intent: Intent) -> str:
    """Say in which state an intent alone leaves its record: refused, done at once, or open."""
    if intent.decision != "allow":
        return "blocked"
    return "complete" if intent.mode == READING else OPEN


def reading_row(intent: Intent) -> Row:
    """Return the ``reading`` row that belongs to the record of a reading."""
    return {
        "rid": intent.rid,
        "subject_rid": intent.path.removeprefix("/log/"),
        "time_us": intent.time_us,
    }
