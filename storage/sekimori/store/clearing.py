"""Take records out of everything that can be searched: what an erasure does beside destroying keys.

The tokens and the stored bodies go; of the index row stays what the ledger needs to name the record (its
place, its time, the decision and the policy behind it). The sealed entry stays where it is: its key is
what is destroyed. Who may erase, and that it is recorded, is the caller's; so is the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched

from sqlalchemy import Connection, delete, update

from sekimori.store.tables import CONTENT, RECORD, SEARCH

ERASED = "erased"
_AT_ONCE = 500
_NOTHING = {
    "state": ERASED,
    "operation": "",
    "reasons": "",
    "parse": "",
    "prompt_bytes": 0,
    "status": None,
    "answer_parse": None,
    "input_tokens": None,
    "output_tokens": None,
    "output_bytes": None,
}


def clear(connection: Connection, rids: Sequence[str]) -> int:
    """Clear these records and return how many of them there were."""
    cleared = 0
    for some in batched(rids, _AT_ONCE):
        for table in (SEARCH, CONTENT):
            connection.execute(delete(table).where(table.c.rid.in_(some)))
        change = update(RECORD).where(RECORD.c.rid.in_(some), RECORD.c.state != ERASED)
        cleared += connection.execute(change.values(_NOTHING)).rowcount
    return cleared
