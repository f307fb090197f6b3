"""The daily sample: of what an agent did on a day, its owner answers on some conversations.

Which ones is decided by a keyed hash once the day is over, so that neither agent nor owner knows
beforehand and anybody with the key can check afterwards. There is at least one a day and service.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import date

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.calendar import jst_date, jst_us
from sekimori.governance.change import Change, Changing
from sekimori.governance.conversation import MACHINE, Conversation
from sekimori.governance.machine import Case
from sekimori.governance.refusals import refuse
from sekimori.governance.state import State
from sekimori.governance.use_rules import UseRules
from sekimori.policy.people import canonical_name

_DAY_US = 86_400_000_000


def rank(key: bytes, agent: str, conversation: str, day: date) -> bytes:
    """Give the place of a conversation in the draw of a day; the lowest are drawn."""
    named = msgspec.json.encode([canonical_name(agent), conversation, day.isoformat()])
    return hmac.digest(key, b"sample\0" + named, "sha256")


def drawn(key: bytes, agent: str, ids: Iterable[str], day: date, per_mille: int) -> tuple[str, ...]:
    """Draw from an agent's conversations: the share, rounded up."""
    ranked = sorted(set(ids), key=lambda id_: rank(key, agent, id_, day))
    return tuple(ranked[: -(-len(ranked) * per_mille // 1000)])


def choose_sample(state: State, key: bytes, day: date, actor: Actor, at_us: int, rules: UseRules) -> Change:
    """Put the sample of a day that is over to the owners; ``actor`` is the clock. Again, it adds nothing."""
    if at_us < jst_us(day) + _DAY_US:
        raise refuse("period")
    changing = Changing(state, actor, at_us)
    for (agent, _), talks in _by_agent(state, day).items():
        for id_ in drawn(key, agent, talks, day, rules.feedback.sample_per_mille):
            _sample(changing, talks[id_], day, actor, at_us, rules)
    return changing.done()


def _by_agent(state: State, day: date) -> dict[tuple[str, str], dict[str, Conversation]]:
    found: dict[tuple[str, str], dict[str, Conversation]] = {}
    for talk in state.all(Conversation):
        if talk.owner and jst_date(talk.first_us) <= day <= jst_date(talk.last_us):
            found.setdefault((canonical_name(talk.subject), talk.service), {})[talk.id] = talk
    return found


def _sample(
    changing: Changing, talk: Conversation, day: date, actor: Actor, at_us: int, rules: UseRules
) -> None:
    if talk.sampled_day >= day.isoformat():
        return
    status = MACHINE.move("sample", Case(changing.state, talk, None, actor, at_us, rules))
    since = talk.sampled_us or at_us
    changing.edit("sample", talk, status=status, sampled_us=since, sampled_day=day.isoformat())
