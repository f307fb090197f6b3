"""Which entries each lane has: its sealed figures, what spool and earlier checks saw, the rows that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, or_, select, true

from sekimori.errors import IntegrityError
from sekimori.store.lanes import LaneState, open_list, open_state
from sekimori.store.rows import Cipher
from sekimori.store.tables import CONTENT, ENTRY, LANE, LANE_LIST, RECORD
from sekimori.store.verifying.faults import Fault


def lane_states(connection: Connection, cipher: Cipher) -> tuple[dict[str, LaneState], list[Fault]]:
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
        tables = (LANE, ENTRY, RECORD, CONTENT)
        if any(connection.execute(select(table).limit(1)).first() for table in tables):
            faults.append(Fault("lane_list", "", "missing"))
        return None
    try:
        return set(open_list(cipher, sealed))
    except IntegrityError as fault:
        faults.append(Fault("lane_list", "", "altered", fault.message))
        return None


def behind(
    states: Mapping[str, LaneState], seen: Mapping[str, int], who: str = "the spool's marker says"
) -> Iterator[Fault]:
    """Name lanes of which fewer entries are stored than somebody saw."""
    for name, n in sorted(seen.items()):
        stored = states[name].last_n if name in states else 0
        if stored < n:
            yield Fault("lane", name, "missing", f"{who} {n} entries were stored, here are {stored}")


def spans(connection: Connection, lane: str, at_once: int) -> Iterator[tuple[int, int]]:
    """Cut a lane by the rows that are there: its numbers may be anybody's invention."""
    last: int | None = None
    while True:
        query = select(ENTRY.c.n).where(ENTRY.c.lane == lane, true() if last is None else ENTRY.c.n > last)
        numbers = connection.execute(query.order_by(ENTRY.c.n).limit(at_once)).scalars().all()
        if not numbers:
            return
        last = numbers[-1]
        yield numbers[0], last


def beyond(connection: Connection, lane: str, last: int) -> Iterator[Fault]:
    """Name entries whose numbers the lane never gave."""
    query = select(ENTRY.c.n).where(ENTRY.c.lane == lane, or_(ENTRY.c.n < 1, ENTRY.c.n > last))
    for n in connection.execute(query.order_by(ENTRY.c.n)).scalars():
        yield Fault("entry", f"{lane}/{n}", "extra")
