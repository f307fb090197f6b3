"""Check everything that is stored, against itself, against the trees on disk and against their memories.

What it sees: any edit, removal, addition, copy or swap in the tables of ``COVERS``; any bit of the trees'
files. Every entry opens under its record's key, is what its envelope commits to, and stands with its leaf
where the tree says; the trees' roots, computed anew from the database's leaves, are those of the published
checkpoints, of the lock store and of every word of the super-log. What an erasure or the end of its
retention took is told from what somebody removed: only the former has an order and a leaf.

What it cannot see: that all of this, the lock store included, is an older state or a forgery by someone who
holds the keys. The memories of others are for that: witnesses, whose word of the super-log is held against it
where somebody asked them; time-stamps, the printed line. Trees of other
nodes that share the database are checked from its leaves; their files are checked where they lie.

Each process reads one consistent view beside a running archivist. Files and lock store are read first: the
database can only be ahead of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy import exc as sql

from sekimori.errors import StateError
from sekimori.ledger.lanes import lanes, read_shipped
from sekimori.ledger.tlog.keys import known_writers
from sekimori.store.engine import reading
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.lanewalk import Fault, LaneTask
from sekimori.store.tables import (
    ANCHOR,
    CHUNK,
    CONTENT,
    DATA_KEY,
    ENTRY,
    EVENT,
    GOVERNED,
    GOVERNED_EVENT,
    GOVERNED_KEY,
    HOLD,
    KEY_EPOCH,
    LANE,
    LANE_LIST,
    LINK,
    OUTPUT_TAG,
    PERSON,
    POLICY_VERSION,
    READING,
    RECORD,
    RECORD_KEY,
    SEARCH,
    STATEMENT,
    TREE,
)
from sekimori.store.verifying import datakeys, lanefigures, pool, side
from sekimori.store.verifying.accounts import AccountCheck
from sekimori.store.verifying.faults import Gap, Verdict, named
from sekimori.store.verifying.governed import GovernedCheck
from sekimori.store.verifying.groves import Grove
from sekimori.store.verifying.memories import Outside
from sekimori.store.verifying.pool import Crew, Found, Task
from sekimori.store.verifying.recalled import Recalled, contradicted
from sekimori.store.verifying.schema import garbled, reshaped
from sekimori.store.verifying.shape import misshapen
from sekimori.store.verifying.statements import Stated, StatementCheck, unfitting
from sekimori.store.verifying.trees import TreeFound
from sekimori.store.verifying.verified import Verified
from sekimori.store.works import REKEY_WORK, SEARCH_WORK, is_pending
from sekimori.vault.hierarchy import KeyCache
from sekimori.vault.names import NameSeal

_TABLES = (
    ENTRY,
    CONTENT,
    RECORD,
    SEARCH,
    LANE,
    LANE_LIST,
    READING,
    POLICY_VERSION,
    STATEMENT,
    EVENT,
    TREE,
    CHUNK,
    ANCHOR,
    LINK,
    KEY_EPOCH,
    DATA_KEY,
    RECORD_KEY,
    OUTPUT_TAG,
    HOLD,
    GOVERNED,
    GOVERNED_EVENT,
    GOVERNED_KEY,
    PERSON,
)
# A table's name is a string of a kind of its own.
_READ_BY_INDEX = (RECORD, SEARCH, READING, OUTPUT_TAG)
_DERIVED = (*_READ_BY_INDEX, CHUNK, LINK)
_EVIDENCE = tuple(table for table in _TABLES if table not in _DERIVED and table is not ANCHOR)
COVERS = tuple(str(table.name) for table in _TABLES if table is not ANCHOR)
"""What holds evidence. An anchor only tells where to look first for what a text repeats: a wrong one costs room."""

_STRETCH, _SHORTEST = 20_000, 2_000
"""Entries that one task checks: fewer, where few are to keep several processes busy."""
_WORTH_A_PROCESS = 60_000
"""Entries for which one more process is started: that takes 0.8 s, in which this one checks half of them."""

_UNCHECKED = "rows hold values of another kind, so that the rest could not be checked"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to check: signatures too, only what is new since ``since``, and in how many processes.

    Without ``index`` what is derived from entries is left out: evidence alone, in half the time. ``processes``
    0 means as many as the work is worth, and no more than there are cores.
    """

    signatures: bool = False
    index: bool = True
    since: Verified | None = None
    processes: int = 0


@dataclass(frozen=True, slots=True)
class TreeReport:
    """One tree: leaves that the database holds, how many are published, and where its files lie."""

    name: str
    leaves: int
    published: int | None
    root: str
    here: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found: every fault, which tables it looked at, and how many rows of each.

    ``verdicts`` counts entries. ``unplaced`` entries have no place in a tree yet, ``unsigned`` ones are from
    before the ledger and never get one. A fork ended the logs of ``given_up``. ``recalled`` is what witnesses
    were asked for. ``verified`` is what the next
    incremental check goes on from.
    """

    ok: bool
    faults: tuple[Fault, ...]
    covers: tuple[str, ...]
    counts: dict[str, int]
    verdicts: dict[str, int] = field(default_factory=dict)
    trees: tuple[TreeReport, ...] = ()
    elsewhere: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    unplaced: int = 0
    unsigned: int = 0
    signatures: bool = False
    incremental: bool = False
    index: bool = True
    recalled: tuple[Recalled, ...] = ()
    verified: Verified = field(default_factory=Verified)


def worth(entries: int, cores: int) -> int:
    """Say how many processes are worth starting for so many entries."""
    return max(1, min(cores, entries // _WORTH_A_PROCESS))


def markers(spool_dir: Path) -> dict[str, int]:
    """Return how many entries of each lane the spool says were stored; to be read before ``verify``."""
    return {folder.name: read_shipped(folder).at().n for folder in lanes(spool_dir)}


def verify(
    engine: Engine,
    keys: StoreKeys,
    *,
    writers: Sequence[bytes],
    outside: Outside | None = None,
    node: str = "1",
    scope: Scope | None = None,
    policies: NameSeal | None = None,
    people: NameSeal | None = None,
    progress: Progress = lambda _done, _total: None,
    shipped: Mapping[str, int] | None = None,
    recalled: Sequence[Recalled] = (),
) -> Report:
    """Check the whole store; ``shipped`` is what ``markers``, ``recalled`` what witnesses said before the call.

    ``writers`` are the public keys that leaves may be signed with. Without ``outside`` no file and no lock
    store is looked at, without ``people`` (what opens accounts) no account.
    """
    check = _Check(engine, keys, tuple(writers), outside, node, scope or Scope(), people, progress)
    try:
        if outside is not None:
            check.faults += contradicted(outside, recalled)
        check.run(shipped or {}, policies or NameSeal(keys.store_key))
    except (sql.OperationalError, sql.ProgrammingError) as fault:
        with reading(engine) as connection:
            check.faults += (unreadable := list(garbled(connection)))
        if not check.misshapen and not unreadable:
            raise StateError(f"The database cannot be read: {fault.orig}.", hint="Try again.") from fault
        check.faults.append(Fault("database", "", "altered", _UNCHECKED))
    except sql.DatabaseError as fault:
        check.faults.append(Fault("database", "", "altered", str(fault.orig)))
    except (TypeError, ValueError, AttributeError):
        if not check.misshapen:
            raise
        check.faults.append(Fault("database", "", "altered", _UNCHECKED))
    except OSError as fault:
        raise StateError(f"{fault.filename} can't be read: {fault.strerror}.") from fault
    return replace(check.report(), recalled=tuple(recalled))


class _Check:
    """One run; ``faults`` keeps what was found when the database breaks off."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        writers: tuple[bytes, ...],
        outside: Outside | None,
        node: str,
        scope: Scope,
        people: NameSeal | None,
        progress: Progress,
    ) -> None:
        self.faults: list[Fault] = []
        self.misshapen = False
        self._engine = engine
        # Nothing that was opened before is believed to be what the rows hold now.
        self._keys = replace(keys, cache=KeyCache())
        self._writers = writers
        self._outside = outside
        self._scope = scope
        self._people = people
        self._progress = progress
        self._grove = Grove(outside, node, signatures=scope.signatures)
        self._counts: dict[str, int] = {}
        self._gaps: list[Gap] = []
        self._verdicts: Counter[Verdict] = Counter()
        self._ends: dict[str, int] = {}
        self._unplaced = self._unsigned = 0

    def run(self, shipped: Mapping[str, int], policies: NameSeal) -> None:
        """Look at everything."""
        scope = self._scope
        self._grove.remember(known_writers(self._writers))
        with reading(self._engine) as connection:
            self._counts = _counts(connection)
            read = [table for table in _TABLES if scope.index or table not in _READ_BY_INDEX]
            self.faults += reshaped(connection, thorough=scope.index and scope.since is None)
            strange = list(misshapen(connection, read))
            self.faults += strange
            self.misshapen = bool(strange)
            holding = Holding(connection, self._keys)
            crew = self._crew(connection, holding)
            view = pool.view_of(connection, self._keys, crew)
            stated = self._statements(connection)
            tasks: list[Task] = [*self._grove.tasks(connection, self._scope.since)]
            tasks += self._lanes(connection, shipped, stated)
            self._work(view, crew, tasks)
            self.faults += view.authority.faults
            self.faults += unfitting(view.authority.orders, stated.events, self._grove.events)
            self.faults += self._grove.faults
            self.faults += GovernedCheck(connection, self._keys.policies, view.authority.orders).run()
            self._beside(view, policies)

    def report(self) -> Report:
        """Return what was found."""
        faults = tuple(dict.fromkeys([*self.faults, *named(self._gaps)]))
        return Report(
            ok=not faults,
            faults=faults,
            covers=self._covers(),
            counts=self._counts,
            verdicts={verdict.value: self._verdicts[verdict] for verdict in Verdict},
            trees=tuple(TreeReport(*row) for row in self._grove.rows()),
            elsewhere=self._grove.elsewhere(),
            given_up=tuple(sorted(self._grove.abandoned)),
            unplaced=self._unplaced,
            unsigned=self._unsigned,
            signatures=self._scope.signatures,
            incremental=self._scope.since is not None,
            index=self._scope.index,
            verified=Verified(self._ends, self._grove.ended()),
        )

    def _covers(self) -> tuple[str, ...]:
        covers = COVERS if self._scope.index else tuple(str(table.name) for table in _EVIDENCE)
        return tuple(name for name in covers if self._people is not None or name != PERSON.name)

    # --- what is to be done ----------------------------------------------------------------------

    def _crew(self, connection: Connection, holding: Holding) -> Crew:
        url = self._engine.url
        # Until every older record has its tokens, a missing one says nothing. That some have none is said by
        # a row that anybody can write: it counts only where the key is that those lie under.
        moving = (REKEY_WORK, SEARCH_WORK) if self._keys.old else ()
        return Crew(
            where=url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False),
            store_key=self._keys.store_key,
            secrets=pool.secrets_of(holding),
            provider=self._keys.kek.name,
            old=self._keys.old,
            writers=self._writers,
            outside=self._outside,
            tokens=not any(is_pending(connection, work) for work in moving),
            signatures=self._scope.signatures,
            index=self._scope.index,
        )

    def _statements(self, connection: Connection) -> Stated:
        stated = StatementCheck(
            connection,
            known_writers(self._writers),
            signatures=self._scope.signatures,
            moved=self._grove.abandoned,
        ).run()
        self.faults += stated.faults
        return stated

    def _lanes(
        self, connection: Connection, shipped: Mapping[str, int], stated: Stated
    ) -> Iterator[LaneTask]:
        states, faults = lanefigures.lane_states(connection, self._keys.cipher)
        self.faults += faults
        self.faults += lanefigures.behind(states, shipped)
        in_use = set(connection.execute(select(ENTRY.c.lane).distinct()).scalars())
        since = self._scope.since.lanes if self._scope.since else {}
        entries = self._counts["entry"]
        stretch = max(_SHORTEST, min(_STRETCH, entries // (4 * self._processes(entries))))
        self.faults += lanefigures.behind(states, since, "an earlier check saw")
        for name in sorted(in_use | set(states)):
            state = states.get(name)
            first, last = since.get(name, 0) + 1, state.last_n if state else 0
            spans: Iterator[tuple[int, int]]
            if state is None:
                # Without believable figures every entry is looked at, and none is called missing or extra
                # for its number alone: the lane itself is named already.
                spans = lanefigures.spans(connection, name, stretch)
            else:
                self.faults += lanefigures.beyond(connection, name, last)
                self._ends[name] = last
                starts = range(first, last + 1, stretch)
                spans = ((start, min(start + stretch - 1, last)) for start in starts)
            for start, stop in spans:
                yield LaneTask(name, start, stop, state is not None, stated.about(name, start, stop))

    # --- doing it --------------------------------------------------------------------------------

    def _work(self, view: Any, crew: Crew, tasks: Sequence[Task]) -> None:
        numbers = sum(task.last - task.first + 1 for task in tasks if isinstance(task, LaneTask))
        total = min(numbers, self._counts["entry"])  # of a lane without figures anybody chose the numbers
        done = 0
        with pool.untroubled():
            for found in self._found(view, crew, tasks, self._processes(total)):
                done += self._take(found)
                self._progress(min(done, total), total)

    def _processes(self, entries: int) -> int:
        return self._scope.processes or worth(entries, pool.cores())

    def _found(self, view: Any, crew: Crew, tasks: Sequence[Task], processes: int) -> Iterable[Found]:
        if processes > 1:
            return pool.run_apart(crew, tasks, processes)
        return (found for task in tasks for found in pool.do(view, self._outside, task))

    def _take(self, found: Found) -> int:
        self.faults += found.faults
        if isinstance(found, TreeFound):
            self._grove.take(found)
            return 0
        self._gaps += found.gaps
        self._verdicts += found.verdicts
        self._unplaced += found.unplaced
        self._unsigned += found.unsigned
        return found.entries

    def _beside(self, view: Any, policies: NameSeal) -> None:
        """Look at what hangs on the entries; an incremental check leaves out what would read all of it."""
        self.faults += datakeys.affected(view.holding, side.keys(view.holding, view.authority))
        self.faults += side.holds(view.holding, view.authority)
        self.faults += side.policies(view.connection, policies)
        if self._people is not None:
            self.faults += AccountCheck(view.connection, self._people, self._keys.policies).run()
        if self._scope.since is None and self._scope.index:
            self.faults += side.dangling(view.connection)
            self.faults += side.chunks(view.holding, view.opener)


def _counts(connection: Connection) -> dict[str, int]:
    return {
        str(table.name): connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in _TABLES
    }
