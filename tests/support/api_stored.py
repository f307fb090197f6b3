"""The API over a real store: governance, accounts, tokens and the log lie in a database, as in an installation."""

from __future__ import annotations

import os
from itertools import count

from sekimori.cli.web_accounts import LocalAccounts
from sekimori.store.engine import open_store, session
from sekimori.store.governing import Governing
from sekimori.store.people import PersonRepo
from sekimori.vault.names import NameSeal
from sekimori.vault.passwords import hash_password
from support.api_house import PASSWORD, House
from support.evidence import answered, asked
from support.offices import EVERYBODY, NOW
from support.using_offices import UsingOffice

_IDS = count(1)


class _Written(UsingOffice):
    """Thinks in memory, where its steps read, and writes the same commands into the store."""

    def __init__(self, governing):
        super().__init__()
        self.governing = governing

    def do(self, actor, *commands):
        for command in commands:
            self.governing.perform(command, actor)
        return super().do(actor, *commands)


class StoredHouse(House):
    """Everything behind one server's API; ``sharing`` gives another server on the same database."""

    def __init__(self, installation, *, sharing=None):
        self.installation = installation
        self.engine = open_store(installation.database) if sharing else installation.engine
        self.seal = installation.people = NameSeal(b"n" * 32)
        self.now_us = NOW
        governing = Governing(
            self.engine,
            installation.store_keys,
            clock=lambda: self.now_us,
            new_id=lambda: f"order-{next(_IDS)}",
            profile="gov",
        )
        if sharing is None:
            _Written(governing).ready()
            self._people()
        super().__init__(governing=governing)
        self.accounts = LocalAccounts(self.engine, self.seal, clock=lambda: self.now_us)
        self.records = installation.log()

    def draw(self, size):
        return os.urandom(size)

    def new_id(self):
        return f"id-{next(_IDS)}"

    def close(self):
        if self.engine is not self.installation.engine:
            self.engine.dispose()

    def _people(self):
        hashed = hash_password(PASSWORD)
        with session(self.engine) as opened:
            people = PersonRepo(opened, self.seal)
            for each in EVERYBODY:
                groups, roles = [each.unit], sorted(each.roles)
                people.add(each.name, now_us=NOW, groups=groups, roles=roles, password=hashed)

    def exchange(self, rid="r1", user="hanako", prompt="連絡先は hanako@example.go.jp"):
        """Let somebody's exchange be recorded and stored."""
        worker = self.installation.worker("w1")
        worker.write(asked(rid, user=user, prompt=prompt), answered(rid))
        worker.close()
        self.installation.settle()
