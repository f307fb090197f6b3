"""Where a leaf goes: the names of the trees, and the next free place in each.

A tree belongs to one node, one slot and one quarter: ``gate-<node>-<slot>-<YYYYQn>`` for what a gate
worker wrote, ``archive-<node>-<YYYYQn>`` for what the archivist and commands say themselves. A tree that
was given up with ``fork`` is followed by one whose name ends in ``-2``, ``-3`` and so on.

The quarter is that of the calendar in Japan at the moment when the place is given, not when the entry
was written: so a tree is complete as soon as its quarter is over. Places are given in the transaction
that stores the row, under the lock of the tree's own row: no two leaves get one, and none is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count as counting

from sqlalchemy import Connection, select, update

from sekimori.errors import IntegrityError
from sekimori.store.bulk import insert_absent
from sekimori.store.tables import TREE

GATE, ARCHIVE = "gate", "archive"

_JAPAN = timezone(timedelta(hours=9))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORKER = re.compile(r"w(?P<slot>[0-9]+)-.+")
_OWN = ("archivist-", "readings-", "web-", "archive-")
_NAME = re.compile(
    r"(?P<series>(?:gate|archive)-[A-Za-z0-9._-]+?)-(?P<quarter>\d{4}Q[1-4])(?:-(?P<turn>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """The first of some places that follow one another in a tree."""

    tree: str
    first: int


@dataclass(frozen=True, slots=True)
class TreeName:
    """A tree's name in its parts; ``turn`` counts from 1 how often it was begun anew."""

    series: str
    quarter: str
    turn: int = 1

    def __str__(self) -> str:
        return f"{self.series}-{self.quarter}" + (f"-{self.turn}" if self.turn > 1 else "")

    @property
    def kind(self) -> str:
        """Say whose leaves it holds: a gate's or the archivist's."""
        return self.series.partition("-")[0]


def parse_name(name: str) -> TreeName:
    """Read what ``str`` gave; raises IntegrityError on any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise IntegrityError(f"{name!r} is not the name of a tree.")
    return TreeName(match["series"], match["quarter"], int(match["turn"] or 1))


def quarter_of(time_us: int) -> str:
    """Name the quarter of the year, as the calendar in Japan has it."""
    day = (_EPOCH + timedelta(microseconds=time_us)).astimezone(_JAPAN)
    return f"{day.year}Q{(day.month + 2) // 3}"


def series_of(lane: str, node: str) -> str:
    """Say which trees take the entries of a lane; the empty lane is the archivist's own statements."""
    if not lane or lane.startswith(_OWN):
        return f"{ARCHIVE}-{node}"
    worker = _WORKER.fullmatch(lane)
    return f"{GATE}-{node}-{worker['slot'] if worker else 0}"


def place(connection: Connection, series: str, count: int, *, node: str, now_us: int) -> Place:
    """Give ``count`` places away in the present tree of a series; the row stays locked to the end."""
    for turn in counting(1):
        name = str(TreeName(series, quarter_of(now_us), turn))
        first = _take(connection, name, count)
        if first is None and not _is_there(connection, name):
            parse_name(name)
            row = {"name": name, "node": node, "kind": series.partition("-")[0], "next_idx": 0}
            insert_absent(connection, TREE, [row | {"opened_us": now_us, "closed_us": None}])
            first = _take(connection, name, count)
        if first is not None:
            return Place(name, first)
    raise AssertionError("unreachable")


def next_name(connection: Connection, series: str, now_us: int, *, after: str) -> str:
    """Say which tree goes on for one that is given up."""
    for turn in counting(1):
        name = str(TreeName(series, quarter_of(now_us), turn))
        closed = connection.execute(select(TREE.c.closed_us).where(TREE.c.name == name)).first()
        if name != after and (closed is None or closed[0] is None):
            return name
    raise AssertionError("unreachable")


def _take(connection: Connection, name: str, count: int) -> int | None:
    """Move the counter of an open tree; None where there is no such tree or it is closed."""
    change = (
        update(TREE)
        .where(TREE.c.name == name, TREE.c.closed_us.is_(None))
        .values(next_idx=TREE.c.next_idx + count)
        .returning(TREE.c.next_idx)
    )
    after = connection.execute(change).scalar()
    return None if after is None else after - count


def _is_there(connection: Connection, name: str) -> bool:
    return connection.execute(select(TREE.c.name).where(TREE.c.name == name)).first() is not None
