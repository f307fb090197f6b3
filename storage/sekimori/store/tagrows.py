"""Output tags in the table ``output_tag``: how an answer is found again by its text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import batched

from sqlalchemy import Connection, select, update

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
            for row in self._connection.execute(query.where(OUTPUT_TAG.c.rid.in_(some))).all():
                fresh = retagged(OutputTagRow(*row), record_keys[row.rid], key)
                change = update(OUTPUT_TAG).where(OUTPUT_TAG.c.rid == row.rid)
                self._connection.execute(change.values(tag=fresh.tag))
