"""State machines as data: what may follow what, who may do it, and what is asked first.

A ``Transition`` is a row of a table; ``Machine.move`` finds the row for a status and a verb, asks the
role, then the guards in their order, and gives the status that follows. The diagrams of the
documentation are drawn from the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sekimori.governance.actors import Actor
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.state import Aggregate, State

START = ""


@dataclass(frozen=True, slots=True)
class Case[A: Aggregate]:
    """A command beside what it is about: all that a guard may look at."""

    state: State
    subject: A
    command: Any
    actor: Actor
    at_us: int
    rules: Rules


Guard = Callable[[Case[Any]], None]
Condition = Callable[[Case[Any]], bool]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: from where, by which verb, to where; ``when`` chooses between rows of one verb."""

    source: str
    verb: str
    target: str
    guards: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    when: str = ""


class Machine:
    """The life of one kind of aggregate."""

    def __init__(
        self,
        noun: str,
        rows: Sequence[Transition],
        guards: Mapping[str, Guard],
        conditions: Mapping[str, Condition] | None = None,
    ) -> None:
        self.noun = noun
        self.rows = tuple(rows)
        self.guards = dict(guards)
        self.conditions = dict(conditions or {})
        unknown = {name for row in rows for name in row.guards} - guards.keys()
        unknown |= {row.when for row in rows if row.when} - self.conditions.keys()
        if unknown:
            raise ValueError(f"{noun}: nobody knows {', '.join(sorted(unknown))}")

    @property
    def states(self) -> tuple[str, ...]:
        """List every status, in the order in which the table names them."""
        named = [name for row in self.rows for name in (row.source, row.target) if name]
        return tuple(dict.fromkeys(named))

    @property
    def verbs(self) -> tuple[str, ...]:
        """List every verb, in the order of the table."""
        return tuple(dict.fromkeys(row.verb for row in self.rows))

    def move(self, verb: str, case: Case[Any]) -> str:
        """Give the status that follows, or raise ``Forbidden``."""
        if case.actor.tenant != case.state.tenant or case.subject.tenant != case.state.tenant:
            raise refuse("other-tenant")
        row = self._row(verb, case)
        if row.roles and not case.actor.has(*row.roles):
            raise refuse("role", roles=", ".join(row.roles))
        for name in row.guards:
            self.guards[name](case)
        return row.target

    def _row(self, verb: str, case: Case[Any]) -> Transition:
        for row in self.rows_of(case.subject.status, verb):
            if not row.when or self.conditions[row.when](case):
                return row
        raise refuse("transition", status=case.subject.status or "new", verb=verb)

    def rows_of(self, status: str, verb: str) -> Iterator[Transition]:
        """Walk the rows of one cell."""
        return (row for row in self.rows if row.source == status and row.verb == verb)

    def diagram(self) -> str:
        """Draw the table as a mermaid state diagram."""
        lines = ["stateDiagram-v2"]
        for row in self.rows:
            when = f" [{row.when.replace('_', ' ')}]" if row.when else ""
            lines.append(f"    {row.source or '[*]'} --> {row.target}: {row.verb}{when}")
        ends = [name for name in self.states if not any(row.source == name for row in self.rows)]
        return "\n".join([*lines, *(f"    {name} --> [*]" for name in ends)])
