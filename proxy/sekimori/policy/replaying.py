"""What another policy would have said to requests that were decided already. Pure.

A record does not hold everything that a decision hung on: not a stated type of information, and of the
classes only the result. So each request is first decided again under the policy that decided it; only what
then comes out as it was recorded is put to the other one, and the rest is counted apart and not guessed.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sekimori.policy.decide import Decision, decide
from sekimori.policy.facts import Facts
from sekimori.policy.snapshot import Snapshot

_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as its record has it: the facts, the verdict, and which policy gave it."""

    rid: str
    facts: Facts
    verdict: str
    policy: str


@dataclass(frozen=True, slots=True)
class Turned:
    """A request that the other policy decides otherwise."""

    rid: str
    time_us: int
    user: str
    service: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Replayed:
    """What came of it; ``users`` counts by user and service who would be allowed, or refused, more."""

    requests: int = 0
    same: int = 0
    unsaid: int = 0
    allowed: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    users: dict[str, Counter[tuple[str, str]]] = field(
        default_factory=lambda: {"allow": Counter(), "deny": Counter()}
    )
    examples: dict[str, list[Turned]] = field(default_factory=lambda: {"allow": [], "deny": []})


def replay(recorded: Iterable[Recorded], then: Callable[[str], Snapshot | None], other: Snapshot) -> Replayed:
    """Put every request to ``other``; ``then`` finds the policy of a hash."""
    found = Replayed()
    for each in recorded:
        found.requests += 1
        before = then(each.policy)
        if before is None or decide(_at(each.facts, before), before).verdict != each.verdict:
            found.unsaid += 1
            continue
        _weigh(found, each, decide(_at(each.facts, other), other))
    return found


def _at(facts: Facts, snapshot: Snapshot) -> Facts:
    """Give the facts with the service that this policy has at the host."""
    entry = snapshot.service_of(facts.host, facts.model)
    return dataclasses.replace(facts, service=entry.id if entry is not None else facts.service)


def _weigh(found: Replayed, each: Recorded, decision: Decision) -> None:
    if decision.verdict == each.verdict:
        found.same += 1
        return
    if decision.verdict == "allow":
        found.allowed += 1
    else:
        found.refused += 1
        found.reasons[decision.reasons[0].code.value] += 1
    user, service = each.facts.user or "", decision.service or each.facts.host
    found.users[decision.verdict][user, service] += 1
    if len(found.examples[decision.verdict]) < _EXAMPLES:
        reasons = tuple(finding.code.value for finding in decision.reasons)
        found.examples[decision.verdict].append(
            Turned(each.rid, each.facts.time_us, user, service, decision.verdict, reasons)
        )
