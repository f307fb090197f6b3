"""What is left under the one data key of an older release: asked of the sealed rows themselves.

Nothing else says it reliably: how far a migration came stands in a row that anybody who writes in the
database can change, and what opens with a key that is destroyed is gone for good.
"""

from __future__ import annotations

from collections.abc import Generator

from sqlalchemy import Connection, and_, func, select

from sekimori.errors import IntegrityError
from sekimori.store.rows import open_content, open_entry
from sekimori.store.tables import CONTENT, ENTRY
from sekimori.vault.content import OLD_VERSION, ContentCipher

_AT_ONCE = 100
_OLD = bytes([OLD_VERSION])


def still_sealed(connection: Connection, old: ContentCipher) -> Generator[str]:
    """Name the entries, and the bodies that moved entries name, which only the old key opens.

    What was altered opens with no key, and needs none.
    """
    for table, opens in ((ENTRY, open_entry), (CONTENT, open_content)):
        rid = ENTRY.c.rid
        query = select(table.c.lane, table.c.n, table.c.sealed, rid)
        if table is CONTENT:
            # What an entry names that doesn't open itself can't be reached any more.
            moved = func.substr(ENTRY.c.sealed, 1, 1) != _OLD
            query = query.join(ENTRY, and_(ENTRY.c.lane == table.c.lane, ENTRY.c.n == table.c.n, moved))
        query = query.where(func.substr(table.c.sealed, 1, 1) == _OLD)
        with connection.execute(query.execution_options(yield_per=_AT_ONCE)) as rows:
            for row in rows:
                try:
                    opens(old, row.lane, row.n, row.rid, row.sealed)
                except IntegrityError:
                    continue
                yield f"{table.name} {row.n} of lane {row.lane}"
