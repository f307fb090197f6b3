"""Everybody the gate knows now: the accounts that were published and the people of the directory.

An account with a proxy password of its own lives here and the directory is not asked about it. Every other
name belongs to the directory, where there is one: found there, it has the groups of both; not found there, it
is nobody. What the directory said holds for ``keep`` seconds and is asked again before that for everybody who
is connected, so that a change bites within five minutes and an outage refuses after them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from sekimori import metrics
from sekimori.addons.verifying import Overloaded, Verifications
from sekimori.errors import SekimoriError
from sekimori.policy.people import People, Person, canonical_name

logger = logging.getLogger(__name__)

_DOWN_SECONDS = 2.0
_KEEP_ABSENT = 3.0
_AT_ONCE = 2


class Unavailable(Exception):  # noqa: N818 - a state of the directory, not a fault of a caller
    """The directory does not answer: nobody it knows can be identified."""


class Directory(Protocol):
    """Whoever knows people and passwords; both calls block, and raise SekimoriError when they cannot say."""

    def find(self, name: str) -> Person | None:
        """Return a person with their groups."""

    def verify(self, name: str, password: str) -> Person | None:
        """Return the person whose password it is."""


@dataclass(slots=True)
class _Known:
    person: Person
    until: float


class Roster:
    """The directory's people of one worker; ``version`` grows when one of them changed or went."""

    def __init__(
        self,
        directory: Directory,
        *,
        pool: Executor,
        monotonic: Callable[[], float],
        keep: float = 290.0,
        renew: float = 150.0,
    ) -> None:
        self._directory = directory
        self._monotonic = monotonic
        self._keep = keep
        self._renew = renew
        self._known: dict[str, _Known] = {}
        self._down_until = 0.0
        self._asking = Verifications[Person | None](
            pool, monotonic=monotonic, keep=lambda found: 0.0 if found else _KEEP_ABSENT
        )
        self.version = 0

    def current(self, name: str) -> Person | None:
        """Return what the directory said of a subject, as long as that holds."""
        known = self._known.get(name)
        return known.person if known is not None and known.until > self._monotonic() else None

    async def find(self, name: str) -> Person | None:
        """Return a person of the directory; raises ``Unavailable`` and ``Overloaded``."""
        known = self._known.get(canonical_name(name))
        if known is not None and known.until - self._monotonic() > self._keep - self._renew:
            return known.person
        return await self._ask(
            f"find\0{name}".encode("utf-8", "surrogatepass"), name, lambda: self._directory.find(name)
        )

    async def verify(self, tag: bytes, name: str, password: str, client: str) -> Person | None:
        """Return the person whose password it is; ``tag`` is a keyed hash of both."""
        return await self._ask(tag, name, lambda: self._directory.verify(name, password), client)

    async def _ask(
        self, tag: bytes, name: str, work: Callable[[], Person | None], client: str = ""
    ) -> Person | None:
        absent = self._asking.known(tag)
        if absent is not None:
            return absent[0]
        if self._monotonic() < self._down_until:
            raise Unavailable  # no thread waits for a server that has just not answered
        sharers = (f"name {canonical_name(name)}", *([f"address {client}"] if client else ()))
        try:
            found = await self._asking.ask(tag, work, sharers)
        except SekimoriError as error:
            if self._monotonic() >= self._down_until:
                logger.error("nobody of the directory can be identified: %s", error)  # noqa: TRY400
            self._down_until = self._monotonic() + _DOWN_SECONDS
            metrics.DIRECTORY_ERRORS.inc()
            raise Unavailable from error
        if found is not None:
            self._remember(found)
        return found

    def _remember(self, person: Person) -> None:
        before = self._known.get(person.name)
        self._known[person.name] = _Known(person, self._monotonic() + self._keep)
        if before is not None and before.person != person:
            self.version += 1

    # --- keeping up --------------------------------------------------------------------------

    async def follow(
        self, wanted: Callable[[], Iterable[str]], changed: Callable[[], None], interval: float = 5.0
    ) -> None:
        """Ask again, for ever, about whoever is connected; forget the others when their time is over."""
        seen = self.version
        while True:
            await asyncio.sleep(interval)
            await self.renew(set(wanted()))
            if self.version != seen:
                seen = self.version
                changed()

    async def renew(self, wanted: set[str]) -> None:
        """Ask about those whose answer grows old."""
        now = self._monotonic()
        ageing = [
            name
            for name, known in self._known.items()
            if name in wanted and known.until - now < self._keep - self._renew
        ]
        room = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._look_again(name, room) for name in ageing))
        for name, known in list(self._known.items()):
            if known.until <= self._monotonic():
                self._drop(name)

    async def _look_again(self, name: str, room: asyncio.Semaphore) -> None:
        async with room:
            try:
                found = await self.find(name)
            except (Unavailable, Overloaded):
                return  # what is known runs out by itself
        if found is None or found.name != name:
            self._drop(name)

    def _drop(self, name: str) -> None:
        if self._known.pop(name, None) is not None:
            self.version += 1


class Registered(People):
    """The published accounts, with the directory's people among them for whoever looks a name up."""

    __slots__ = ("_roster",)

    def __init__(self, published: People, roster: Roster) -> None:
        super().__init__(published, digest=published.hash)
        self._roster = roster

    def get(self, name: str) -> Person | None:
        """Find a person who is known now; disabled accounts too."""
        local = super().get(name)
        if local is not None and (local.disabled or local.proxy_password):
            return local
        found = self._roster.current(canonical_name(name))
        return found if found is None or local is None else joined(local, found)


def joined(local: Person, found: Person) -> Person:
    """Make one subject of an account and the directory's person of the same name."""
    groups = tuple(sorted({*local.groups, *found.groups}))
    return Person(name=local.name, groups=groups, roles=local.roles, keys=local.keys)
