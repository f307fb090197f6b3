"""A witness at work: judges what it is asked, remembers it, and only then lets its cosignature go.

Knows requests and answers, no network; ``app`` puts it behind HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.keys import PublicKey, Signer
from sekimori.ledger.tlog.note import COSIGNATURE, Verifier, cosign_note, with_signatures
from sekimori.ledger.witness.memory import Remembered, WitnessMemory
from sekimori.ledger.witness.protocol import SIZE_TYPE, TEXT_TYPE, origin_hash, pack_signatures, pack_size
from sekimori.ledger.witness.verdict import Accepted, Refusal, Status, consider

logger = logging.getLogger(__name__)

_UNABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    kind: str = TEXT_TYPE


class Witness:
    """One key, one memory; may be asked from several threads and by several processes at once."""

    def __init__(self, name: str, signer: Signer, memory: WitnessMemory, clock: Callable[[], int]) -> None:
        self.verifier = Verifier(name, COSIGNATURE, PublicKey(signer.public))
        self._signer = signer
        self._memory = memory
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request for a cosignature."""
        while True:
            seen: list[Remembered | None] = [None]

            def latest(origin: str, seen: list[Remembered | None] = seen) -> Checkpoint | None:
                seen[0] = self._memory.latest(origin)
                return seen[0].checkpoint if seen[0] else None

            verdict = consider(body, self._memory.logs(), latest)
            if isinstance(verdict, Refusal):
                return self._refuse(verdict)
            answer = self._cosign(verdict, seen[0])
            # Another request was quicker: what is true now is for the protocol's own checks to say.
            if answer is not None:
                return answer

    def checkpoint(self, hashed_origin: str) -> Answer:
        """Answer what was cosigned last of a log."""
        for origin in self._memory.logs():
            if origin_hash(origin) == hashed_origin:
                remembered = self._memory.latest(origin)
                if remembered is not None:
                    return Answer(Status.COSIGNED, remembered.note)
        return Answer(Status.UNKNOWN_LOG, b"This witness never cosigned that log.\n")

    def _cosign(self, accepted: Accepted, known: Remembered | None) -> Answer | None:
        """Remember, then give the cosignature out; None if somebody else went on meanwhile."""
        now = self._clock()
        if known is not None and now < known.time:
            logger.error(
                "the clock stands before the last cosignature; nothing is cosigned until it is right"
            )
            return Answer(_UNABLE, b"The witness's clock stepped back.\n")
        note = accepted.note
        signature = cosign_note(note.text, self.verifier.name, self._signer, time=now)
        whole = with_signatures(note, [signature]).pack()
        if not self._memory.swap(known, Remembered(accepted.checkpoint, now, whole)):
            return None
        return Answer(Status.COSIGNED, pack_signatures([signature]))

    def _refuse(self, refusal: Refusal) -> Answer:
        say = logger.error if refusal.is_alarming else logger.info
        say("refused with %d: %s (log %r)", refusal.status, refusal.why, refusal.origin[:200])
        if refusal.size is not None:
            return Answer(refusal.status, pack_size(refusal.size), SIZE_TYPE)
        return Answer(refusal.status, f"{refusal.why}\n".encode())
