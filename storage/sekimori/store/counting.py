"""The archivist's chore that tells governance what the record holds: exchanges, and what people said at the gate.

Reads each lane from where it was counted to, opens what is new, and carries it out in one change together
with the cursor. It never holds the spool up: it only reads what is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, or_, select

from sekimori.errors import IntegrityError, SekimoriError
from sekimori.governance.actors import clock as the_clock
from sekimori.governance.calendar import jst_date
from sekimori.governance.change import Change
from sekimori.governance.conversation import Seen, conversation_id
from sekimori.governance.counting import FROM_NOW, Counted, Heard, begin, count, counted_to
from sekimori.governance.refusals import Forbidden
from sekimori.governance.said import KIND, SaidAnswer, owner_of, read, subject_of
from sekimori.governance.sampling import choose_sample
from sekimori.governance.state import State
from sekimori.governance.use_rules import UseRules
from sekimori.ledger.record import Intent
from sekimori.store.engine import reading
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.opening import RecordOpener
from sekimori.store.recent import Recent
from sekimori.store.tables import CONTENT, ENTRY, LANE
from sekimori.store.telling import Telling

logger = logging.getLogger(__name__)

_AT_ONCE = 500
_DAY_US = 86_400_000_000
_EVERY_US = 1_000_000
_OTHER_CLOCKS_US = 3_600_000_000
"""Machines that share a database need not agree on when a lane ended."""
EXCHANGES = frozenset({"generate", "image", "audio", "realtime", "agent"})
"""Operations that a person answers for; lists, files and page loads are not exchanges."""


class Carrier(Protocol):
    """Whoever carries a step out in one transaction: ``store.governing.Governing``."""

    def carry_out(self, step: Callable[[State, int, UseRules], Change], *, once: str = "") -> Change:
        """Carry out what no person does."""

    def state(self) -> Any:
        """Give a context in which a consistent state can be read."""


class Counting:
    """One chore: ``step`` says whether there may be more to do."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        governing: Carrier,
        *,
        clock: Callable[[], int],
        alarm: Callable[[str], None],
        sample_key: bytes,
        recent: Recent | None = None,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._governing = governing
        self._clock = clock
        self._telling = Telling(alarm)
        self._sample_key = sample_key
        self._recent = recent or Recent()
        self._cursors: dict[str, int] | None = None
        self._whole_us = 0
        self._looked_us = 0
        self._sampled = ""

    def step(self) -> bool:
        """Count some of what is new in every lane; at most once a second where there is little."""
        now = self._clock()
        if 0 <= now - self._looked_us < _EVERY_US:
            return False
        self._looked_us = now
        try:
            more = self._step(now)
        except SekimoriError as fault:
            # The archivist's first work is the record: it goes on, and somebody looks at this.
            self._telling.tell(f"What people owe can't be counted: {fault}")
            return False
        self._telling.well()
        return more

    def _step(self, now: int) -> bool:
        lanes = self._lanes()
        if self._cursors is None:
            self._cursors = self._begun(lanes)
        more = False
        for lane, last_n in lanes:
            more |= self._count(self._cursors, lane, last_n)
        self._sample(now)
        if more:
            self._looked_us = 0
        else:
            self._whole_us = now
        return more

    def _lanes(self) -> list[tuple[str, int]]:
        """Say how long each lane is; of those that ended, only what somebody may not have counted yet."""
        query = select(LANE.c.name, LANE.c.last_n).order_by(LANE.c.name)
        if self._whole_us:
            lately = LANE.c.closed_us > self._whole_us - _OTHER_CLOCKS_US
            query = query.where(or_(LANE.c.closed_us.is_(None), lately))
        with reading(self._engine) as connection:
            return [(row.name, row.last_n) for row in connection.execute(query)]

    def _begun(self, lanes: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Load the cursors; the first time everything that is there already counts as counted."""
        there = tuple(lanes)
        with self._governing.state() as state:
            known = state.find(Counted, FROM_NOW) is not None
        if not known:
            self._governing.carry_out(lambda state, at_us, rules: begin(state, there, at_us, rules))
        with self._governing.state() as state:
            return {lane: counted_to(state, lane) for lane, _ in there}

    def _count(self, cursors: dict[str, int], lane: str, last_n: int) -> bool:
        """Count one piece of a lane; say whether more of it waits."""
        after = cursors.get(lane)
        if after is None:
            with self._governing.state() as state:
                after = cursors[lane] = counted_to(state, lane)
        if after >= last_n:
            return False
        upto = min(last_n, after + _AT_ONCE)
        with reading(self._engine) as connection:
            seen, heard = self._read(connection, lane, after, upto)
        if seen or heard:
            done = self._governing.carry_out(
                lambda state, at_us, rules: count(
                    state, lane, after, upto, seen, heard, at_us, rules, dropped=_dropped
                )
            )
            if not done.events:
                del cursors[lane]  # another machine was first: look again where it was counted to
                return True
        cursors[lane] = upto
        return upto < last_n

    # --- reading -----------------------------------------------------------------------------

    def _read(
        self, connection: Connection, lane: str, after: int, upto: int
    ) -> tuple[list[Seen], list[Heard]]:
        seen: dict[str, Seen] = {}
        recent = self._recent.take(lane, after, upto)
        if recent is None or any(map(_is_said, recent)):
            # What was said comes with a text, which is only in the database.
            heard = self._opened(connection, lane, after, upto, seen)
            return list(seen.values()), heard
        for intent in filter(_is_exchange, recent):
            _add(seen, intent)
        return list(seen.values()), []

    def _opened(
        self, connection: Connection, lane: str, after: int, upto: int, seen: dict[str, Seen]
    ) -> list[Heard]:
        query = select(ENTRY).where(
            ENTRY.c.lane == lane, ENTRY.c.n > after, ENTRY.c.n <= upto, ENTRY.c.kind == "intent"
        )
        rows = connection.execute(query.order_by(ENTRY.c.n)).all()
        holding = Holding(connection, self._keys)
        opener = RecordOpener(holding)
        opener.expect([row.rid for row in rows])
        heard: list[Heard] = []
        for row in rows:
            try:
                kept = opener.entry(row)
            except IntegrityError:
                continue  # ``verify`` names it
            if kept is None or not isinstance(kept.entry, Intent):
                continue
            intent = kept.entry
            if _is_said(intent):
                heard += self._heard(connection, holding, opener, row, intent, rebuilt=kept.manifest)
            elif _is_exchange(intent):
                _add(seen, intent)
        return heard

    def _heard(
        self,
        connection: Connection,
        holding: Holding,
        opener: RecordOpener,
        row: Any,
        intent: Intent,
        *,
        rebuilt: bool,
    ) -> list[Heard]:
        try:
            entry = read(intent.details[0])
        except (IndexError, msgspec.DecodeError):
            logger.warning("what was said in record %s can't be read", intent.rid)
            return []
        text = b""
        if isinstance(entry, SaidAnswer) and intent.body.size:
            text = self._text(connection, holding, opener, row, rebuilt=rebuilt)
        subject = subject_of(intent.user, intent.user_source)
        owner = owner_of(intent.user, intent.user_source)
        told = text.decode("utf-8", "replace")
        return [Heard(intent.rid, subject, intent.time_us, entry, told, owner)]

    def _text(
        self, connection: Connection, holding: Holding, opener: RecordOpener, row: Any, *, rebuilt: bool
    ) -> bytes:
        if rebuilt:
            return holding.deduper.load(row.rid) or b""
        query = select(CONTENT).where(CONTENT.c.lane == row.lane, CONTENT.c.n == row.n)
        found = connection.execute(query).first()
        return b"" if found is None else opener.content(found) or b""

    # --- the daily sample --------------------------------------------------------------------

    def _sample(self, now: int) -> None:
        """Once a day is over, draw what the owners of agents answer for."""
        day = jst_date(now - _DAY_US)
        if self._sampled == day.isoformat():
            return
        key = self._sample_key
        self._governing.carry_out(
            lambda state, at_us, rules: choose_sample(state, key, day, the_clock(state.tenant), at_us, rules)
        )
        self._sampled = day.isoformat()


def _is_said(intent: Intent) -> bool:
    return intent.kind == KIND and intent.rule == "gate"


def _is_exchange(intent: Intent) -> bool:
    answered = intent.decision == "allow" and bool(intent.user and intent.service)
    return answered and intent.kind in EXCHANGES and intent.mode in ("http", "turn")


def _add(seen: dict[str, Seen], intent: Intent) -> None:
    named = intent.conversation or (intent.session if intent.mode == "turn" else "")
    subject = subject_of(intent.user, intent.user_source)
    key = conversation_id(subject, intent.service, intent.time_us, named)
    before = seen.get(key)
    if before is None:
        owner = owner_of(intent.user, intent.user_source)
        at_us = intent.time_us
        seen[key] = Seen(subject, intent.service, 1, at_us, at_us, conversation=named, owner=owner)
        return
    seen[key] = msgspec.structs.replace(
        before,
        exchanges=before.exchanges + 1,
        first_us=min(before.first_us, intent.time_us),
        last_us=max(before.last_us, intent.time_us),
    )


def _dropped(heard: Heard, refused: Forbidden) -> None:
    logger.warning("what was said in record %s is not carried out: %s", heard.id, refused.code)
