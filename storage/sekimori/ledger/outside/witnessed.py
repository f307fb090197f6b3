"""When a checkpoint last had its witnesses: a line that the archivist signs, and gate workers believe.

An archivist that is dead or cut off writes nothing, so what looks closes by itself: the file says that all is
well, and never that something is wrong. Whoever writes in the data folder can only put an older line back,
which closes sooner; a line that the archivist didn't sign is none.

::

    sekimori-witnessed-v1 <seconds> <base64 of Ed25519("sekimori/v1/witnessed\\0" || seconds)>

Before a witness ever answered, the time runs from when one was first configured. That is remembered among the
keys, or removing the line would let it begin anew.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from sekimori.ledger.tlog.keys import PublicKey, Signer, strict_base64, strict_int
from sekimori.ledger.tlog.note import Verifier

NAME = "witnessed"
_AHEAD_SECONDS = 600.0  # more than a witness's clock may be ahead of ours
_MODE, _OWN_MODE = 0o640, 0o600
_WORD = "sekimori-witnessed-v1"
_NAMESPACE = b"sekimori/v1/witnessed\0"
_FIELDS, _MOST_BYTES = 3, 256


@dataclass(frozen=True, slots=True)
class Standing:
    """A published checkpoint, the names of those who cosigned it, and since when they suffice.

    ``witnessed`` is the time that the last one who was needed wrote, in seconds; 0 if one is missing.
    """

    checkpoint: Checkpoint
    cosigners: tuple[str, ...]
    witnessed: int


def standing(data: bytes, log: Verifier, witnesses: Collection[Verifier], quorum: int) -> Standing:
    """Read a published checkpoint; raises IntegrityError if it isn't the log's or a cosignature is false."""
    opened = open_checkpoint(data, log, witnesses)
    names = tuple(signed.verifier.name for signed in opened.witnesses)
    times = sorted((signed.time for signed in opened.witnesses), reverse=True)
    return Standing(opened.checkpoint, names, times[quorum - 1] if 0 < quorum <= len(times) else 0)


class Mark:
    """The archivist's side of the file; ``since`` lies where its keys do and says when the time began to run."""

    def __init__(self, path: Path, signer: Signer, since: Path) -> None:
        self._path = path
        self._signer = signer
        self._since = since
        self._key = PublicKey(signer.public)

    def begin(self, now: float) -> None:
        """Let the time run from now if it never did."""
        began = _begun(self._since, now)
        if witnessed_at(self._path, self._key) is None:
            self.touch(began)

    def touch(self, time: float) -> None:
        """Say when a checkpoint had its witnesses; by their clocks, so that an old one stays old."""
        said = str(int(time))
        signature = base64.b64encode(self._signer.sign(_NAMESPACE + said.encode())).decode()
        _replace(self._path, f"{_WORD} {said} {signature}\n".encode())

    def age(self, now: float) -> float:
        """Return for how long no checkpoint had its witnesses."""
        return age_of(self._path, self._key, now)


class WitnessedWatch:
    """A gate worker's side: tells whether traffic may pass; with a limit of 0 it always may.

    ``key`` is the archivist's, from the gate's own key folder.
    """

    def __init__(self, path: Path, limit: float, key: bytes) -> None:
        self._path = path
        self._limit = limit
        self._key = PublicKey(key)
        self.ok = not limit

    def look(self, now: float) -> bool:
        """Look at the file; tells whether the answer changed."""
        before = self.ok
        self.ok = not self._limit or -_AHEAD_SECONDS <= age_of(self._path, self._key, now) <= self._limit
        return self.ok != before


def age_of(path: Path, key: PublicKey, now: float) -> float:
    """Return how old the line is; infinite if there is none that the archivist signed."""
    witnessed = witnessed_at(path, key)
    return float("inf") if witnessed is None else now - witnessed


def witnessed_at(path: Path, key: PublicKey) -> int | None:
    """Return the time in the file, in seconds; None where the archivist signed nothing like it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fields = os.read(handle, _MOST_BYTES).decode("ascii").split(" ")
        if len(fields) != _FIELDS or fields[0] != _WORD:
            return None
        seconds, signature = strict_int(fields[1]), strict_base64(fields[2].removesuffix("\n"))
    except (OSError, UnicodeDecodeError, IntegrityError):
        return None
    finally:
        os.close(handle)
    return seconds if key.signed(signature, _NAMESPACE + fields[1].encode()) else None


def _begun(since: Path, now: float) -> float:
    """Return when the time began to run, and remember that it did."""
    try:
        return float(strict_int(since.read_text(encoding="ascii").strip()))
    except FileNotFoundError:
        _replace(since, f"{int(now)}\n".encode(), _OWN_MODE)
        return now


def _replace(path: Path, data: bytes, mode: int = _MODE) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.rename(path)
