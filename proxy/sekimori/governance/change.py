"""What a command leads to: a new state, and the events that the ledger records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.refusals import refuse
from sekimori.governance.state import Aggregate, State, digest, plain


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened: who did what to which aggregate, and how it differs now.

    ``digest`` is the hash of the whole aggregate after it, so that the record can be held against the
    database. ``facts`` is what is not a field: a reason, a recipient, an instant.
    """

    kind: str
    at_us: int
    by: str
    tenant: str
    noun: str
    id: str
    version: int
    digest: str
    changed: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}


class Change(msgspec.Struct, frozen=True):
    """A command carried out: the state after it, its events, the aggregates to be stored."""

    state: State
    events: tuple[Event, ...] = ()
    values: tuple[Aggregate, ...] = ()


class Changing:
    """A change while it is made; the state it started from is never touched."""

    def __init__(self, state: State, actor: Actor, at_us: int) -> None:
        if actor.tenant != state.tenant:
            raise refuse("other-tenant")
        self.state = state
        self._actor = actor
        self._at_us = at_us
        self._events: list[Event] = []
        self._values: dict[tuple[str, str], Aggregate] = {}

    def new[A: Aggregate](self, verb: str, value: A, **facts: Any) -> A:
        """Put an aggregate whose id must be free."""
        if not value.id:
            raise refuse("not-found", noun=value.noun, id="")
        if self.state.find(type(value), value.id) is not None:
            raise refuse("exists", noun=value.noun, id=value.id)
        return self._put(verb, None, value, facts)

    def edit[A: Aggregate](
        self, verb: str, before: A, told: Mapping[str, Any] | None = None, **fields: Any
    ) -> A:
        """Put ``before`` with other ``fields``; ``told`` goes into the event beside them."""
        return self._put(verb, before, msgspec.structs.replace(before, **fields), told or {})

    def _put[A: Aggregate](self, verb: str, before: A | None, value: A, facts: Mapping[str, Any]) -> A:
        value = msgspec.structs.replace(value, version=value.version + 1)
        stored = None if before is None else self.state.find(type(before), before.id)
        old = {} if stored is None else plain(stored)
        changed = {key: new for key, new in plain(value).items() if old.get(key, _NOTHING) != new}
        changed.pop("version")
        self.state = self.state.put(value)
        self._values[value.noun, value.id] = value
        self._events.append(
            Event(
                kind=f"{value.noun}.{verb}",
                at_us=self._at_us,
                by=self._actor.name,
                tenant=self.state.tenant,
                noun=value.noun,
                id=value.id,
                version=value.version,
                digest=digest(value),
                changed=changed,
                facts=plain(dict(facts)),
            )
        )
        return value

    def done(self) -> Change:
        """Give the whole change."""
        return Change(self.state, tuple(self._events), tuple(self._values.values()))


_NOTHING = object()
