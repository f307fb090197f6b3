"""An office whose state lies in a store: every step of ``Office`` goes through the database."""

from __future__ import annotations

from itertools import count

from sekimori.governance.actors import clock
from sekimori.governance.conversation import Seen, note_exchanges
from sekimori.governance.state import digest
from sekimori.store.governing import Governing
from support.offices import NOW, Office

_IDS = count(1)


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, at_us=NOW):
        self.at_us = at_us

    def __call__(self):
        return self.at_us


class Stored(Office):
    """One organisation in a database."""

    def __init__(self, house, profile="gov", *, tenant="default", hands=None, **options):
        super().__init__(profile, tenant=tenant)
        self.house = house
        self.hands = hands or Hands()
        self.governing = self.opened(**options)

    def opened(self, **options):
        """Open it anew, as another process does."""
        return Governing(
            self.house.engine,
            self.house.store_keys,
            clock=self.hands,
            new_id=options.pop("new_id", lambda: f"gov-{next(_IDS)}"),
            profile=self.rules.profile,
            tenant=self.state.tenant,
            **options,
        )

    def do(self, actor, *commands, **given):
        for command in commands:
            change = self.governing.perform(command, actor, **given)
            last = {(event.noun, event.id): event for event in change.events}
            for value in change.values:
                assert last[value.noun, value.id].digest == digest(value)
            self.events += change.events
        return change

    def get(self, kind, id_):
        with self.governing.state() as state:
            return state.get(kind, id_)

    def all(self, kind):
        with self.governing.state() as state:
            return list(state.all(kind))


def exchanged(house, *subjects):
    """Let conversations be counted in a house: each is an event, a thing, and what finds it."""
    stored = Stored(house)
    seen = [Seen(subject, "chat", 1, NOW, NOW) for subject in subjects or ("hanako", "miki")]
    stored.governing.carry_out(lambda state, at, rules: note_exchanges(state, seen, clock(), at, rules))
    return stored
