"""The bytes between a log and a witness: C2SP tlog-witness, add-checkpoint and its answers. Pure.

::

    old <size of the checkpoint that the witness cosigned last>
    <hash of the consistency proof, base64>      none to 63 such lines
    <empty line>
    <the signed checkpoint>

What comes in was written by somebody else: nothing but IntegrityError goes out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import strict_base64, strict_int
from sekimori.ledger.tlog.merkle import HASH_BYTES
from sekimori.ledger.tlog.note import Note, NoteSignature, parse_note

ADD_CHECKPOINT = "add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
MAX_PROOF = 63
MAX_BYTES = 1 << 16
"""What either side accepts: 63 hashes and a hundred signatures fit."""

_OLD = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A signed checkpoint that asks for a cosignature, and the proof that it goes on from ``old``."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def pack(self) -> bytes:
        """Return the request's body."""
        lines = [f"{_OLD}{self.old}", *(base64.b64encode(one).decode() for one in self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read a request's body; whether the checkpoint is signed is not looked at."""
    head, empty_line, note = data.partition(b"\n\n")
    if len(data) > MAX_BYTES or not empty_line:
        raise IntegrityError(f"A request is longer than {MAX_BYTES} bytes or has no empty line.")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise IntegrityError("A request's first lines are no ASCII.") from error
    if not first.startswith(_OLD) or len(lines) > MAX_PROOF:
        raise IntegrityError(f"A request doesn't begin with an old size and up to {MAX_PROOF} hashes.")
    proof = tuple(map(strict_base64, lines))
    if any(len(one) != HASH_BYTES for one in proof):
        raise IntegrityError("A line of a consistency proof is no hash.")
    return AddCheckpoint(strict_int(first.removeprefix(_OLD)), proof, note)


def pack_signatures(signatures: Iterable[NoteSignature]) -> bytes:
    """Return what a witness answers to a checkpoint that it cosigned."""
    return "".join(signature.line for signature in signatures).encode()


def parse_signatures(data: bytes) -> tuple[NoteSignature, ...]:
    """Read a witness's answer; none of the signatures is checked."""
    if len(data) > MAX_BYTES:
        raise IntegrityError(f"An answer is longer than {MAX_BYTES} bytes.")
    note = parse_note(b"\n\n" + data)
    if note.text != "\n":
        raise IntegrityError("An answer has more than signatures.")
    return note.signatures


def pack_size(size: int) -> bytes:
    """Return the body of a 409."""
    return f"{size}\n".encode()


def parse_size(data: bytes) -> int:
    """Read the body of a 409."""
    if not data.endswith(b"\n"):
        raise IntegrityError("A size doesn't end in a newline.")
    try:
        return strict_int(data[:-1].decode("ascii"))
    except UnicodeDecodeError as error:
        raise IntegrityError("A size is no ASCII.") from error


def origin_hash(origin: str) -> str:
    """Return the name of a log in a witness's addresses."""
    return hashlib.sha256(origin.encode()).hexdigest()


def checkpoint_path(origin: str) -> str:
    """Return where a witness gives out the checkpoint that it cosigned last."""
    return f"{origin_hash(origin)}/checkpoint"


def text_of(note: bytes) -> tuple[str, Note]:
    """Return the origin that a note claims, and the note."""
    parsed = parse_note(note)
    return parsed.text.partition("\n")[0], parsed
