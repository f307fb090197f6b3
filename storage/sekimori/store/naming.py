"""Seal what a migration put aside because no migration has keys: accounts, applied files, snapshots.

Whoever opens the store and holds a key does its part, before anything of it is read. Each piece moves
rows in one transaction, so that a crash, or another process at the same work, leaves every row in one
place. At the end the old tables go, and the archivist is asked to rewrite the file (``upkeep``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy import exc as sql
from sqlalchemy.schema import DropTable

from sekimori.errors import StateError
from sekimori.store.bulk import Row, insert_absent
from sekimori.store.engine import reading, writing
from sekimori.store.people import Account, Invitation, invite_row, person_row
from sekimori.store.policies import AppliedFile, document_row, snapshot_row
from sekimori.store.tables import INVITE, PERSON, POLICY_DOCUMENT, POLICY_VERSION, UPKEEP
from sekimori.store.works import ask_to_scrub
from sekimori.vault.names import NameSeal

PEOPLE_WORK, POLICIES_WORK = "people", "policies"


def readable(engine: Engine) -> frozenset[str]:
    """Tell which names still lie readable: ``PEOPLE_WORK``, ``POLICIES_WORK``, both or none."""
    known = select(UPKEEP.c.name).where(UPKEEP.c.name.in_((PEOPLE_WORK, POLICIES_WORK)))
    with reading(engine) as connection:
        return frozenset(connection.execute(known).scalars())


def seal_names(engine: Engine, work: str, names: NameSeal) -> None:
    """Seal the names of one ``work``: the people's under ``people.key``, the policies' under ``store.key``."""
    try:
        while _piece(engine, work, names):
            pass
    except sql.ProgrammingError as fault:  # on PostgreSQL a process may have less rights than this takes
        raise StateError(
            "The database holds names that an older version wrote readably, and this user may not seal them.",
            hint="Run as the database's owner, once: sekimori init",
        ) from fault


@dataclass(frozen=True, slots=True)
class _Move:
    """One table: where its rows lie, by what they are counted, where they go, and how many at once."""

    old: Table
    key: str
    new: Table
    sealed: Callable[[Any, NameSeal], Row]
    at_once: int

    def some(self, connection: Connection, names: NameSeal) -> bool:
        """Move some rows; say whether there were any."""
        key = self.old.c[self.key]
        rows = connection.execute(select(self.old).order_by(key).limit(self.at_once)).all()
        if not rows:
            return False
        insert_absent(connection, self.new, [self.sealed(row, names) for row in rows])
        connection.execute(delete(self.old).where(key <= getattr(rows[-1], self.key)))
        return True


def _piece(engine: Engine, work: str, names: NameSeal) -> bool:
    moves = _MOVES[work]
    with writing(engine) as connection:
        held = select(UPKEEP.c.name).where(UPKEEP.c.name == work).with_for_update()
        if connection.execute(held).first() is None:
            return False
        if any(move.some(connection, names) for move in moves):
            return True
        for move in moves:
            connection.execute(DropTable(move.old))
        connection.execute(delete(UPKEEP).where(UPKEEP.c.name == work))
        ask_to_scrub(connection)
    return False


def _person(row: Any, names: NameSeal) -> Row:
    account = Account(
        name=row.name,
        groups=tuple(json.loads(row.groups)),
        roles=tuple(json.loads(row.roles)),
        disabled=row.disabled,
        password=row.password,
        proxy_password=row.proxy_password,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )
    return person_row(account, names)


def _invite(row: Any, names: NameSeal) -> Row:
    invited = Invitation(row.token_sha256, row.name, row.expires_us)
    return invite_row(invited, names, created_us=row.created_us, used_us=row.used_us)


def _document(row: Any, names: NameSeal) -> Row:
    return document_row(AppliedFile(**row._mapping), names)  # noqa: SLF001 (SQLAlchemy's public name)


def _snapshot(row: Any, names: NameSeal) -> Row:
    return snapshot_row(row.sha256, row.snapshot, names)


def _old(table: str, /, **columns: type[Any]) -> Table:
    return Table(f"old_{table}", MetaData(), *(Column(column, kind) for column, kind in columns.items()))


_PERSON = _old(
    "person",
    name=Text,
    groups=Text,
    roles=Text,
    disabled=Boolean,
    password=Text,
    proxy_password=Text,
    created_us=BigInteger,
    updated_us=BigInteger,
)
_INVITE = _old(
    "invite", token_sha256=Text, name=Text, created_us=BigInteger, expires_us=BigInteger, used_us=BigInteger
)
_DOCUMENT = _old(
    "policy_document",
    version=BigInteger,
    file=Text,
    text=Text,
    sha256=Text,
    applied_us=BigInteger,
    applied_by=Text,
    withdrawn=Boolean,
)
_SNAPSHOT = _old("policy_version", sha256=Text, snapshot=LargeBinary)

_MOVES = {
    PEOPLE_WORK: (
        _Move(_PERSON, "name", PERSON, _person, at_once=200),
        _Move(_INVITE, "token_sha256", INVITE, _invite, at_once=200),
    ),
    # An applied file or a snapshot may be large: one at a time.
    POLICIES_WORK: (
        _Move(_DOCUMENT, "version", POLICY_DOCUMENT, _document, at_once=1),
        _Move(_SNAPSHOT, "sha256", POLICY_VERSION, _snapshot, at_once=1),
    ),
}
