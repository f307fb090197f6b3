"""The desk of duties where the keys of the archive are elsewhere: each question goes to the governing process."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from sekimori import metrics
from sekimori.console.line import Line, Silent
from sekimori.console.ports import Opened

PATH = "/duties"
# The pages share their threads with all others: so many of them may wait for a process that hangs.
_AT_ONCE, _PATIENCE_S = 8, 1.0


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask what a link is about."""

    ticket: str


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say that the holder of a link has read that version."""

    ticket: str
    number: int
    sha256: str


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say what the holder of a link answers."""

    ticket: str
    answer: str
    text: str


class RemoteDuties:
    """Asks another process what somebody owes, and tells it what they say; raises ``Silent`` where it is gone."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def open(self, ticket: str) -> Opened | None:
        """Say what a link is about."""
        return self._ask("open", Ticket(ticket), Opened | None)  # type: ignore[no-any-return]

    def read(self, ticket: str, number: int, sha256: str) -> bool:
        """Keep that the holder has read this version."""
        return bool(self._ask("read", Reading(ticket, number, sha256), bool))

    def answer(self, ticket: str, answer: str, text: str) -> bool:
        """Keep the holder's answer."""
        return bool(self._ask("answer", Answered(ticket, answer, text), bool))

    def _ask(self, verb: str, said: msgspec.Struct, kind: Any) -> Any:
        if not self._places.acquire(timeout=_PATIENCE_S):
            metrics.GOVERNING_CALLS.labels("busy").inc()
            raise Silent("busy")
        try:
            told = self._line.ask("POST", f"{PATH}/{verb}", (), msgspec.json.encode(said))
        finally:
            self._places.release()
        if told.status != 200:
            raise Silent("broken")
        return msgspec.json.decode(told.body, type=kind)
