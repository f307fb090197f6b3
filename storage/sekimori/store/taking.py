"""What an erasure and the end of a retention have in common: what goes, the transaction, the files after it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import batched

from sqlalchemy import Connection, Engine, select

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import Value
from sekimori.store.clearing import clear
from sekimori.store.engine import writing_by_itself
from sekimori.store.keyrows import SqlKeyRows
from sekimori.store.retention import UNKNOWN
from sekimori.store.tables import RECORD_KEY
from sekimori.store.works import ask_to_scrub
from sekimori.vault.hierarchy import KeyHierarchy
from sekimori.vault.records import METADATA
from sekimori.vault.rotation import Plan

_AT_ONCE = 500
_NAMED = 256
"""How many keys or records a leaf names; of more it gives the number and the hash of their list."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What goes: every data key and every record, and as much of it as the event keeps.

    ``again`` counts the records whose content had gone before, of which the rest goes now. ``strange`` counts
    those of which no key opens: somebody put them there, or altered them. The order does not speak for these,
    or who writes in the database could have it speak for as many others of the month.
    """

    data_keys: tuple[bytes, ...]
    rids: tuple[str, ...]
    records: tuple[str, ...]
    singles: tuple[str, ...]
    again: int = 0
    strange: int = 0

    @classmethod
    def of(cls, connection: Connection, keys: KeyHierarchy, plan: Plan, *, listed: bool) -> Gone:
        """Look up what stands under a plan's keys; whole months are not ``listed`` record by record.

        What no index row tells of is listed always: nothing else says which class it was of.
        """
        singles = tuple(sorted({rid for some in plan.records.values() for rid in some}))
        whole = [doomed.id for doomed in plan.data_keys]
        named = whole if listed else [d.id for d in plan.data_keys if d.slot.klass.startswith(UNKNOWN)]
        return cls(
            tuple(sorted(whole)),
            tuple(sorted({*singles, *rids_under(connection, whole)})),
            tuple(sorted({*singles, *rids_under(connection, named)})),
            singles,
            sum(1 for _ in rids_under(connection, whole, part=METADATA)),
            sum(_strange(keys, id_) for id_ in whole),
        )

    @property
    def count(self) -> int:
        """Say how many records go."""
        return len(self.rids) - self.strange

    def said(self, code: str) -> dict[str, Value]:
        """Return the fields of the leaf; ids and numbers only."""
        keys = [id_.hex() for id_ in self.data_keys]
        text = "".join(f"{line}\n" for line in [*keys, *self.records])
        said: dict[str, Value] = {
            "basis": code,
            "data_keys": len(keys),
            "records": self.count,
            "list": hashlib.sha256(text.encode()).hexdigest(),
        }
        if self.again:
            said["again"] = self.again
        if keys and len(keys) <= _NAMED:
            said["deks"] = list(keys)
        if self.singles and len(self.singles) <= _NAMED:
            said["rids"] = list(self.singles)
        return said


def _strange(keys: KeyHierarchy, id_: bytes) -> int:
    """Count the records under a data key of which no key opens."""
    data_key = keys.find_data_key(id_)
    told: set[str] = set()
    opened: set[str] = set()
    after = ("", "")
    while data_key is not None and (rows := keys.rows.record_keys_under(id_, after, _AT_ONCE)):
        for row in rows:
            told.add(row.rid)
            with suppress(IntegrityError):
                data_key.unwrap(row)
                opened.add(row.rid)
        after = (rows[-1].rid, rows[-1].part)
    return len(told - opened)


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """Give a connection on which nobody else stores until it commits; what is left at the end is undone."""
    with writing_by_itself(engine) as connection:
        SqlKeyRows(connection, alone=True).epochs()
        yield connection


def rids_under(
    connection: Connection, data_keys: Sequence[bytes], *, part: str | None = None
) -> Iterator[str]:
    """Yield the records that have a key under one of these data keys; that of a ``part`` where one is given."""
    for some in batched(data_keys, _AT_ONCE):
        query = select(RECORD_KEY.c.rid).where(RECORD_KEY.c.data_key.in_(some)).distinct()
        if part is not None:
            query = query.where(RECORD_KEY.c.part == part)
        yield from connection.execute(query).scalars()


def take(connection: Connection, rids: Sequence[str]) -> None:
    """Take records out of all that can be read or searched, and have the files written anew after it."""
    clear(connection, rids)
    ask_to_scrub(connection)
