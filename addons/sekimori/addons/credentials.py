"""Who presents ``Proxy-Authorization``: a person with a password, kept here or in the directory, or an agent's key.

What is presented decides: a wrong one refuses, and no weaker evidence is looked at in its place.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection

from sekimori import metrics
from sekimori.addons.guesses import Guesses
from sekimori.addons.identity import Authenticator, Identity, basic_credentials
from sekimori.addons.roster import Roster, Unavailable
from sekimori.policy import subject
from sekimori.policy.agentkeys import key_id, opens
from sekimori.policy.people import People, Person, canonical_name

_MAX_HEADER = 2048
_ANYBODY = "key"


class Credentials:
    """Turn a ``Proxy-Authorization`` header into an identity, by the ``sources`` that are configured."""

    def __init__(
        self,
        people: Callable[[], People | None],
        passwords: Authenticator,
        *,
        sources: Collection[str],
        key: bytes,
        monotonic: Callable[[], float],
        roster: Roster | None = None,
        keep: float = 60.0,
    ) -> None:
        self._people = people
        self._passwords = passwords
        self._sources = frozenset(sources)
        self._key = key
        self._monotonic = monotonic
        self._roster = roster
        self._keep = keep
        self._guesses = Guesses(monotonic)
        self._verified: dict[bytes, tuple[float, str]] = {}

    async def identify(self, header: str, client: str = "") -> Identity | None:
        """Return who presents ``header``; raises ``Overloaded`` and ``Unavailable``."""
        people = self._people()
        scheme, _, value = header.partition(" ")
        if people is None or len(header) > _MAX_HEADER:
            return await self._passwords.identify("", client)
        if scheme.lower() == "bearer":
            return await self._agent(people, value.strip(), "")
        credentials = basic_credentials(header)
        if credentials is not None and key_id(credentials[1]) is not None:
            return await self._agent(people, credentials[1], credentials[0])
        if credentials is not None and self._in_directory(people, credentials[0]):
            return await self._by_directory(people, *credentials, client)
        return await self._passwords.identify(header if subject.BASIC in self._sources else "", client)

    def _in_directory(self, people: People, name: str) -> bool:
        if subject.LDAP not in self._sources or self._roster is None:
            return False
        local = people.get(name)
        return local is None or not (local.disabled or local.proxy_password)

    # --- keys --------------------------------------------------------------------------------

    async def _agent(self, people: People, text: str, name: str) -> Identity | None:
        identity = await self._by_key(people, text, name)
        metrics.AUTHENTICATIONS.labels("refused" if identity is None else "key").inc()
        return identity

    async def _by_key(self, people: People, text: str, name: str) -> Identity | None:
        id_ = key_id(text) if subject.API_KEY in self._sources else None
        found = people.key(id_) if id_ is not None else None
        if found is None or not opens(text, found[1]):
            return None
        owner, key = found
        if name and canonical_name(name) not in {_ANYBODY, canonical_name(owner.name)}:
            return None
        person = await self.present(people, owner.name)
        source = str(subject.Source(subject.KEY, key.id, key.grant))
        return None if person is None else Identity(person, source)

    async def present(self, people: People, name: str) -> Person | None:
        """Return a person that somebody else vouches for, if the gate knows them and they may still act."""
        if self._in_directory(people, name) and self._roster is not None:
            found = await self._roster.find(name)
            if found is None:
                return None
            name = found.name
        person = people.get(name)
        return None if person is None or person.disabled else person

    # --- the directory -----------------------------------------------------------------------

    async def _by_directory(self, people: People, name: str, password: str, client: str) -> Identity | None:
        assert self._roster is not None  # noqa: S101 - what _in_directory has said
        tag = hmac.digest(
            self._key, f"ldap\0{name}\0{password}".encode("utf-8", "surrogatepass"), hashlib.sha256
        )
        until, subject_name = self._verified.get(tag, (0.0, ""))
        person = people.get(subject_name) if until > self._monotonic() else None
        if person is not None and not person.disabled:
            return Identity(person, subject.LDAP)
        if self._guesses.spent(canonical_name(name), client, tag):
            # The directory would count these, too, and lock the account for everybody.
            metrics.AUTHENTICATIONS.labels("refused").inc()
            return None
        try:
            found = await self._roster.verify(tag, name, password, client)
        except Unavailable:
            metrics.AUTHENTICATIONS.labels("unavailable").inc()
            raise
        if found is None:
            self._guesses.wrong(canonical_name(name), client, tag)
        metrics.AUTHENTICATIONS.labels("wrong" if found is None else "verified").inc()
        # Whoever signs in under another name than the directory's is that one: an account closed here stays so.
        person = people.get(found.name) if found is not None else None
        if person is None or person.disabled or person.proxy_password:
            return None
        self._keep_verified(tag, person.name)
        return Identity(person, subject.LDAP)

    def _keep_verified(self, tag: bytes, name: str) -> None:
        now = self._monotonic()
        if len(self._verified) > 20_000:
            self._verified = {key: kept for key, kept in self._verified.items() if kept[0] > now}
        self._verified[tag] = (now + self._keep, name)
