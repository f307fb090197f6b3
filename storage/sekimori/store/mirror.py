"""What is governed, held in memory and followed by the number of its last change.

At 200,000 grants nobody can unseal every row each time somebody acknowledges a notice. A mirror unseals all
of its nouns once and from then on only what changed; ``number`` says how far it has come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sqlalchemy import Connection

from sekimori.governance.state import Aggregate, State

Changes = Callable[[Connection, Collection[str], int], Iterable[tuple[int, Aggregate]]]
"""Gives what changed of some nouns after a number, with the numbers of the changes, in their order."""


class Mirror:
    """A copy of some nouns; for one thread, and a state taken from it holds until it follows again."""

    def __init__(self, nouns: Collection[str], changes: Changes) -> None:
        self._nouns = tuple(sorted(nouns))
        self._changes = changes
        self._tables: dict[str, dict[str, Aggregate]] = {noun: {} for noun in self._nouns}
        self.number = 0

    def follow(self, connection: Connection) -> bool:
        """Take over what changed; tell whether anything did."""
        before = self.number
        for number, aggregate in self._changes(connection, self._nouns, before):
            self._tables[aggregate.noun][aggregate.id] = aggregate
            self.number = max(self.number, number)
        return self.number != before

    @property
    def state(self) -> State:
        """Give what there is, without copying it."""
        return State(tables=self._tables)
