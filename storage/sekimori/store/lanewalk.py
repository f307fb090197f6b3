"""Walk a stretch of one lane, entry by entry, and say of each whether it is as it was written.

Reads forward in pieces, so that memory stays flat however long the lane. For each entry: its envelope is
canonical and stands where it says; its leaf is the leaf of that envelope, by a writer who is known; the
entry opens under its record's key and is what the envelope commits to, with the exact bytes of its body; what
lies in the database is what the archivist stated when it stored it. Most pass at once (``verifying.proof``),
the others are looked at closely. What was derived from them (``verifying.index``) comes last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, select

from sekimori.store.tables import CONTENT, ENTRY
from sekimori.store.verifying.bulk import Stream
from sekimori.store.verifying.closely import CloseLook
from sekimori.store.verifying.entry import ENTRY_COLUMNS, Entry, View
from sekimori.store.verifying.faults import Fault, Gap, Stretch, Verdict
from sekimori.store.verifying.index import Index, IndexCheck, by_name, records_of
from sekimori.store.verifying.opening import Keys
from sekimori.store.verifying.proof import Content, EntryRow, Prover
from sekimori.store.verifying.statements import hashes_of

__all__ = ["Fault", "LaneTask", "LaneWalk", "Stretch", "View"]

AT_ONCE = 1000
"""Entries of which index, tokens and links are compared together."""
_AT_A_TIME = 100
_TWICE = 2
_N: Final = 1
_RID: Final = 2
"""Where a row of ``entry`` has them."""
_KEPT = 4096
"""Records whose opened keys are kept for the entries to come: an outcome follows its intent."""
_CONTENT = (
    CONTENT.c.n,
    CONTENT.c.rid,
    CONTENT.c.time_us,
    CONTENT.c.part,
    CONTENT.c.sealed_sha256,
    CONTENT.c.sealed,
)


@dataclass(frozen=True, slots=True)
class LaneTask:
    """Entries ``first`` to ``last`` of a lane; ``statements`` names those that tell what was stored of them.

    ``counted`` tells that the lane's sealed figures are believable: without them no number is missing.
    """

    lane: str
    first: int
    last: int
    counted: bool = True
    statements: tuple[str, ...] = ()


class LaneWalk:
    """Checks the entries of one stretch with all that hangs on them."""

    def __init__(self, view: View, task: LaneTask) -> None:
        self._view = view
        self._task = task
        self._connection = view.connection
        self._lane = task.lane
        self._next = task.first
        self._keys = Keys()
        self._found = Stretch()
        stated = hashes_of(view.connection, task.statements, task.first, task.last)
        self._prover = Prover(view, task.lane, stated)
        self._closely = CloseLook(view, task.lane, stated)

    def run(self) -> Iterator[Stretch]:
        """Yield, piece by piece, what was found."""
        rows = self._rows(ENTRY, ENTRY_COLUMNS)
        contents = self._rows(CONTENT, _CONTENT)
        bodies = _Bodies(iter(contents))
        try:
            while self._piece(rows, bodies):
                yield self._taken()
        finally:
            rows.close()
            contents.close()
        self._missing_up_to(self._task.last)
        yield self._taken()

    def _rows(self, table: Table, columns: Sequence[Any]) -> Stream:
        here = (table.c.lane == self._lane, table.c.n.between(self._task.first, self._task.last))
        return Stream(self._connection, select(*columns).where(*here).order_by(table.c.n))

    def _piece(self, rows: Stream, bodies: _Bodies) -> bool:
        """Look at the next entries, few at a time: what was just read is still close to the processor."""
        if len(self._keys.living) > _KEPT:
            self._keys = Keys()
        self._view.manifests.known.clear()
        piece: list[Entry] = []
        while self._found.entries < AT_ONCE and (some := rows.take(_AT_A_TIME)):
            self._found.entries += len(some)
            piece += self._look(self._numbered(some), bodies)
        if self._view.index and piece:
            self._index(piece)
        self._conclude(piece)
        return self._found.entries > 0

    def _look(self, rows: Sequence[EntryRow], bodies: _Bodies) -> list[Entry]:
        """Return the entries that are asked more: all where the index is, else those that were not proven."""
        keys, proven, living, all_of_them = (
            self._keys,
            self._prover.proven,
            self._keys.living,
            self._view.index,
        )
        unknown = {row[_RID] for row in rows if row[_RID] not in living}
        index: Mapping[str, Index] = {}
        if unknown:
            self._view.opener.open(unknown, keys)
            # The index tells of those whose key is gone which class they were of.
            index, twice = records_of(self._connection, [rid for rid in unknown if rid not in living])
            self._found.faults += twice
        asked: list[Entry] = []
        for row in rows:
            rid = row[_RID]
            there = bodies.of(row[_N])
            record = living.get(rid)
            proof = None
            if record is not None and len(there) < _TWICE:
                proof = proven(row, record, there[0] if there else None)
            if proof is not None and not all_of_them:
                continue
            entry = Entry(*row)
            if proof is not None:
                entry.kept, entry.said, entry.links = proof
            else:
                self._closely.at(entry, keys, by_name(index.get(rid)), there, self._found)
            asked.append(entry)
        self._found.verdicts[Verdict.VERIFIED] += len(rows) - len(asked)
        return asked

    def _index(self, piece: Sequence[Entry]) -> None:
        records, twice = records_of(self._connection, {entry.rid for entry in piece})
        self._found.faults += twice
        IndexCheck(self._view, piece, records).run(self._keys)

    def _conclude(self, entries: Sequence[Entry]) -> None:
        """Count what is true of entries that were looked at."""
        found, whole = self._found, 0
        for entry in entries:
            if entry.faults or entry.gone:
                found.verdicts[entry.verdict] += 1
                found.faults += entry.faults
            else:
                whole += 1
        found.verdicts[Verdict.VERIFIED] += whole

    def _taken(self) -> Stretch:
        found, self._found = self._found, Stretch()
        return found

    # --- numbers ---------------------------------------------------------------------------------

    def _numbered(self, rows: list[EntryRow]) -> list[EntryRow]:
        """Name numbers that are missing, and leave out those that stand twice."""
        if [row[_N] for row in rows] == list(range(self._next, self._next + len(rows))):
            self._next += len(rows)
            return rows
        return list(self._in_order(rows))

    def _in_order(self, rows: Sequence[EntryRow]) -> Iterator[EntryRow]:
        for row in rows:
            n = row[_N]
            if n < self._next:
                # Only where the months of a lane lie apart can one number stand twice.
                twice = Fault("entry", f"{self._lane}/{n}", "extra", "the lane has this number twice")
                self._found.faults.append(twice)
                continue
            if n > self._next:
                self._missing_up_to(n - 1)
            self._next = n + 1
            yield row

    def _missing_up_to(self, n: int) -> None:
        first, self._next = self._next, max(self._next, n + 1)
        if first <= n and self._task.counted:
            self._found.gaps.append(Gap(self._lane, first, n))
            self._found.verdicts[Verdict.MISSING] += n - first + 1


class _Bodies:
    """What is stored of the bodies, in the order of their numbers; one at a time, they may be large."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self._at: Content | None = next(rows, None)

    def of(self, n: int) -> tuple[Content, ...]:
        """Return the rows of one number; to be asked in their order. Those of no entry are passed over."""
        at = self._at
        found: tuple[Content, ...] = ()
        while at is not None and at[0] <= n:
            if at[0] == n:
                found = (*found, at)
            at = next(self._rows, None)
        self._at = at
        return found
