"""The API over an office in memory: accounts, records and a clock that tests can set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi.testclient import TestClient

from sekimori.console.api import ApiPorts, Held, Known
from sekimori.console.app import create_app
from sekimori.store.content import Content
from support.governing_double import MemoryGoverning
from support.offices import EVERYBODY, NOW
from support.using_offices import UsingOffice

HOST = "sekimori.example:8081"
BASE = f"http://{HOST}"
PASSWORD = "a long enough password"


@dataclass
class MemoryAccounts:
    """Accounts by name, tokens by text."""

    people: dict[str, Known] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    held: dict[str, tuple[str, Held]] = field(default_factory=dict)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: int = 0

    def sign_in(self, name, password):
        self.asked += 1
        return self.known(name) if password == PASSWORD else None

    def known(self, name):
        return None if name in self.shut else self.people.get(name)

    def closed(self, name):
        return name in self.shut

    def holder(self, token, now_us):
        name, held = self.held.get(token, ("", None))
        known = self.known(name)
        return (known, held) if known and held and now_us < held.expires_us else None

    def agent(self, key):
        owner, subject = self.keys.get(key, ("", ""))
        known = self.known(owner)
        return (known, subject) if known else None

    def issue(self, name, label, scopes, expires_us):
        id_ = f"t{len(self.held)}"
        token = f"skm_{id_}"
        self.held[token] = (name, Held(id_, label, scopes, NOW, expires_us))
        return token

    def tokens(self, name):
        return [held for whose, held in self.held.values() if whose == name]

    def revoke(self, name, id_):
        gone = [token for token, (whose, held) in self.held.items() if (whose, held.id) == (name, id_)]
        for token in gone:
            del self.held[token]
        return bool(gone)


@dataclass
class MemoryRecords:
    """Records with content; every reading of content is kept."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    read: list[tuple[str, str, str, str]] = field(default_factory=list)
    broken: bool = False

    def list(self, query):
        found = [row for row in self.rows.values() if query.user in (None, row["user"])]
        found = [row for row in found if query.until_us is None or _us(row["time"]) < query.until_us]
        found = [row for row in found if query.since_us is None or _us(row["time"]) >= query.since_us]
        return sorted(found, key=lambda row: (row["time"], row["id"]))[-query.limit :]

    def show(self, rid):
        return self.rows.get(rid)

    def content(self, rid, *, reader, reader_source, reason):
        if self.broken:
            raise OSError("the disk is full of hanako@example.go.jp")
        self.read.append((rid, reader, reader_source, reason))
        return Content(prompt="連絡先は hanako@example.go.jp", output="了解しました")


def _us(text):
    from datetime import UTC, datetime, timedelta

    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class House:
    """Everything behind the API."""

    def __init__(self, office=None, *, governing=None):
        self.now_us = NOW
        office = office or UsingOffice().ready()
        self.governing = governing or MemoryGoverning(office.state, office.events, clock=lambda: self.now_us)
        self.accounts: Any = MemoryAccounts(
            {each.name: Known(each.name, each.unit, tuple(each.roles)) for each in EVERYBODY}
        )
        self.records: Any = MemoryRecords()
        self.issuer = None
        self.drawn = 0

    def draw(self, size):
        self.drawn += 1
        return hashlib.sha256(b"%d" % self.drawn).digest()[:size]

    def new_id(self):
        self.drawn += 1
        return f"id-{self.drawn}"

    def ports(self):
        return ApiPorts(
            governing=self.governing,
            accounts=self.accounts,
            records=self.records,
            explain=lambda question: {"decision": "deny", "user": question["user"]},
            policy=lambda: {"hash": "abc", "age_s": 1.0},
            compliance=lambda: {"rows": {}},
            usage=lambda month: {"month": month},
            clock_us=lambda: self.now_us,
            new_id=self.new_id,
            random=self.draw,
            issuer=self.issuer,
        )

    def app(self, console):
        settings = replace(console.settings(), hosts=frozenset({HOST}), api=self.ports())
        return create_app(settings)

    def token(self, actor, *scopes, days=1):
        scopes = scopes or ("read", "write", "content")
        return self.accounts.issue(actor.name, "t", scopes, self.now_us + days * 86_400_000_000)


class Api:
    """A client that acts as somebody."""

    def __init__(self, client: TestClient, house: House):
        self.client, self.house = client, house
        self._tokens: dict[str, str] = {}

    def ask(self, actor, method, path, body=None, **headers):
        if actor.name not in self._tokens:
            self._tokens[actor.name] = self.house.token(actor)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["authorization"] = f"Bearer {self._tokens[actor.name]}"
        return self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    def get(self, actor, path, **headers):
        return self.ask(actor, "GET", path, **headers)

    def post(self, actor, path, body=None, **headers):
        return self.ask(actor, "POST", path, {} if body is None else body, **headers)
