"""The archivist's outside memory, put together from ``[ledger]``: witnesses, time-stamps, a WORM folder.

``Outside.cosign`` and ``Outside.remembered`` are what a tree keeper takes for the super-log; everything else
follows the published checkpoint from a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sekimori import metrics
from sekimori.cli.config_ledger import Ledger, TimeStamps
from sekimori.cli.places import Places
from sekimori.cli.register_line import NewestSuper
from sekimori.ledger.outside.follower import Follower, Stamping
from sekimori.ledger.outside.http import Remote, trusting
from sekimori.ledger.outside.timestamps import Authority, read_roots
from sekimori.ledger.outside.witnessed import NAME, Mark
from sekimori.ledger.outside.worm import WormFolder
from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.keys import Signer
from sekimori.ledger.tlog.note import NoteSignature, Verifier, parse_vkey
from sekimori.ledger.tlog.seams import Offer
from sekimori.ledger.witness.client import Heard, Result, WitnessClient
from sekimori.ledger.witness.group import Witnesses

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 600.0
_STAMP_SECONDS = 15.0


class Outside:
    """All outside memories of one installation."""

    def __init__(self, ledger: Ledger, places: Places, signer: Signer | None = None) -> None:
        """Ask nobody yet; ``signer`` is the archivist's, who alone says when a checkpoint had its witnesses."""
        self._told = _Told()
        self._witnesses = Witnesses(
            [
                WitnessClient(
                    one.name, Remote(one.url, trusting(one.ca_file)), parse_vkey(one.vkey), _seconds
                )
                for one in ledger.witnesses
            ],
            heard=self._told.heard,
        )
        folder, newest = places.ledger, NewestSuper(places)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._follower = Follower(
            lambda: folder / newest.name,
            self._told,
            time.time,
            witnesses=self._witnesses.verifiers,
            quorum=ledger.needed,
            mark=_mark(places, signer) if signer is not None and ledger.witnesses else None,
            stampings=[_stamping(one, folder / "timestamps") for one in ledger.timestamps],
            worm=WormFolder(Path(ledger.worm)) if ledger.worm else None,
            key=newest.verifier,
        )
        if ledger.witnesses:
            metrics.UNWITNESSED_LIMIT.set(ledger.unwitnessed_limit)

    def cosign(self, offer: Offer) -> Sequence[NoteSignature]:
        """Ask the witnesses; never longer than a moment."""
        return self._witnesses.cosign(offer)

    def remembered(self, log: Verifier) -> tuple[Checkpoint, ...]:
        """Return what the witnesses remember of a log."""
        return self._witnesses.remembered(log)

    def start(self) -> None:
        """Follow the published checkpoint from now on."""
        self._thread = threading.Thread(
            target=self._follower.run, args=[self._stop], name="outside", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop following, after a last look at what was published."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STAMP_SECONDS)
        self._witnesses.close()


class _Told:
    """Turns what happens outside into figures and lines of the log, each sentence once in a while."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, float]] = {}

    def heard(self, heard: Heard) -> None:
        """Count an answer of a witness."""
        metrics.WITNESS_ANSWERS.labels(heard.result.value).inc()
        if heard.result == Result.CONFLICT:
            logger.error("witness %s contradicts the record: %s", heard.witness, heard.why)
        elif heard.result != Result.COSIGNED:
            self._say(heard.witness, f"witness {heard.witness} gave no cosignature: {heard.why}")
        else:
            self._said.pop(heard.witness, None)

    def unwitnessed(self, seconds: float) -> None:
        """Show for how long the record had no witness."""
        metrics.UNWITNESSED.set(seconds)

    def failed(self, kind: str, sentence: str) -> None:
        """Count a failure."""
        metrics.OUTSIDE_FAULTS.labels(kind).inc()
        self._say(kind, f"{kind}: {sentence}")

    def _say(self, about: str, sentence: str) -> None:
        said, when = self._said.get(about, ("", 0.0))
        now = time.monotonic()
        if sentence != said or now - when > _AGAIN_SECONDS:
            self._said[about] = (sentence, now)
            logger.warning("%s", sentence)


def _mark(places: Places, signer: Signer) -> Mark:
    return Mark(places.ledger / NAME, signer, places.lock_store.with_name(f"{NAME}.since"))


def _stamping(one: TimeStamps, folder: Path) -> Stamping:
    authority = Authority(one.name, Remote(one.url, seconds=_STAMP_SECONDS), read_roots(Path(one.ca_file)))
    return Stamping(authority, one.every, folder / one.name)


def _seconds() -> int:
    return int(time.time())
