"""Governing in memory, with the signature of the store's: for tests of what stands in front of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import msgspec

from sekimori.governance.commands import NOUNS as GRANTING
from sekimori.governance.use_rules import use_rules_for
from sekimori.governance.using import NOUNS, perform
from sekimori.store.governing import OnceConflict, VersionConflict
from support.offices import NOW

KINDS = {**GRANTING, **NOUNS}


class MemoryGoverning:
    """Keeps the state of an office, and carries out commands as a transaction would."""

    def __init__(self, state, events=(), *, profile="gov", clock=lambda: NOW):
        self._state, self._events, self._clock = state, list(events), clock
        self._rules = use_rules_for(profile, NOW, policy_version="p1")
        self._once = {}
        self._lock = threading.Lock()
        self.performed = []

    def perform(self, command, actor, *, expected=None, once=""):
        with self._lock:
            asked = (type(command).__name__, msgspec.msgpack.encode(command), actor.name)
            if once in self._once:
                before, change = self._once[once]
                if before != asked:
                    raise OnceConflict
                return change
            for (noun, id_), version in (expected or {}).items():
                found = self._state.find(KINDS[noun], id_)
                now = found.version if found else 0
                if now != version:
                    raise VersionConflict(noun, id_, expected=version, found=now)
            change = perform(self._state, command, actor, self._clock(), self._rules)
            self._state = change.state
            self._events += change.events
            self.performed.append((command, actor))
            if once:
                self._once[once] = (asked, change)
            return change

    def carry_out(self, step, *, once=""):
        with self._lock:
            if once in self._once:
                return self._once[once][1]
            change = step(self._state, self._clock(), self._rules)
            self._state = change.state
            self._events += change.events
            if once:
                self._once[once] = (None, change)
            return change

    @contextmanager
    def state(self):
        yield self._state

    def history(self, noun, id_, *, after="", limit=100):
        found = [each for each in self._events if (each.noun, each.id) == (noun, id_)]
        return [each for each in found if each.version > int(after or 0)][:limit]

    def list(self, noun, *, after="", limit=100):
        found = sorted(self._state.all(KINDS[noun]), key=lambda each: each.id)
        return [each for each in found if each.id > after][:limit]
