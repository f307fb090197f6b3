"""Check everything that is stored: open every seal, hash every byte again, compare both ways.

What it sees: any edit, removal, addition, copy or swap in the tables of ``COVERS``, as long as whoever
did it has not the data key. Numbers of a lane run without a gap up to the sealed last one; every entry
has its record and its content and no other; every record's columns say what its entries say; every
policy that a record names is there to replay the decision.

What it cannot see, and the ledger's checkpoints are for: an older copy of the whole database put back
(or of a lane's row together with its cut tail), unless the spool's markers, given as ``shipped``, are
ahead of it; a database that was emptied to the last row; and anything done by someone who holds the key.

It reads one consistent view beside a running archivist, so nothing half-written is taken for a fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, and_, func, null, or_, select
from sqlalchemy import exc as sql

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.lanes import lanes, read_shipped
from sekimori.store.engine import reading
from sekimori.store.lanes import LaneState, open_list, open_state
from sekimori.store.lanewalk import Fault, LaneWalk
from sekimori.store.rows import READING as READING_MODE
from sekimori.store.rows import Cipher
from sekimori.store.tables import CONTENT, ENTRY, LANE, LANE_LIST, POLICY_VERSION, READING, RECORD, SEARCH
from sekimori.store.tokens import Tokens
from sekimori.store.upkeep import SEARCH_WORK, is_pending

COVERS = ("entry", "content", "record", "search", "lane", "lane_list", "reading", "policy_version")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found: every fault, which tables it looked at, and how many rows of each."""

    ok: bool
    faults: tuple[Fault, ...]
    covers: tuple[str, ...]
    counts: dict[str, int]


def markers(spool_dir: Path) -> dict[str, int]:
    """Return how many entries of each lane the spool says were stored; to be read before ``verify``."""
    return {folder.name: read_shipped(folder).at().n for folder in lanes(spool_dir)}


def verify(
    engine: Engine,
    cipher: Cipher,
    *,
    tokens: Tokens,
    progress: Progress = lambda _done, _total: None,
    shipped: Mapping[str, int] | None = None,
) -> Report:
    """Check the whole store; ``shipped`` is what ``markers`` said before the call."""
    faults: list[Fault] = []
    counts: dict[str, int] = {}
    try:
        with reading(engine) as connection:
            counts = _counts(connection)
            # Until every older record has its tokens, a missing one says nothing.
            sought = None if is_pending(connection, SEARCH_WORK) else tokens
            walked = _Walked(connection, cipher, sought, progress, counts["entry"])
            for fault in _all_faults(walked, shipped or {}):
                faults.append(fault)  # noqa: PERF402 (what was found stays when the database breaks off)
    except (sql.OperationalError, sql.ProgrammingError) as fault:
        raise StateError(f"The database cannot be read: {fault.orig}.", hint="Try again.") from fault
    except sql.DatabaseError as fault:
        faults.append(Fault("database", "", "altered", str(fault.orig)))
    named = tuple(dict.fromkeys(faults))
    return Report(not named, named, COVERS, counts)


def _counts(connection: Connection) -> dict[str, int]:
    tables = (ENTRY, CONTENT, RECORD, SEARCH, LANE, LANE_LIST, READING, POLICY_VERSION)
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables
    }


@dataclass(frozen=True, slots=True)
class _Walked:
    """What every lane's walk needs."""

    connection: Connection
    cipher: Cipher
    tokens: Tokens | None
    progress: Progress
    total: int


def _all_faults(walked: _Walked, shipped: Mapping[str, int]) -> Iterable[Fault]:
    connection, cipher = walked.connection, walked.cipher
    states, faults = _lanes(connection, cipher)
    yield from faults
    yield from _behind(states, shipped)
    done = 0
    for name in sorted(_lanes_in_use(connection) | set(states)):
        walk = LaneWalk(connection, cipher, name, states.get(name), walked.tokens)
        for faults, checked in walk.run():
            yield from faults
            done += checked
            walked.progress(done, walked.total)
    yield from _dangling(connection)
    yield from _policies(connection)


def _lanes(connection: Connection, cipher: Cipher) -> tuple[dict[str, LaneState], list[Fault]]:
    """Read the lanes' sealed figures; a lane that is not in the sealed list has none."""
    states: dict[str, LaneState] = {}
    faults: list[Fault] = []
    listed, rows = _listed(connection, cipher, faults), connection.execute(select(LANE)).all()
    for row in rows:
        if listed is not None and row.name not in listed:
            faults.append(Fault("lane", row.name, "extra"))
            continue
        try:
            states[row.name] = open_state(cipher, row.name, row)
        except IntegrityError as fault:
            faults.append(Fault("lane", row.name, "altered", fault.message))
    gone = (listed or set()) - {row.name for row in rows}
    return states, faults + [Fault("lane", name, "missing") for name in sorted(gone)]


def _listed(connection: Connection, cipher: Cipher, faults: list[Fault]) -> set[str] | None:
    sealed = connection.execute(select(LANE_LIST.c.sealed)).scalar()
    if sealed is None:
        if any(
            connection.execute(select(table).limit(1)).first() for table in (LANE, ENTRY, RECORD, CONTENT)
        ):
            faults.append(Fault("lane_list", "", "missing"))
        return None
    try:
        return set(open_list(cipher, sealed))
    except IntegrityError as fault:
        faults.append(Fault("lane_list", "", "altered", fault.message))
        return None


def _behind(states: Mapping[str, LaneState], shipped: Mapping[str, int]) -> Iterable[Fault]:
    for name, n in sorted(shipped.items()):
        stored = states[name].last_n if name in states else 0
        if stored < n:
            detail = f"the spool's marker says {n} entries were stored, here are {stored}"
            yield Fault("lane", name, "missing", detail)


def _lanes_in_use(connection: Connection) -> set[str]:
    return set(connection.execute(select(ENTRY.c.lane).distinct()).scalars())


def _dangling(connection: Connection) -> Iterable[Fault]:
    """Name what hangs on no entry."""
    entry_of = and_(ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.rid == RECORD.c.rid)
    outcome_of = and_(
        ENTRY.c.lane == RECORD.c.outcome_lane, ENTRY.c.n == RECORD.c.outcome_n, ENTRY.c.rid == RECORD.c.rid
    )
    content_of = and_(ENTRY.c.lane == CONTENT.c.lane, ENTRY.c.n == CONTENT.c.n)
    searched_of = RECORD.c.rid == SEARCH.c.rid
    record_of = and_(RECORD.c.rid == READING.c.rid, RECORD.c.mode == READING_MODE)
    nobody = ENTRY.c.lane == null()

    query = select(RECORD.c.rid).outerjoin(ENTRY, entry_of).where(nobody)
    for rid in connection.execute(query).scalars():
        yield Fault("record", rid, "extra", "it has no entry")
    has_outcome = or_(RECORD.c.outcome_n != null(), RECORD.c.outcome_lane != null())
    query = select(RECORD.c.rid).outerjoin(ENTRY, outcome_of).where(has_outcome, nobody)
    for rid in connection.execute(query).scalars():
        yield Fault("record", rid, "altered", "it names an outcome that is not there")
    places = select(CONTENT.c.lane, CONTENT.c.n).outerjoin(ENTRY, content_of).where(nobody)
    for lane, n in connection.execute(places):
        yield Fault("content", f"{lane}/{n}", "extra", "it has no entry")
    query = select(SEARCH.c.rid, SEARCH.c.field).outerjoin(RECORD, searched_of).where(RECORD.c.rid == null())
    for rid, field in connection.execute(query):
        yield Fault("search", f"{rid}/{field}", "extra", "no record can be found by it")
    query = select(READING.c.rid).outerjoin(RECORD, record_of).where(RECORD.c.rid == null())
    for rid in connection.execute(query).scalars():
        yield Fault("reading", rid, "extra", "no record tells of it")


def _policies(connection: Connection) -> Iterable[Fault]:
    known = set()
    for row in connection.execute(select(POLICY_VERSION)).yield_per(4):
        known.add(row.sha256)
        if hashlib.sha256(row.snapshot).hexdigest() != row.sha256:
            yield Fault("policy_version", row.sha256, "altered")
    for policy in connection.execute(select(RECORD.c.policy).distinct()).scalars():
        if policy and policy not in known:
            yield Fault("policy_version", policy, "missing", "records name it")
