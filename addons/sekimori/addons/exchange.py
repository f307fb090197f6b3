"""What the gate holds of one exchange while it runs, and the register of all that run.

Times are UTC microseconds. Nothing here reads a body or decides.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sekimori.ledger.record import Intent
from sekimori.wire.model import Head
from sekimori.wire.shape import error_shape

if TYPE_CHECKING:
    from mitmproxy import connection, http

    from sekimori.policy.people import Person
    from sekimori.policy.reasons import Reason

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEY = "sekimori.exchange"
HOPELESS = "sekimori.hopeless"
"""On a flow whose person may not use the service at all: what it says changes nothing."""
OVERLOADED = "sekimori.overloaded"
"""On a flow whose body found no room among all bodies that are held: it was dropped, and is refused."""
DROPPED = "sekimori.dropped"
"""How many bytes of a hopeless request's body were not kept."""


def new_reference(time_us: int, random: Callable[[int], bytes]) -> str:
    """Make a record id of 20 characters that sorts by time and can be read out over the telephone.

    52 bits of microseconds (good until the year 2112), 48 bits of ``random``; Crockford's base 32.
    """
    number = (time_us & ((1 << 52) - 1)) << 48 | int.from_bytes(random(6), "big")
    return "".join(_BASE32[number >> shift & 31] for shift in range(95, -1, -5))


@dataclass(slots=True, eq=False)
class Tunnel:
    """What is known of one client connection since its CONNECT: who, where to, and how it is treated.

    ``kind`` is ``ai``, ``mixed``, ``support``, ``inspect`` or ``other``. ``refusal`` is the reason
    that already stands for every request of the tunnel.
    """

    host: str
    port: int
    kind: str
    user: Person | None
    user_source: str
    reference: str
    refusal: Reason | None = None
    detail: str = ""
    decrypt: bool = False
    alpn: bytes | None = None
    sni: str | None = None
    opened_us: int = 0


@dataclass(slots=True, eq=False)
class Capture:
    """The bytes of one answer: hashed to the last, kept up to a limit."""

    limit: int
    budget: Budget
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    chunks: list[bytes] = field(default_factory=list)
    kept: int = 0
    cut: bool = False
    first_byte_us: int = 0

    def add(self, chunk: bytes, now_us: int) -> None:
        """Hash ``chunk`` and keep it while it fits the limit and the worker's budget."""
        if not self.first_byte_us:
            self.first_byte_us = now_us
        self.hash.update(chunk)
        self.size += len(chunk)
        if self.cut:
            return
        if self.kept + len(chunk) > self.limit or not self.budget.take(len(chunk)):
            self.cut = True
            return
        self.kept += len(chunk)
        self.chunks.append(chunk)

    def take(self) -> bytes:
        """Return what was kept and give its bytes back to the budget."""
        body = b"".join(self.chunks)
        self.chunks.clear()
        self.budget.give(self.kept)
        self.kept = 0
        return body


@dataclass(slots=True, eq=False)
class Budget:
    """Bytes that all captures, or all uploads, of a worker may hold together."""

    total: int
    used: int = 0

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes, or refuse."""
        if self.used + size > self.total:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Return ``size`` bytes."""
        self.used -= size


@dataclass(slots=True, eq=False)
class Exchange:
    """One request that was decided: its intent, and what must happen when it ends."""

    intent: Intent
    head: Head
    api_style: str
    service: str
    known: bool
    client: connection.Client
    capture: Capture
    valid_until_us: int | None = None
    refused: bool = False
    finished: bool = False
    streaming: bool = False
    cut: Reason | None = None
    cut_announced: bool = False
    cut_us: int = 0
    flow: weakref.ref[http.HTTPFlow] | None = None
    websocket: object | None = None

    @property
    def shape(self) -> str:
        """The error that the client expects."""
        return error_shape(self.head, self.api_style)

    @property
    def rid(self) -> str:
        """The record id, which is also the reference number people see."""
        return self.intent.rid


class Live:
    """The exchanges of this worker that were let through and have not ended."""

    def __init__(self) -> None:
        self._running: dict[str, Exchange] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(list(self._running.values()))

    def add(self, exchange: Exchange) -> None:
        """Take note of an exchange that is about to be forwarded."""
        self._running[exchange.rid] = exchange

    def remove(self, exchange: Exchange) -> None:
        """Forget an exchange that ended."""
        self._running.pop(exchange.rid, None)
