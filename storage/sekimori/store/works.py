"""What is left to be done in a store, by name: rows of the table ``upkeep``. ``Upkeep`` does it."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, select, update

from sekimori.errors import StateError
from sekimori.store.bulk import insert_absent
from sekimori.store.tables import UPKEEP

REKEY_WORK = "rekey"
"""Move what lies under the one data key of an older release."""
SEARCH_WORK = "search"
"""Not every record has the tokens that it is found by."""
SCRUB_WORK = "scrub"
"""Rewrite the files without what was deleted."""


def is_pending(connection: Connection, name: str) -> bool:
    """Tell whether a piece of work is still to be done."""
    return position_of(connection, name) is not None


def position_of(connection: Connection, name: str, *, hold: bool = False) -> str | None:
    """Say how far a piece of work is, None where there is none; keep others off it for a transaction."""
    query = select(UPKEEP.c.position).where(UPKEEP.c.name == name)
    return connection.execute(query.with_for_update() if hold else query).scalar()


def ask_to_scrub(connection: Connection) -> None:
    """Leave it to the archivist to rewrite the files without what was deleted."""
    position = secrets.token_hex(8)  # tells it from a scrubbing that is going on already
    insert_absent(connection, UPKEEP, [{"name": SCRUB_WORK, "position": position}])
    connection.execute(update(UPKEEP).where(UPKEEP.c.name == SCRUB_WORK).values(position=position))


def expect_moved(connection: Connection) -> None:
    """Refuse what would pass over records that have no key of their own yet."""
    if is_pending(connection, REKEY_WORK):
        raise StateError(
            "Records of an older version are still being moved under keys of their own.",
            hint="Let `sekimori up` run until the archivist has done it, then try again.",
        )
