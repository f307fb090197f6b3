"""The records of a person that share a lane's data key with others: found by the index, since no key is theirs alone.

They are erased one by one, like records that are named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import batched

from sqlalchemy import Connection, select

from sekimori.store.holding import Holding
from sekimori.store.months import month_of
from sekimori.store.tables import RECORD, SEARCH
from sekimori.store.taking import rids_under
from sekimori.vault.slots import is_shared

_AT_ONCE = 500


def spilled(
    connection: Connection, holding: Holding, subject: str | None, classes: Collection[str] = ()
) -> frozenset[str]:
    """Return the records of a person, of these classes where some are given; none where nobody is named."""
    if subject is None:
        return frozenset()
    rids = sorted(set(rids_under(connection, _shared(holding, classes))))
    return frozenset(
        rid for some in batched(rids, _AT_ONCE) for rid in _mine(connection, holding, subject, some)
    )


def _shared(holding: Holding, classes: Collection[str]) -> list[bytes]:
    return [
        row.id
        for some in holding.hierarchy.each_data_key()
        for row, key in some
        if is_shared(key.slot.subject) and (not classes or key.slot.klass in classes)
    ]


def _mine(connection: Connection, holding: Holding, subject: str, rids: Sequence[str]) -> Iterator[str]:
    times = select(RECORD.c.rid, RECORD.c.time_us).where(RECORD.c.rid.in_(rids))
    tokens = {
        row.rid: holding.keys.tokens.token("user", subject, month_of(row.time_us))
        for row in connection.execute(times)
    }
    query = select(SEARCH.c.rid, SEARCH.c.token).where(SEARCH.c.rid.in_(rids), SEARCH.c.field == "user")
    for row in connection.execute(query):
        if tokens.get(row.rid) == row.token:
            yield row.rid
