"""The log's side: asks one witness, and believes nothing of its answer that wasn't checked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sekimori.errors import IntegrityError, SekimoriError, StateError
from sekimori.ledger.outside.http import Remote, Reply
from sekimori.ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from sekimori.ledger.tlog.note import Note, NoteSignature, Verifier, check_note
from sekimori.ledger.tlog.seams import Offer
from sekimori.ledger.witness.protocol import (
    ADD_CHECKPOINT,
    SIZE_TYPE,
    TEXT_TYPE,
    AddCheckpoint,
    checkpoint_path,
    parse_signatures,
    parse_size,
)
from sekimori.ledger.witness.verdict import Status

SKEW_SECONDS = 300
"""How far a witness's clock may be from ours."""
_ATTEMPTS = 3
_SERVER_FAULT = 500


class Result(StrEnum):
    """How a witness answered; the words of the metric."""

    COSIGNED = "cosigned"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one witness said to one checkpoint; ``signature`` was checked."""

    witness: str
    result: Result
    why: str = ""
    signature: NoteSignature | None = None


class WitnessClient:
    """Speaks to one witness under the key that the configuration names; one request at a time."""

    def __init__(self, name: str, remote: Remote, verifier: Verifier, clock: Callable[[], int]) -> None:
        self.name = name
        self.verifier = verifier
        self._remote = remote
        self._clock = clock
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def ask(self, offer: Offer) -> Heard:
        """Ask for a cosignature; every way in which that can fail is a result."""
        with self._lock:
            try:
                return self._ask(offer)
            except StateError as error:
                return Heard(self.name, Result.UNREACHABLE, error.message)
            except SekimoriError as error:
                return Heard(self.name, Result.REFUSED, error.message)

    def remembered(self, log: Verifier) -> Checkpoint | None:
        """Return what the witness cosigned last of a log, signed by both; None if it never did.

        Raises StateError if it can't be asked and IntegrityError if its answer isn't signed.
        """
        reply = self._remote.ask("GET", checkpoint_path(log.name))
        if reply.status == Status.UNKNOWN_LOG:
            return None
        if reply.status != Status.COSIGNED:
            raise StateError(f"The witness {self.name} answers {reply.status}.")
        opened = open_checkpoint(reply.body, log, [self.verifier])
        if not opened.witnesses:
            raise IntegrityError(f"The witness {self.name} gives out what it didn't cosign.")
        return opened.checkpoint

    def _ask(self, offer: Offer) -> Heard:
        origin, size = offer.checkpoint.origin, offer.checkpoint.size
        old = min(self._sizes.get(origin, 0), size)
        for _ in range(_ATTEMPTS):
            request = AddCheckpoint(old, offer.prove(old), offer.note.pack())
            reply = self._remote.ask("POST", ADD_CHECKPOINT, request.pack(), TEXT_TYPE)
            if reply.status == Status.COSIGNED:
                signature = self._checked(offer.note.text, reply)
                self._sizes[origin] = size
                return Heard(self.name, Result.COSIGNED, signature=signature)
            if reply.status != Status.CONFLICT or not reply.kind.startswith(SIZE_TYPE):
                return self._refused(reply)
            known = parse_size(reply.body)
            if known > size or known == old:
                return self._contradicted(known, size)
            old = known
        return Heard(self.name, Result.REFUSED, "It names another size at every attempt.")

    def _checked(self, text: str, reply: Reply) -> NoteSignature:
        """Return the cosignature; raises IntegrityError unless it is this witness's and of this hour."""
        (signed,) = check_note(Note(text, parse_signatures(reply.body)), [self.verifier])
        if abs(signed.time - self._clock()) > SKEW_SECONDS:
            raise IntegrityError(
                f"The witness {self.name} signs with a time of {signed.time}, which is not now."
            )
        return signed.signature

    def _contradicted(self, known: int, size: int) -> Heard:
        what = f"{known} leaves" if known > size else f"another root for {known} leaves"
        return Heard(self.name, Result.CONFLICT, f"It remembers {what} of a log that shows {size}.")

    def _refused(self, reply: Reply) -> Heard:
        why = f"It answers {reply.status}: {reply.body[:200].decode(errors='replace').strip()!r}"
        if reply.status in (Status.CONFLICT, Status.NO_PROOF):
            return Heard(self.name, Result.CONFLICT, why)
        unable = reply.status >= _SERVER_FAULT
        return Heard(self.name, Result.UNREACHABLE if unable else Result.REFUSED, why)
