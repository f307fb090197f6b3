"""What a migration left undone because it takes keys, or no transaction: done by the archivist, by and by.

``search`` gives a token to every record from before there were any. ``scrub`` then rewrites the database,
so that no free page holds what the migration dropped. Each piece commits with how far it is; nodes that
share a database never do the same piece twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, select, update

from sekimori.errors import IntegrityError
from sekimori.ledger.record import Intent
from sekimori.store.bulk import insert_absent
from sekimori.store.engine import cut_log, reading, rewrite, writing
from sekimori.store.rows import Cipher, Row, open_entry, search_rows
from sekimori.store.tables import ENTRY, RECORD, SEARCH, UPKEEP
from sekimori.store.tokens import Tokens

SEARCH_WORK, SCRUB_WORK = "search", "scrub"
_AT_ONCE = 500


def is_pending(connection: Connection, name: str) -> bool:
    """Tell whether a piece of work is still to be done."""
    return connection.execute(select(UPKEEP.c.name).where(UPKEEP.c.name == name)).first() is not None


class Upkeep:
    """Does what is left, a piece at a time; once nothing is, asking again costs nothing."""

    def __init__(self, engine: Engine, cipher: Cipher, tokens: Tokens) -> None:
        self._engine = engine
        self._cipher = cipher
        self._tokens = tokens
        self._done = False
        self._rewritten = False

    def step(self) -> bool:
        """Do one piece; say whether there was any."""
        if self._done:
            return False
        with reading(self._engine) as connection:
            search, scrubbing = (is_pending(connection, name) for name in (SEARCH_WORK, SCRUB_WORK))
        if search:
            self._search()
        elif scrubbing:
            return self._scrub()
        self._done = not (search or scrubbing)
        return not self._done

    def _search(self) -> None:
        with writing(self._engine) as connection:
            held = select(UPKEEP.c.position).where(UPKEEP.c.name == SEARCH_WORK).with_for_update()
            position = connection.execute(held).scalar()
            if position is None:
                return
            rows = connection.execute(_after(position)).all()
            insert_absent(connection, SEARCH, self._tokens_of(rows))
            if rows:
                change = update(UPKEEP).where(UPKEEP.c.name == SEARCH_WORK)
                connection.execute(change.values(position=rows[-1].rid))
            else:
                connection.execute(delete(UPKEEP).where(UPKEEP.c.name == SEARCH_WORK))

    def _tokens_of(self, rows: Sequence[Any]) -> list[Row]:
        found: list[Row] = []
        for row in rows:
            try:
                intent = open_entry(self._cipher, row.lane, row.n, row.rid, row.sealed).entry
            except IntegrityError:
                continue  # ``verify`` names it; the others must be found all the same
            if isinstance(intent, Intent):
                found += search_rows(self._tokens, intent)
        return found

    def _scrub(self) -> bool:
        if not self._rewritten:
            rewrite(self._engine)
            self._rewritten = True
        if not cut_log(self._engine):
            return False  # somebody reads from the log; asked again in the next round
        with writing(self._engine) as connection:
            connection.execute(delete(UPKEEP).where(UPKEEP.c.name == SCRUB_WORK))
        return True


def _after(rid: str) -> Any:
    matches = and_(
        ENTRY.c.lane == RECORD.c.lane, ENTRY.c.n == RECORD.c.n, ENTRY.c.time_us == RECORD.c.time_us
    )
    columns = (RECORD.c.rid, ENTRY.c.lane, ENTRY.c.n, ENTRY.c.sealed)
    query = select(*columns).join(ENTRY, matches).where(RECORD.c.rid > rid)
    return query.order_by(RECORD.c.rid).limit(_AT_ONCE)
