"""Output tags in the table ``output_tag``: how an answer is found again by its text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import batched

from sqlalchemy import Connection, select, update

from sekimori.errors import IntegrityError
from sekimori.store.bulk import insert_absent
from sekimori.store.tables import OUTPUT_TAG
from sekimori.vault.datakey import DataKey
from sekimori.vault.outputs import OutputTagRow, retagged

_AT_ONCE = 500


class SqlTagRows:
    """The tags on one connection; the caller owns the transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_tags(self, tags: Collection[bytes]) -> Collection[str]:
        """Return the records that carry one of these tags."""
        found: set[str] = set()
        for some in batched(tags, _AT_ONCE):
            query = select(OUTPUT_TAG.c.rid).where(OUTPUT_TAG.c.tag.in_(some))
            found.update(self._connection.execute(query).scalars())
        return found

    def put(self, rows: Sequence[OutputTagRow]) -> None:
        """Insert tags; of a record that has one already, the first counts."""
        fields = [{"rid": row.rid, "tag": row.tag, "sealed": row.sealed} for row in rows]
        insert_absent(self._connection, OUTPUT_TAG, fields)

    def retag(self, key: DataKey, record_keys: Mapping[str, bytes]) -> None:
        """Make the tags of these records anew, under the data key that took another's place."""
        for some in batched(record_keys, _AT_ONCE):
            query = select(OUTPUT_TAG.c.rid, OUTPUT_TAG.c.tag, OUTPUT_TAG.c.sealed)
            query = query.where(OUTPUT_TAG.c.rid.in_(some))
            tags = dict[str, bytes]()
            for row in self._connection.execute(query).all():
                fresh = retagged(OutputTagRow(*row), record_keys[row.rid], key)
                tags[row.rid] = fresh.tag
                change = update(OUTPUT_TAG).where(OUTPUT_TAG.c.rid == row.rid)
                self._connection.execute(change.values(tag=fresh.tag))
            # A trigger may have it pass over the change: the old tag would name the old data key's records.
            if {row.rid: row.tag for row in self._connection.execute(query)} != tags:
                raise IntegrityError(
                    "The database keeps output tags that were to be made anew; nothing was changed.",
                    hint="Look for triggers and rules that somebody put on output_tag.",
                )
