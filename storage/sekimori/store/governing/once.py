"""Requests that may come twice: the second gets what the first led to, and nothing happens again."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from sekimori.governance.change import Change, Event
from sekimori.governance.state import State, plain
from sekimori.store.governing.conflicts import OnceConflict
from sekimori.store.governing.sealing import GovernedSeal, packed, read_aggregate
from sekimori.store.tables import GOVERNED_ONCE

KEPT_US = 7 * 86_400_000_000
"""A client repeats what it got no answer to within minutes; a week is for those that were switched off."""

_MOST = 1000


class _Led(msgspec.Struct, frozen=True):
    """What a request was, and what it led to."""

    request: str
    events: tuple[Event, ...] = ()
    values: tuple[tuple[str, bytes], ...] = ()


class OnceRepo:
    """Reads and writes ``governed_once``, inside the caller's transaction."""

    def __init__(self, connection: Connection, seal: GovernedSeal, tenant: str) -> None:
        self._connection = connection
        self._seal = seal
        self._tenant = tenant

    def find(self, once: str, request: str) -> Change | None:
        """Give what the request led to before; raises OnceConflict when the key was another request's."""
        token = self._seal.once(self._tenant, once)
        query = select(GOVERNED_ONCE).where(
            GOVERNED_ONCE.c.tenant == self._tenant, GOVERNED_ONCE.c.token == token
        )
        row = self._connection.execute(query).first()
        if row is None:
            return None
        led = msgspec.msgpack.decode(self._seal.open_once(row), type=_Led)
        if led.request != request:
            raise OnceConflict
        values = tuple(read_aggregate(noun, plain) for noun, plain in led.values)
        return Change(State(self._tenant).put(*values), led.events, values)

    def keep(self, once: str, request: str, change: Change, at_us: int) -> None:
        """Remember what a request led to."""
        led = _Led(request, change.events, tuple((value.noun, packed(value)) for value in change.values))
        token = self._seal.once(self._tenant, once)
        sealed = self._seal.seal_once(self._tenant, token, at_us, msgspec.msgpack.encode(led))
        row = {"tenant": self._tenant, "token": token, "time_us": at_us, "sealed": sealed}
        self._connection.execute(insert(GOVERNED_ONCE), [row])

    def forget(self, at_us: int) -> None:
        """Drop what is too old to come again."""
        old = select(GOVERNED_ONCE.c.token).where(
            GOVERNED_ONCE.c.tenant == self._tenant, GOVERNED_ONCE.c.time_us < at_us - KEPT_US
        )
        self._connection.execute(
            delete(GOVERNED_ONCE).where(
                GOVERNED_ONCE.c.tenant == self._tenant, GOVERNED_ONCE.c.token.in_(old.limit(_MOST))
            )
        )


def fingerprint(*request: Any) -> str:
    """Give what tells one request from another."""
    told = [(type(part).__name__, part) for part in request]
    return hashlib.sha256(msgspec.json.encode(plain(told), order="sorted")).hexdigest()
