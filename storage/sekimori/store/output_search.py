"""Find the records whose answer was a text, under every data key that lives; that somebody asks is a record.

The records of data keys that were erased are not found, and nothing tells them from those that never were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Engine

from sekimori.store.engine import reading
from sekimori.store.holding import Holding, StoreKeys
from sekimori.store.reading_desk import OUTPUT_SEARCH, Reader, ReadingDesk
from sekimori.vault.datakey import DataKey
from sekimori.vault.outputs import find_output

PATH = "/outputs"
"""What such a reading names instead of a record."""

AT_MOST = 60
"""Questions of one reader in an hour: enough for a case, too few to try out a book."""


class OutputSearch:
    """Answers whether a text passed the barrier."""

    def __init__(
        self,
        engine: Engine,
        keys: StoreKeys,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        at_most: int = AT_MOST,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._desk = ReadingDesk(engine, keys, clock=clock, new_id=new_id)
        self._at_most = at_most

    def find(self, text: str, reader: Reader) -> list[str]:
        """Write down who asks, then return the records; raises UsageError for one who asks too often."""
        self._desk.record(reader, PATH, kind=OUTPUT_SEARCH, at_most=self._at_most)
        with reading(self._engine) as connection:
            holding = Holding(connection, self._keys)
            found = set(find_output(holding.tags, _living(holding), text))
            # A tag without its record's key is what an erasure is just taking away.
            living = holding.hierarchy.record_keys(found) if found else {}
            return sorted(rid for rid in found if (rid, "") in living)


def _living(holding: Holding) -> Iterator[DataKey]:
    for some in holding.hierarchy.each_data_key():
        yield from (key for _, key in some)
