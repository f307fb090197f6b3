"""Who is asking: Basic proxy authentication against the people that were published.

Argon2 costs tens of milliseconds, so it runs in a small pool and its result is kept for at most 60
seconds as a keyed hash of the credentials, bound to the stored verifier: a changed password, a
disabled user or a removed one drops it with the next publication.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from sekimori import metrics
from sekimori.addons.guesses import Guesses
from sekimori.addons.verifying import Overloaded, Verifications
from sekimori.policy.people import People, Person, canonical_name

__all__ = ["Authenticator", "Identity", "Overloaded", "basic_credentials"]

_MAX_CREDENTIALS = 2048


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, and how the gate came to know who it is (``policy.subject``)."""

    person: Person
    source: str


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
        self._guesses = Guesses(monotonic)
        self._nobody = Person(name="", groups=(), roles=(), disabled=True, proxy_password=nobody or None)
        self._verifications = Verifications[bool](
            pool,
            monotonic=monotonic,
            keep=lambda matched: keep if matched else keep_failure,
            max_waiting=max_waiting,
            share=share,
        )

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
                await self._matches(self._nobody, credentials, self._nobody.proxy_password, client)
            metrics.AUTHENTICATIONS.labels("refused").inc()
            return None
        if not await self._matches(person, credentials, person.proxy_password, client):
            return None
        return Identity(person, "basic")

    async def _matches(self, person: Person, credentials: tuple[str, str], stored: str, client: str) -> bool:
        name, password = canonical_name(credentials[0]), credentials[1]
        message = f"{person.name}\0{stored}\0{password}".encode("utf-8", "surrogatepass")
        tag = hmac.digest(self._key, message, hashlib.sha256)
        known = self._verifications.known(tag)
        if known is not None:
            return known[0]
        if self._guesses.spent(name, client, tag):
            metrics.AUTHENTICATIONS.labels("refused").inc()
            return False
        matched = await self._verifications.ask(
            tag,
            lambda: self._verify(stored, password),
            (f"name {person.name}", f"address {client}"),
        )
        if not matched:
            self._guesses.wrong(name, client, tag)
        metrics.AUTHENTICATIONS.labels("verified" if matched else "wrong").inc()
        return matched
