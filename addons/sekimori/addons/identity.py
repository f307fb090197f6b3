"""Who is asking: Basic proxy authentication against the people that were published.

Argon2 costs tens of milliseconds, so it runs in a small pool and its result is kept for at most 60
seconds as a keyed hash of the credentials, bound to the stored verifier: a changed password, a
disabled user or a removed one drops it with the next publication.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from sekimori import metrics
from sekimori.policy.people import People, Person, canonical_name

_MAX_CREDENTIALS = 2048
_CACHE_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, and how the gate came to know who it is."""

    person: Person
    source: str


class Overloaded(Exception):  # noqa: N818 - a state of the gate, not a fault of a caller
    """Too many passwords wait to be verified."""


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Read ``Basic`` credentials (RFC 7617, UTF-8); anything else is nobody."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(value) > _MAX_CREDENTIALS:
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, separator, password = text.partition(":")
    return (name, password) if separator and name and password else None


class Authenticator:
    """Turn a ``Proxy-Authorization`` header into an identity, never blocking the loop."""

    def __init__(
        self,
        people: Callable[[], People | None],
        verify: Callable[[str, str], bool],
        *,
        key: bytes,
        monotonic: Callable[[], float],
        pool: Executor,
        keep: float = 60.0,
        keep_failure: float = 3.0,
        max_waiting: int = 64,
        share: int = 8,
        nobody: str = "",
    ) -> None:
        self._people = people
        self._verify = verify
        self._key = key
        self._monotonic = monotonic
        self._pool = pool
        self._keep = keep
        self._keep_failure = keep_failure
        self._max_waiting = max_waiting
        self._share = share
        self._nobody = Person(name="", groups=(), roles=(), disabled=True, proxy_password=nobody or None)
        self._taken: Counter[str] = Counter()
        self._cache: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()
        self._waiting: dict[bytes, asyncio.Future[bool]] = {}

    async def identify(self, header: str, client: str = "") -> Identity | None:
        """Return who presents ``header`` from the address ``client``, or ``None``; raises ``Overloaded``."""
        credentials = basic_credentials(header)
        people = self._people()
        if credentials is None or people is None:
            metrics.AUTHENTICATIONS.labels("absent").inc()
            return None
        person = people.get(canonical_name(credentials[0]))
        if person is None or person.disabled or not person.proxy_password:
            # As long as for a real one, so that the time does not tell which names exist.
            if self._nobody.proxy_password:
                await self._matches(self._nobody, credentials[1], self._nobody.proxy_password, client)
            metrics.AUTHENTICATIONS.labels("refused").inc()
            return None
        if not await self._matches(person, credentials[1], person.proxy_password, client):
            return None
        return Identity(person, "basic")

    async def _matches(self, person: Person, password: str, stored: str, client: str) -> bool:
        message = f"{person.name}\0{stored}\0{password}".encode("utf-8", "surrogatepass")
        tag = hmac.digest(self._key, message, hashlib.sha256)
        now = self._monotonic()
        known = self._cache.get(tag)
        if known is not None and known[0] > now:
            return known[1]
        running = self._waiting.get(tag)
        if running is None:
            running = self._start(tag, stored, password, (f"name {person.name}", f"address {client}"))
        matched = await asyncio.shield(running)
        self._remember(tag, matched)
        metrics.AUTHENTICATIONS.labels("verified" if matched else "wrong").inc()
        return matched

    def _start(
        self, tag: bytes, stored: str, password: str, sharers: tuple[str, ...]
    ) -> asyncio.Future[bool]:
        """Have a password verified; whoever guesses fills the share of a name and an address only."""
        full = len(self._waiting) >= self._max_waiting
        if full or any(self._taken[sharer] >= self._share for sharer in sharers):
            raise Overloaded
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._verify, stored, password)
        self._waiting[tag] = running
        self._taken.update(sharers)

        def done(_: object) -> None:
            self._waiting.pop(tag, None)
            self._taken.subtract(sharers)
            for sharer in sharers:
                if self._taken[sharer] <= 0:
                    del self._taken[sharer]

        running.add_done_callback(done)
        return running

    def _remember(self, tag: bytes, matched: bool) -> None:  # noqa: FBT001
        keep = self._keep if matched else self._keep_failure
        self._cache[tag] = (self._monotonic() + keep, matched)
        self._cache.move_to_end(tag)
        while len(self._cache) > _CACHE_ENTRIES:
            self._cache.popitem(last=False)
