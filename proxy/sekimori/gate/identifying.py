"""Puts together everything by which one worker knows who is asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sekimori.addons.credentials import Credentials
from sekimori.addons.identity import Authenticator
from sekimori.addons.peers import Peers
from sekimori.addons.roster import Registered, Roster
from sekimori.addons.vouching import Vouchers, Vouching
from sekimori.gate.directory.lookup import Directory
from sekimori.gate.listener import Listener
from sekimori.gate.settings import WorkerSettings
from sekimori.policy.people import People, Person
from sekimori.vault.passwords import NOBODY, verify_password

_PASSWORD_THREADS = 2
_DIRECTORY_THREADS = 4


class Identifying:
    """The sources of identity of one worker; ``people`` gives the people last read."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        people: Callable[[], People | None],
        key: bytes,
        now: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._people = settings, people
        self.peers = Peers()
        self.listener = _listener(settings)
        self.roster = _roster(settings, monotonic)
        passwords = Authenticator(
            people,
            verify_password,
            key=key,
            monotonic=monotonic,
            pool=ThreadPoolExecutor(_PASSWORD_THREADS, thread_name_prefix="password"),
            nobody=NOBODY,
        )
        self.credentials = Credentials(
            people,
            passwords,
            sources=settings.identity_sources,
            key=key,
            monotonic=monotonic,
            roster=self.roster,
        )
        self.vouching = self._vouching(now)

    def register(self, published: People) -> People:
        """Put the directory's people among those that were published."""
        return published if self.roster is None else Registered(published, self.roster)

    async def follow(self, wanted: Callable[[], Iterable[str]], changed: Callable[[], None]) -> None:
        """Keep what the directory says of whoever is connected no older than it may be, for ever."""
        if self.roster is not None:
            await self.roster.follow(wanted, changed)

    def _vouching(self, now: Callable[[], int]) -> Vouching | None:
        told = self._settings.vouchers
        if not (told.header or told.certificate):
            return None
        vouchers = Vouchers(
            parents=frozenset(told.parents),
            header=told.header,
            realm=told.realm,
            certificate=told.certificate,
        )
        return Vouching(vouchers, self.peers, present=self._present, now=now)

    async def _present(self, name: str) -> Person | None:
        people = self._people()
        return None if people is None else await self.credentials.present(people, name)


def _roster(settings: WorkerSettings, monotonic: Callable[[], float]) -> Roster | None:
    if "ldap" not in settings.identity_sources:
        return None
    pool = ThreadPoolExecutor(_DIRECTORY_THREADS, thread_name_prefix="directory")
    return Roster(Directory(settings.directory), pool=pool, monotonic=monotonic)


def _listener(settings: WorkerSettings) -> Listener | None:
    tls = settings.listener_tls
    if not tls.certificate:
        return None
    return Listener(
        Path(tls.certificate),
        Path(tls.key),
        client_ca_file=Path(tls.client_ca) if tls.client_ca else None,
        client_crl_file=Path(tls.client_crl) if tls.client_crl else None,
    )
