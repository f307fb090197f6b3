"""Spool entries become sealed rows, and sealed rows become entries again. Pure: no database, no clock.

``Kept`` is what an entry's ``sealed`` column holds: the entry without its body, the hash of the sealed
body beside it, and what the archivist read in the answer. Each seal is bound to its place (table,
lane, number, record), so that a row copied or swapped elsewhere no longer opens.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import msgspec

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Body, Entry, Intent, Outcome, Part
from sekimori.store.tables import OPEN
from sekimori.store.tokens import Tokens

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
    """The sealed part of an ``entry`` row; ``content`` is empty for an entry without stored bytes."""

    entry: Entry
    content: str = ""
    answer: Answer | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder(Kept)


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
    cipher: Cipher, lane: str, n: int, entry: Entry, answer: Answer | None = None
) -> tuple[Row, Row | None]:
    """Return the rows of ``entry`` and, where a body was stored, of ``content``."""
    content = _seal_content(cipher, lane, n, entry)
    sha256 = content["sealed_sha256"] if content else ""
    kept = Kept(entry=without_stored(entry), content=sha256, answer=answer)
    sealed = cipher.seal(_ENCODER.encode(kept), place("entry", lane, n, entry.rid))
    row = {
        "lane": lane,
        "n": n,
        "rid": entry.rid,
        "kind": kind_of(entry),
        "time_us": entry.time_us,
        "sealed": sealed,
    }
    return row, content


def open_entry(cipher: Cipher, lane: str, n: int, rid: str, sealed: bytes) -> Kept:
    """Read an ``entry`` row back; raise IntegrityError when it is not what was written there."""
    return decoded(_DECODER, cipher.open(sealed, place("entry", lane, n, rid)))


def open_content(cipher: Cipher, lane: str, n: int, rid: str, sealed: bytes) -> bytes:
    """Read a ``content`` row back; raise IntegrityError when it is not what was written there."""
    return cipher.open(sealed, place("content", lane, n, rid))


def decoded[T](decoder: msgspec.msgpack.Decoder[T], plain: bytes) -> T:
    """Decode what a seal held; raise IntegrityError when it is not of the shape that is written here."""
    try:
        return decoder.decode(plain)
    except msgspec.DecodeError as fault:
        raise IntegrityError(f"A sealed row holds something unknown: {fault}.") from fault


def without_stored(entry: Entry) -> Entry:
    """Return the entry without its stored bytes, which lie in ``content``."""
    if not entry.body.stored:
        return entry
    return msgspec.structs.replace(entry, body=msgspec.structs.replace(entry.body, stored=b""))


def _seal_content(cipher: Cipher, lane: str, n: int, entry: Entry) -> Row | None:
    body: Body = entry.body
    if not body.stored:
        return None
    sealed = cipher.seal(body.stored, place("content", lane, n, entry.rid))
    return {
        "lane": lane,
        "n": n,
        "rid": entry.rid,
        "time_us": entry.time_us,
        "part": part_of(entry),
        "sealed_sha256": hashlib.sha256(sealed).hexdigest(),
        "sealed": sealed,
    }


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
