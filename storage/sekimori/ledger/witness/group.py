"""Several witnesses asked at once, each from a thread of its own, so that no slow one holds the others.

Whoever publishes waits for ``patience`` at most, and for a witness that was late the last time not at all:
its answer is heard in the background, and once it is quick again it is waited for again. While a witness is
busy, only the newest checkpoint waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

from sekimori.errors import SekimoriError, StateError
from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.note import NoteSignature, Verifier
from sekimori.ledger.tlog.seams import Offer
from sekimori.ledger.witness.client import Heard, Result, WitnessClient

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0


class Witnesses:
    """All witnesses of one installation; ``cosign`` is what a tree's ``publish`` takes."""

    def __init__(
        self,
        clients: Iterable[WitnessClient],
        *,
        heard: Callable[[Heard], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._clients = tuple(clients)
        self._askers = [_Asker(client, heard, patience) for client in self._clients]
        self._patience = patience

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """Who checks the witnesses' signatures."""
        return tuple(client.verifier for client in self._clients)

    def cosign(self, offer: Offer) -> Sequence[NoteSignature]:
        """Return the cosignatures that are there in time."""
        until = time.monotonic() + self._patience
        asked = [(asker, asker.hand(offer)) for asker in self._askers]
        signatures = [asker.collect(offer, future, until) for asker, future in asked]
        return [signature for signature in signatures if signature is not None]

    def remembered(self, log: Verifier) -> tuple[Checkpoint, ...]:
        """Return what the witnesses remember of a log; those that can't be asked remember nothing.

        Raises IntegrityError if one gives out what isn't signed.
        """
        known = []
        for client in self._clients:
            try:
                checkpoint = client.remembered(log)
            except StateError as error:
                logger.warning("witness %s is not asked what it remembers: %s", client.name, error)
                continue
            if checkpoint is not None:
                known.append(checkpoint)
        return tuple(known)

    def close(self) -> None:
        """Ask nobody any more; what is under way ends with its own limits."""
        for asker in self._askers:
            asker.close()


class _Asker:
    """One witness's thread, with room for one checkpoint that waits."""

    def __init__(self, client: WitnessClient, heard: Callable[[Heard], None], patience: float) -> None:
        self._client = client
        self._heard = heard
        self._patience = patience
        self._prompt = True
        self._last: tuple[str, NoteSignature] | None = None
        self._waiting: tuple[Offer, Future[NoteSignature | None]] | None = None
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=f"witness-{client.name}", daemon=True).start()

    def hand(self, offer: Offer) -> Future[NoteSignature | None]:
        """Let a checkpoint wait for the witness, instead of an older one."""
        future: Future[NoteSignature | None] = Future()
        with self._changed:
            if self._waiting is not None:
                self._waiting[1].cancel()
            self._waiting = (offer, future)
            self._changed.notify()
        return future

    def collect(
        self, offer: Offer, future: Future[NoteSignature | None], until: float
    ) -> NoteSignature | None:
        """Return the cosignature if it is there in time, or one of the same text that came late."""
        seconds = max(0.0, until - time.monotonic()) if self._prompt else 0.0
        try:
            return future.result(seconds)
        except NotYet:
            self._prompt = False
        last = self._last
        return last[1] if last is not None and last[0] == offer.note.text else None

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (next_one := self._next()) is not None:
            offer, future = next_one
            if not future.set_running_or_notify_cancel():
                continue
            began = time.monotonic()
            heard = self._ask(offer)
            if heard.signature is not None:
                self._last = (offer.note.text, heard.signature)
            self._prompt = time.monotonic() - began < self._patience
            future.set_result(heard.signature)
            self._heard(heard)

    def _ask(self, offer: Offer) -> Heard:
        try:
            return self._client.ask(offer)
        except (SekimoriError, OSError, ValueError) as error:
            logger.exception("asking witness %s failed", self._client.name)
            return Heard(self._client.name, Result.REFUSED, str(error))

    def _next(self) -> tuple[Offer, Future[NoteSignature | None]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            waiting, self._waiting = self._waiting, None
            return None if self._closed else waiting
