"""Accounts, held against what the ledger says was done to them.

An account's row is replaced whole by every change, so that an older one opens as well. What was noted of it
(``account_book``) tells: a row from before the newest act was put back, and none is ever taken away. An act that
nobody noted yet is no fault: the archivist finds and notes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.governance.accounts import AccountKept
from sekimori.store.governing.sealing import GovernedSeal
from sekimori.store.people import PLACE, open_account
from sekimori.store.tables import GOVERNED, PERSON
from sekimori.store.verifying.faults import Fault
from sekimori.vault.names import NameSeal

_AT_ONCE = 500


class AccountCheck:
    """One look at all accounts; ``people`` opens them, ``governed`` what was noted. Nobody is named."""

    def __init__(self, connection: Connection, people: NameSeal, governed: NameSeal) -> None:
        self._connection = connection
        self._people = people
        self._seal = GovernedSeal(governed)

    def run(self) -> Iterator[Fault]:
        """Name every fault."""
        rows = self._connection.execute(select(PERSON).execution_options(yield_per=_AT_ONCE))
        for row in rows:
            try:
                open_account(row, self._people)
            except IntegrityError as error:
                yield Fault(PLACE, row.token.hex(), "altered", error.message)
        noted = select(GOVERNED).where(GOVERNED.c.noun == AccountKept.noun)
        for some in self._connection.execute(noted.execution_options(yield_per=_AT_ONCE)).partitions():
            yield from self._against(self._changed(some))

    def _changed(self, rows: Sequence[Any]) -> dict[bytes, int]:
        """Give when each account was changed last by an act that is on record, by the token of its row."""
        changed = dict[bytes, int]()
        for row in rows:
            try:
                kept = self._seal.open(row)
            except IntegrityError:
                continue  # whoever checks what is governed names it
            if isinstance(kept, AccountKept):
                changed[self._people.token(PLACE, kept.id)] = kept.changed_us
        return changed

    def _against(self, noted: dict[bytes, int]) -> Iterator[Fault]:
        query = select(PERSON.c.token, PERSON.c.updated_us).where(PERSON.c.token.in_(list(noted)))
        there = {row.token: row.updated_us for row in self._connection.execute(query)}
        for token, changed_us in noted.items():
            if token not in there:
                yield Fault(PLACE, token.hex(), "missing", "what was done to it is on record")
            elif there[token] < changed_us:
                yield Fault(PLACE, token.hex(), "altered", "it is from before the newest act on record")
