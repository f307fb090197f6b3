"""Events become statements: each gets a leaf of the archivist's and a place in its tree, once.

The event's id is the statement's. Who inserts the statement speaks of it in the super-log, too: a node never
speaks of another's. Only when that is published does the event count as stated, so a crash in between
repeats what is not there yet and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, text

from sekimori.ledger.envelope import encode_envelope
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.engine import writing
from sekimori.store.events import EventRepo, Noted
from sekimori.store.placing import Place, place, series_of
from sekimori.store.rows import Cipher
from sekimori.store.tables import EVENT, STATEMENT, TREE

_AT_ONCE = 200
_LOOK_AGAIN = 64
"""Looks after which altered events are opened once more: one may have been put right."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Events of this node that stand in its tree, and the leaves that are new there."""

    noted: tuple[Noted, ...] = ()
    place: Place | None = None
    leaves: tuple[bytes, ...] = field(default=())


class Stating:
    """Turns one node's share of the events into statements."""

    def __init__(
        self,
        engine: Engine,
        cipher: Cipher,
        signing: LeafSigner,
        node: str,
        alarm: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._signing = signing
        self._node = node
        self._alarm = alarm
        self._altered: set[str] = set()
        self._left = self._looks = 0

    def is_anything_ordered(self, connection: Connection) -> bool:
        """Tell whether an event waits to be stated; altered ones wait for ever and are counted, not opened."""
        waiting = select(func.count()).select_from(EVENT).where(text("NOT placed"))
        count: int = connection.execute(waiting).scalar_one()
        self._looks += 1
        return count != self._left if self._looks % _LOOK_AGAIN else count > 0

    def step(self, now_us: int) -> Stated:
        """State what waits and return what the super-log is to say, before ``done``."""
        with writing(self._engine) as connection:
            waiting, altered = EventRepo(connection, self._cipher).waiting(_AT_ONCE)
            self._name(altered)
            nodes = self._nodes(connection, [noted.id for noted in waiting])
            mine = tuple(noted for noted in waiting if nodes.get(noted.id, self._node) == self._node)
            new = [noted for noted in mine if noted.id not in nodes]
            if not new:
                return Stated(mine)
            at = place(connection, series_of("", self._node), len(new), node=self._node, now_us=now_us)
            rows = [self._row(noted, at.tree, idx) for idx, noted in enumerate(new, at.first)]
            connection.execute(insert(STATEMENT), rows)
        return Stated(mine, at, tuple(row["leaf"] for row in rows))

    def done(self, stated: Stated) -> None:
        """Say that the super-log speaks of these events."""
        with writing(self._engine) as connection:
            EventRepo(connection, self._cipher).mark_placed([noted.id for noted in stated.noted])

    def _name(self, altered: dict[str, str]) -> None:
        """Tell of each event once; it stays as it is, for ``verify`` to name it."""
        self._left = len(altered)
        for event, why in altered.items():
            if event not in self._altered:
                self._altered.add(event)
                self._alarm(f"Event {event} was altered and is not stated: {why}")

    def _nodes(self, connection: Connection, ids: list[str]) -> dict[str, str]:
        """Return who stated these events already."""
        query = select(STATEMENT.c.id, TREE.c.node).join(TREE, TREE.c.name == STATEMENT.c.tree, isouter=True)
        rows = connection.execute(query.where(STATEMENT.c.id.in_(ids)))
        # One that lost its place in a fork belongs to whoever gives it the next.
        return {row.id: row.node or self._node for row in rows}

    def _row(self, noted: Noted, tree: str, idx: int) -> dict[str, Any]:
        envelope = encode_envelope(
            {**noted.said, "k": noted.kind, "lane": tree, "n": idx, "t": noted.time_us, "v": 1}
        )
        return {
            "id": noted.id,
            "tree": tree,
            "idx": idx,
            "kind": noted.kind,
            "time_us": noted.time_us,
            "envelope": envelope,
            "leaf": self._signing.sign(envelope),
        }
