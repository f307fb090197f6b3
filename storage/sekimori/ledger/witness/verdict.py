"""Whether a witness may cosign: the checks of C2SP tlog-witness in the order in which it lists them. Pure.

A witness promises one thing: whatever it cosigned before is a beginning of what it cosigns now. So a tree
that shrank, or that is another one, gets no cosignature, whoever signed it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from sekimori.ledger.tlog.merkle import EMPTY_ROOT, check_consistency
from sekimori.ledger.tlog.note import Note, Verifier, check_note
from sekimori.ledger.witness.protocol import parse_add_checkpoint, text_of

Logs = Mapping[str, Collection[Verifier]]


class Status(IntEnum):
    """The answers that the protocol knows."""

    COSIGNED = 200
    MALFORMED = 400
    NOT_SIGNED = 403
    UNKNOWN_LOG = 404
    CONFLICT = 409
    NO_PROOF = 422


@dataclass(frozen=True, slots=True)
class Accepted:
    """A checkpoint that goes on from what is remembered; ``note`` holds its log's signatures only."""

    checkpoint: Checkpoint
    note: Note


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not; ``size`` is what the witness remembers, where the log needs to know it."""

    status: Status
    why: str
    origin: str = ""
    size: int | None = None

    @property
    def is_alarming(self) -> bool:
        """Whether a known log itself signed what it should not have."""
        return self.status == Status.NO_PROOF or (self.status == Status.CONFLICT and "root" in self.why)


def consider(data: bytes, logs: Logs, latest: Callable[[str], Checkpoint | None]) -> Accepted | Refusal:
    """Judge a request; ``latest`` is what was cosigned last of a log. Nothing is changed."""
    try:
        request = parse_add_checkpoint(data)
        origin, note = text_of(request.note)
        checkpoint = parse_checkpoint(note.text)
    except IntegrityError as error:
        return Refusal(Status.MALFORMED, error.message)
    if origin not in logs:
        return Refusal(Status.UNKNOWN_LOG, "This witness doesn't know the log.", origin)
    try:
        signed = check_note(note, logs[origin])
    except IntegrityError as error:
        return Refusal(Status.NOT_SIGNED, error.message, origin)
    if request.old > checkpoint.size:
        return Refusal(Status.MALFORMED, "The old size is larger than the checkpoint.", origin)
    known = latest(origin) or Checkpoint(origin, 0, EMPTY_ROOT)
    if request.old != known.size:
        return Refusal(Status.CONFLICT, "The old size is not what was cosigned last.", origin, known.size)
    if checkpoint.size == known.size and checkpoint.root != known.root:
        return Refusal(Status.CONFLICT, "The log has another root for the same size.", origin, known.size)
    try:
        check_consistency(known.size, known.root, checkpoint.size, checkpoint.root, request.proof)
    except IntegrityError as error:
        return Refusal(Status.NO_PROOF, error.message, origin)
    return Accepted(checkpoint, Note(note.text, tuple(one.signature for one in signed)))
