"""How much feedback there is, by service and month: how many owed it, who gave it, what they said.

What an agent says is counted beside what people say, never with it; a conversation that was covered by
the one click on an overdue page counts as covered, not as answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from sekimori.governance.conversation import Conversation
from sekimori.governance.feedback import Feedback


class FeedbackRate(msgspec.Struct, frozen=True):
    """The feedback on one service from ``start_us`` up to ``end_us``; ``answers`` are those of people."""

    service: str
    conversations: int
    answered: int
    covered: int
    answers: Mapping[str, int]
    by_agents: Mapping[str, int]

    @property
    def percent(self) -> int:
        """Give the share of conversations on which somebody answered for themself, rounded down."""
        return 100 * self.answered // self.conversations if self.conversations else 100


def feedback_rates(
    conversations: Iterable[Conversation], given: Iterable[Feedback], start_us: int, end_us: int
) -> tuple[FeedbackRate, ...]:
    """Count the conversations begun in a span and the answers on them, service by service."""
    begun: dict[str, dict[str, Conversation]] = {}
    for talk in conversations:
        if start_us <= talk.first_us < end_us and not talk.owner:
            begun.setdefault(talk.service, {})[talk.id] = talk
    people: dict[str, Counter[str]] = {}
    agents: dict[str, Counter[str]] = {}
    answered: dict[str, set[str]] = {}
    for each in given:
        if each.source == "agent":
            if start_us <= each.at_us < end_us:
                agents.setdefault(each.service, Counter())[each.answer] += 1
        elif each.conversation in begun.get(each.service, {}):
            people.setdefault(each.service, Counter())[each.answer] += 1
            answered.setdefault(each.service, set()).add(each.conversation)
    return tuple(
        FeedbackRate(
            service,
            len(begun.get(service, {})),
            len(answered.get(service, ())),
            sum(1 for each in begun.get(service, {}).values() if each.covered_by),
            dict(people.get(service, {})),
            dict(agents.get(service, {})),
        )
        for service in sorted({*begun, *agents})
    )
