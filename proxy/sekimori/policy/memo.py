"""Decisions that were taken before: the same facts on the same day in Japan under the same snapshot and standing.

Every boundary that a decision knows (periods, contracts) is a midnight in Japan, so within a day the time
says nothing new; ``decide`` stays the only place where a decision comes from. A conversation asks the same
question with every turn.
"""

from __future__ import annotations

from sekimori.policy.decide import Decision, decide
from sekimori.policy.facts import Facts
from sekimori.policy.period import day_of
from sekimori.policy.snapshot import Snapshot
from sekimori.policy.standing import EMPTY, Standing

_KEPT = 2048
_LONG = 200
_FIELDS = tuple(name for name in Facts.__slots__ if name != "time_us")

_Key = tuple[object, ...]


class Memo:
    """Remembers decisions under one snapshot and standing at a time; for several threads, which may decide twice."""

    def __init__(self) -> None:
        # One value, replaced whole: what a thread takes out of it always belongs together.
        self._held: tuple[Snapshot | None, Standing, dict[_Key, Decision]] = (None, EMPTY, {})

    def decide(self, facts: Facts, snapshot: Snapshot, standing: Standing = EMPTY) -> Decision:
        """Return what ``decide`` returns."""
        under, stood, taken = self._held
        if under is not snapshot or stood is not standing or len(taken) >= _KEPT:
            taken = {}
            self._held = (snapshot, standing, taken)
        key = _key(facts)
        found = taken.get(key)
        if found is None:
            found = decide(facts, snapshot, standing)
            # What a client may make as long as it likes is decided each time and not kept.
            if all(len(text) <= _LONG for text in (facts.model or "", facts.purpose or "", facts.host)):
                taken[key] = found
        return found


def _key(facts: Facts) -> _Key:
    return (day_of(facts.time_us), *[getattr(facts, name) for name in _FIELDS])
