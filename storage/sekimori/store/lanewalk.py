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

from sqlalchemy import select

from sekimori.store.tables import CONTENT, ENTRY
from sekimori.store.verifying.bulk import each_of, rows_of
from sekimori.store.verifying.closely import CloseLook
from sekimori.store.verifying.entry import ENTRY_COLUMNS, Entry, View
from sekimori.store.verifying.faults import Fault, Gap, Stretch, Verdict
from sekimori.store.verifying.index import Index, IndexCheck, by_name, records_of
from sekimori.store.verifying.opening import Keys
from sekimori.store.verifying.proof import Content, Prover
from sekimori.store.verifying.statements import hashes_of

__all__ = ["Fault", "LaneTask", "LaneWalk", "Stretch", "View"]

AT_ONCE = 1000
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
        self._stated = hashes_of(view.connection, task.statements, task.first, task.last)
        self._prover = Prover(view, task.lane, self._stated)

    def run(self) -> Iterator[Stretch]:
        """Yield, piece by piece, what was found."""
        at = self._task.first
        while entries := self._piece(at):
            yield self._check(entries)
            at = entries[-1].n + 1
        tail = Stretch()
        self._missing_up_to(self._task.last, tail)
        yield tail

    def _piece(self, first: int) -> list[Entry]:
        here = (ENTRY.c.lane == self._lane, ENTRY.c.n.between(first, self._task.last))
        query = select(*ENTRY_COLUMNS).where(*here).order_by(ENTRY.c.n).limit(AT_ONCE)
        return [Entry(*row) for row in rows_of(self._connection, query)]

    def _check(self, rows: Sequence[Entry]) -> Stretch:
        found = Stretch(entries=len(rows))
        entries = list(self._numbered(rows, found))
        rids = list(dict.fromkeys([entry.rid for entry in entries]))
        keys = self._view.opener.open(rids)
        # The index tells of those whose key is gone which class they were of.
        wanted = rids if self._view.index else [rid for rid in rids if rid not in keys.living]
        index, twice = records_of(self._connection, wanted)
        found.faults += twice
        self._look(entries, keys, index, found)
        if self._view.index:
            IndexCheck(self._view, entries, index).run(keys)
        whole = 0
        for entry in entries:
            if entry.faults or entry.gone:
                found.verdicts[entry.verdict] += 1
                found.faults += entry.faults
            else:
                whole += 1
        found.verdicts[Verdict.VERIFIED] += whole
        return found

    def _look(self, entries: Sequence[Entry], keys: Keys, index: Mapping[str, Index], found: Stretch) -> None:
        closely = CloseLook(self._view, self._lane, self._stated, found)
        contents = self._contents(entries)
        at, living, proves = next(contents, None), keys.living, self._prover.proves
        self._view.manifests.known.clear()
        for entry in entries:
            there: list[Content] = []
            while at is not None and at[0] <= entry.n:
                if at[0] == entry.n:
                    there.append(at)
                at = next(contents, None)
            record = living.get(entry.rid)
            if record is None or len(there) > 1 or not proves(entry, record, there[0] if there else None):
                closely.at(entry, keys, by_name(index.get(entry.rid)), there)

    def _contents(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield what is stored of the bodies, in the order of their numbers: one at a time, they may be large."""
        if not entries:
            return iter(())
        between = CONTENT.c.n.between(entries[0].n, entries[-1].n)
        query = select(*_CONTENT).where(CONTENT.c.lane == self._lane, between).order_by(CONTENT.c.n)
        return each_of(self._connection, query)

    # --- numbers ---------------------------------------------------------------------------------

    def _numbered(self, entries: Sequence[Entry], found: Stretch) -> Iterator[Entry]:
        for entry in entries:
            if entry.n < self._next:
                # Only where the months of a lane lie apart can one number stand twice.
                found.faults.append(Fault("entry", entry.name, "extra", "the lane has this number twice"))
                continue
            if entry.n > self._next:
                self._missing_up_to(entry.n - 1, found)
            self._next = entry.n + 1
            yield entry

    def _missing_up_to(self, n: int, found: Stretch) -> None:
        first, self._next = self._next, max(self._next, n + 1)
        if first <= n and self._task.counted:
            found.gaps.append(Gap(self._lane, first, n))
            found.verdicts[Verdict.MISSING] += n - first + 1
