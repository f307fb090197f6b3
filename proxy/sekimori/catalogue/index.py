"""Find the rule for a host name in a number of steps that depends on its labels alone.

Three kinds of rule: ``full`` is one name; ``suffix`` is a name and all under it; ``pattern`` is a name
with one label that holds a ``*``, for regions and resources (``bedrock-runtime.*.amazonaws.com``,
``*-aiplatform.googleapis.com``). A ``*`` stands for one or more characters of its own label and never
crosses a dot, so a pattern cannot widen to a shared parent.

A name of *n* labels costs at most 2 *n* dictionary probes, however many rules there are. The most exact
rule wins: full, then pattern (of two, the one whose ``*`` stands further left), then the longest suffix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from sekimori.catalogue.records import Match


class HostRule(Protocol):
    """Whatever has a host and a way to match it."""

    @property
    def host(self) -> str:
        """The name, with one ``*`` where ``match`` is ``pattern``."""

    @property
    def match(self) -> Match:
        """How the name is compared."""


def covers(rule: HostRule, name: str) -> bool:
    """Whether ``rule`` alone would match ``name``; the plain meaning that the index must agree with."""
    if rule.match == "suffix":
        return name == rule.host or name.endswith(f".{rule.host}")
    if rule.match == "full":
        return name == rule.host
    wanted, found = rule.host.split("."), name.split(".")
    return len(wanted) == len(found) and all(map(_label_fits, wanted, found))


def _label_fits(wanted: str, found: str) -> bool:
    head, star, tail = wanted.partition("*")
    if not star:
        return wanted == found
    return len(found) > len(head) + len(tail) and found.startswith(head) and found.endswith(tail)


class HostIndex[R: HostRule]:
    """A frozen set of host rules, each host and match at most once.

    ``table`` makes the dictionaries; a test passes one that counts its probes.
    """

    def __init__(self, rules: Iterable[R], *, table: Callable[[], dict[str, list[R]]] = dict) -> None:
        self._names = table()
        self._patterns = table()
        for rule in rules:
            self._add(rule)

    def _add(self, rule: R) -> None:
        if rule.match == "pattern":
            labels = rule.host.split(".")
            (at,) = (i for i, label in enumerate(labels) if "*" in label)
            self._patterns.setdefault(_starred(labels, at), []).append(rule)
            return
        known = self._names.setdefault(rule.host, [])
        if any(other.match == rule.match for other in known):
            raise ValueError(f"{rule.host} is listed twice as {rule.match}")
        # At most two stand under one name; "full" sorts first, so the more exact is met first.
        known.append(rule)
        known.sort(key=lambda entry: entry.match)

    def find(self, name: str) -> R | None:
        """Return the most exact rule for the canonical ``name``, or None."""
        here = self._names.get(name)
        if here and here[0].match == "full":
            return here[0]
        labels = name.split(".")
        return self._pattern(labels) or (here[-1] if here else None) or self._suffix(labels)

    def _pattern(self, labels: list[str]) -> R | None:
        for at, label in enumerate(labels):
            for rule in self._patterns.get(_starred(labels, at), ()):
                if _label_fits(rule.host.split(".")[at], label):
                    return rule
        return None

    def _suffix(self, labels: list[str]) -> R | None:
        for start in range(1, len(labels)):
            for rule in self._names.get(".".join(labels[start:]), ()):
                if rule.match == "suffix":
                    return rule
        return None


def _starred(labels: list[str], at: int) -> str:
    return ".".join([*labels[:at], "*", *labels[at + 1 :]])
