"""Checkpoints: what a log says of its whole tree at one size (c2sp.org/tlog-checkpoint). Pure.

A log's origin is Sigsum's name for its key, so that ``sigsum-verify`` takes its signatures. There are no
extension lines: nobody could audit them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import PublicKey, Signer, key_hash, strict_base64, strict_int
from sekimori.ledger.tlog.merkle import EMPTY_ROOT, HASH_BYTES
from sekimori.ledger.tlog.note import ED25519, Note, Signed, Verifier, check_note, parse_note, sign_note

_PREFIX = "sigsum.org/v1/tree/"
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log, its size and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose log signed it, and the known witnesses who cosigned."""

    checkpoint: Checkpoint
    note: Note
    log: Signed
    witnesses: tuple[Signed, ...]


def log_origin(public: bytes) -> str:
    """Return the origin of the log with that key."""
    return _PREFIX + key_hash(public).hex()


def log_verifier(public: bytes) -> Verifier:
    """Return who checks the signatures of the log with that key."""
    return Verifier(log_origin(public), ED25519, PublicKey(public))


def sign_checkpoint(size: int, root: bytes, signer: Signer) -> Note:
    """Return the log's signed checkpoint; the same size and root give the same bytes."""
    checkpoint = Checkpoint(log_origin(signer.public), size, root)
    return Note(checkpoint.text, (sign_note(checkpoint.text, checkpoint.origin, signer),))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text; raises IntegrityError unless it is written as one is."""
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[-1] or not lines[0]:
        raise IntegrityError("A checkpoint doesn't have exactly three lines.")
    checkpoint = Checkpoint(lines[0], strict_int(lines[1]), strict_base64(lines[2]))
    if len(checkpoint.root) != HASH_BYTES or (checkpoint.size == 0) != (checkpoint.root == EMPTY_ROOT):
        raise IntegrityError("A checkpoint has no root that a tree of its size could have.")
    return checkpoint


def open_checkpoint(data: bytes, log: Verifier, witnesses: Iterable[Verifier] = ()) -> Opened:
    """Read a signed checkpoint of that log; raises IntegrityError unless the log signed it.

    A cosignature of a witness that is known and fails refuses the whole; whether those that are there
    suffice is the caller's question.
    """
    note = parse_note(data)
    signed = check_note(note, (log, *witnesses))
    own = [one for one in signed if one.verifier is log]
    checkpoint = parse_checkpoint(note.text)
    if not own or checkpoint.origin != log.name:
        raise IntegrityError("A checkpoint is not signed by its log.")
    others = tuple(one for one in signed if one is not own[0])
    return Opened(checkpoint, note, own[0], others)
