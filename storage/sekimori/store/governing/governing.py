"""The one way to change what is governed: rows are locked, rules are asked, rows and leaves commit together.

A command that is refused, whose version is not the expected one, or whose transaction breaks leaves no
trace. Two that write wait for one another (``take_turn``); readers wait for nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from sekimori.governance import using
from sekimori.governance.actors import TENANT, Actor
from sekimori.governance.change import Change, Event
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import UseRules, use_rules_for
from sekimori.policy.model import Profile
from sekimori.store.engine import reading, take_turn, writing
from sekimori.store.governing.conflicts import VersionConflict
from sekimori.store.governing.lazy import Rows, state_of
from sekimori.store.governing.once import OnceRepo, fingerprint
from sekimori.store.governing.sealing import NOUNS, GovernedSeal
from sekimori.store.governing.ticking import is_due, refresh_due
from sekimori.store.governing.veiling import Veil
from sekimori.store.governing.writing import Writer
from sekimori.store.holding import StoreKeys
from sekimori.store.tables import GOVERNED_EVENT, POLICY_DOCUMENT

Step = Callable[[State, int, UseRules], Change]
"""What no person commands: it gets the state, the instant and the rules, and acts as the clock."""

Expected = Mapping[tuple[str, str], int]
"""The version that somebody saw of a noun and id; 0 where they saw none."""


class Governing:
    """What one organisation decides and has decided; ``settings`` are the sections of ``use_rules_for``."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        profile: Profile,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        tenant: str = TENANT,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._engine = engine
        self._seal = GovernedSeal(keys.policies)
        self._keys = keys
        self._clock = clock
        self._new_id = new_id
        self._profile: Profile = profile
        self._settings = settings
        self._tenant = tenant
        self._random = random
        self._refreshed = False

    def perform(
        self, command: Any, actor: Actor, *, expected: Expected | None = None, once: str = ""
    ) -> Change:
        """Carry out a command of ``governance``: all of it, or an error and no trace.

        Raises ``Forbidden``, ``VersionConflict``, or ``OnceConflict``. With the same ``once`` the same
        command of the same person gives the first change again. The state of what is returned knows what
        changed and nothing else.
        """

        def step(state: State, at_us: int, rules: UseRules) -> Change:
            return using.perform(state, command, actor, at_us, rules)

        return self._carry_out(step, expected or {}, once, (actor.name, command))

    def carry_out(self, step: Step, *, once: str = "") -> Change:
        """Carry out what no person commands, the same way."""
        return self._carry_out(step, {}, once, ())

    def tick(self) -> Change:
        """Carry out what is due; one look into an index where nothing is."""
        at_us = self._clock()
        if not self._refreshed:
            refresh_due(self._engine, self._seal, self._tenant, self._rules(at_us, ""))
            self._refreshed = True
        with reading(self._engine) as connection:
            if not is_due(connection, self._tenant, at_us):
                return Change(State(self._tenant))
        return self._carry_out(using.pass_time, {}, "", ())

    @contextmanager
    def state(self) -> Iterator[State]:
        """Give one consistent view, in which a thing is read when it is asked for."""
        with reading(self._engine) as connection:
            lifted = self._veil(connection).lifted
            yield state_of(connection, self._seal, self._tenant, shown=lifted)

    def history(self, noun: str, id_: str, *, after: str = "", limit: int = 100) -> Sequence[Event]:
        """Give what happened to one thing, the oldest first; ``after`` is the version last seen."""
        key = self._seal.key(self._tenant, noun, id_)
        mine = GOVERNED_EVENT.c.tenant == key.tenant, GOVERNED_EVENT.c.noun == key.noun
        query = select(GOVERNED_EVENT).where(*mine, GOVERNED_EVENT.c.token == key.token)
        # Each event is one version: they are counted from 1, without a gap.
        query = query.order_by(GOVERNED_EVENT.c.n).offset(int(after or 0)).limit(limit)
        with reading(self._engine) as connection:
            shown = self._veil(connection).lifted_event
            return [shown(self._seal.open_event(row).event) for row in connection.execute(query).all()]

    def list(self, noun: str, *, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Give a page of things in the order in which they were made; ``after`` is the id last seen."""
        with reading(self._engine) as connection:
            lifted = self._veil(connection).lifted
            rows = Rows(connection, self._seal, self._tenant, noun, shown=lifted)
            return rows.after(after, limit) if noun in NOUNS else []

    def _carry_out(self, step: Step, expected: Expected, once: str, request: tuple[Any, ...]) -> Change:
        with writing(self._engine) as connection:
            take_turn(connection)
            asked = fingerprint(*request) if once else ""
            known = OnceRepo(connection, self._seal, self._tenant)
            veil = self._veil(connection)
            if once and (before := known.find(once, asked)) is not None:
                return veil.lifted_change(before)
            state = state_of(connection, self._seal, self._tenant)
            _expect(state, expected)
            at_us = self._clock()
            rules = self._rules(at_us, _policy_version(connection))
            change = step(state, at_us, rules)
            kept = veil.drawn(change)
            if kept.events:
                self._writer(connection).write(kept, at_us, rules)
            if once:
                known.forget(at_us)
                known.keep(once, asked, kept, at_us)
        return Change(State(self._tenant).put(*change.values), change.events, change.values)

    def _writer(self, connection: Connection) -> Writer:
        return Writer(connection, self._seal, self._keys.cipher, new_id=self._new_id, random=self._random)

    def _veil(self, connection: Connection) -> Veil:
        return Veil(connection, self._keys, self._random)

    def _rules(self, at_us: int, policy_version: str) -> UseRules:
        return use_rules_for(self._profile, at_us, use=self._settings, policy_version=policy_version)


def _expect(state: State, expected: Expected) -> None:
    for (noun, id_), version in expected.items():
        kind = NOUNS.get(noun)
        found = state.find(kind, id_) if kind is not None else None
        now = found.version if found is not None else 0
        if now != version:
            raise VersionConflict(noun, id_, expected=version, found=now)


def _policy_version(connection: Connection) -> str:
    """Name the applied files that a decision is taken under: the number of the newest version of any."""
    return str(connection.execute(select(func.max(POLICY_DOCUMENT.c.version))).scalar() or 0)
