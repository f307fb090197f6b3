"""How far the published checkpoints must have come to cover what is stored, and whether they have.

Nobody is asked: the files that everybody sees are looked at until they say enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import Value, decode_envelope
from sekimori.ledger.tlog.checkpoint import parse_checkpoint
from sekimori.ledger.tlog.note import parse_note
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.store.exporting.logs import Log, open_log
from sekimori.store.tables import ENTRY, EVENT, LANE, STATEMENT, TREE
from sekimori.store.verifying.memories import Outside, is_super


@dataclass(frozen=True, slots=True)
class Goal:
    """What is stored: how many leaves each tree of this node has, and what has no place yet.

    Of one that was given up those count that it still holds: the others have places in the tree that goes on.
    ``growing`` are those that the super-log still speaks of; ``elsewhere`` names the trees whose files lie
    on other machines.
    """

    sizes: Mapping[str, int]
    growing: frozenset[str]
    unplaced: int
    elsewhere: tuple[str, ...]


def goal_of(connection: Connection, node: str) -> Goal:
    """Ask the database what is to be covered."""
    rows = connection.execute(select(TREE.c.name, TREE.c.node, TREE.c.next_idx, TREE.c.closed_us)).all()
    mine = select(LANE.c.name).where(or_(LANE.c.node == "", LANE.c.node == node))
    waits = and_(ENTRY.c.idx.is_(None), func.length(ENTRY.c.leaf) > 0, ENTRY.c.lane.in_(mine))
    waiting = connection.execute(select(func.count()).select_from(ENTRY).where(waits)).scalar_one()
    for query in (STATEMENT.c.idx.is_(None), EVENT.c.placed.is_(False)):
        waiting += connection.execute(select(func.count()).where(query)).scalar_one()
    return Goal(
        {row.name: size for row in rows if row.node == node and (size := _leaves(connection, row))},
        frozenset(row.name for row in rows if row.node == node and row.closed_us is None),
        waiting,
        tuple(sorted(row.name for row in rows if row.node != node)),
    )


def _leaves(connection: Connection, row: Any) -> int:
    if row.closed_us is None:
        return int(row.next_idx)
    held = 0
    for table in (ENTRY, STATEMENT):
        last = connection.execute(select(func.max(table.c.idx)).where(table.c.tree == row.name)).scalar()
        held = max(held, 0 if last is None else last + 1)
    return held


def missing(goal: Goal, outside: Outside) -> int:
    """Say how many leaves no checkpoint covers yet, the super-log's among them."""
    told = _told(outside, goal.growing & goal.sizes.keys())
    lacking = goal.unplaced
    for name, size in goal.sizes.items():
        log = open_log(outside, name) if name in outside.logs else None
        covered = log.size if log else 0
        lacking += max(0, size - (min(covered, told.get(name, 0)) if name in goal.growing else covered))
    return lacking


def newest_super(outside: Outside) -> str | None:
    """Name the super-log that is kept now; None before the first was begun."""
    names = sorted((name for name in outside.logs if is_super(name)), key=lambda name: (len(name), name))
    return names[-1] if names else None


def _told(outside: Outside, wanted: AbstractSet[str]) -> dict[str, int]:
    """Return how far the super-log says that these trees got; the newest leaves say it."""
    name = newest_super(outside)
    log: Log | None = open_log(outside, name) if name else None
    told: dict[str, int] = {}
    stop = log.size if log else 0
    while log is not None and stop and not wanted <= told.keys():
        start = (stop - 1) // WIDTH * WIDTH
        for envelope in reversed(log.shelf.envelopes(log.size, start, stop)):
            fields: dict[str, Value] = decode_envelope(envelope)
            note = fields.get("note")
            if isinstance(note, str):
                told.setdefault(str(fields["of"]), _size(note))
        stop = start
    return told


def _size(note: str) -> int:
    try:
        return parse_checkpoint(parse_note(note.encode()).text).size
    except IntegrityError:
        return 0
