"""Local accounts and the set-up links that make the first one.

Passwords arrive as argon2 strings; making and checking them is the vault's. Nothing is deleted: an
account that may no longer be used is disabled, because records go on naming it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select, update

from sekimori.errors import UsageError
from sekimori.policy.people import People, Person, canonical_name
from sekimori.store.tables import InviteRow, PersonRow


@dataclass(frozen=True, slots=True)
class Account:
    """A person as the console and the command line see one."""

    name: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    disabled: bool
    password: str | None
    proxy_password: str | None
    created_us: int
    updated_us: int


class PersonRepo:
    """The only code that reads or writes ``person``; the caller owns the session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> Account | None:
        """Find an account, however its name is written; disabled ones too."""
        row = self._session.get(PersonRow, canonical_name(name))
        return None if row is None else _account(row)

    def list(self) -> list[Account]:
        """Return all accounts by name."""
        return [_account(row) for row in self._session.exec(select(PersonRow).order_by(col(PersonRow.name)))]

    def add(
        self,
        name: str,
        *,
        now_us: int,
        groups: Iterable[str] = (),
        roles: Iterable[str] = (),
        password: str | None = None,
        proxy_password: str | None = None,
    ) -> Account:
        """Make an account; raise UsageError when the name is empty or taken."""
        canonical = canonical_name(name)
        if not canonical:
            raise UsageError("A name is needed.", hint="Give one that is not only blanks.")
        if self._session.get(PersonRow, canonical) is not None:
            raise UsageError(f"There is already an account {canonical}.", hint="Choose another name.")
        row = PersonRow(
            name=canonical,
            groups=_packed(groups),
            roles=_packed(roles),
            password=password,
            proxy_password=proxy_password,
            created_us=now_us,
            updated_us=self._next_us(now_us),
        )
        self._session.add(row)
        self._session.flush()
        return _account(row)

    def set_memberships(
        self, name: str, *, groups: Iterable[str], roles: Iterable[str], now_us: int
    ) -> Account:
        """Replace the groups and roles of an account."""
        row = self._row(name)
        row.groups, row.roles = _packed(groups), _packed(roles)
        return self._saved(row, now_us)

    def set_password(self, name: str, password: str, *, now_us: int) -> Account:
        """Replace the password that signs in to the console."""
        row = self._row(name)
        row.password = password
        return self._saved(row, now_us)

    def set_proxy_password(self, name: str, proxy_password: str | None, *, now_us: int) -> Account:
        """Replace or take away the password that passes the gate."""
        row = self._row(name)
        row.proxy_password = proxy_password
        return self._saved(row, now_us)

    def set_disabled(self, name: str, *, disabled: bool, now_us: int) -> Account:
        """Close an account, or open it again."""
        row = self._row(name)
        row.disabled = disabled
        return self._saved(row, now_us)

    def for_gate(self) -> People:
        """Return what gate workers may know: no console password among it."""
        return People(
            Person(
                name=account.name,
                groups=account.groups,
                roles=account.roles,
                disabled=account.disabled,
                proxy_password=account.proxy_password,
            )
            for account in self.list()
        )

    def stamp(self) -> int:
        """Return a number that grows with every change of any account."""
        return self._session.exec(select(func.max(col(PersonRow.updated_us)))).one() or 0

    def _row(self, name: str) -> PersonRow:
        row = self._session.get(PersonRow, canonical_name(name))
        if row is None:
            raise UsageError(
                f"There is no account {canonical_name(name)}.", hint="sekimori user list shows all."
            )
        return row

    def _saved(self, row: PersonRow, now_us: int) -> Account:
        row.updated_us = self._next_us(now_us)
        self._session.add(row)
        self._session.flush()
        return _account(row)

    def _next_us(self, now_us: int) -> int:
        # Two changes in one microsecond, or a clock that stepped back, must still show as two.
        return max(now_us, self.stamp() + 1)


class InviteRepo:
    """The only code that reads or writes ``invite``; the caller owns the session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: str, *, name: str, now_us: int, expires_us: int) -> None:
        """Keep the hash of a fresh, random token that lets ``name`` set a password once."""
        self._session.add(
            InviteRow(
                token_sha256=_hashed(token),
                name=canonical_name(name),
                created_us=now_us,
                expires_us=expires_us,
            )
        )
        self._session.flush()

    def find(self, token: str, *, now_us: int) -> str | None:
        """Return whom a token invites, None when it is unknown, used or too old."""
        row = self._session.get(InviteRow, _hashed(token))
        good = row is not None and row.used_us is None and now_us < row.expires_us
        return row.name if row is not None and good else None

    def redeem(self, token: str, *, now_us: int) -> str | None:
        """Use a token up and return whom it invites, None when it is not good any more."""
        change = update(InviteRow).where(
            col(InviteRow.token_sha256) == _hashed(token),
            col(InviteRow.used_us).is_(None),
            col(InviteRow.expires_us) > now_us,
        )
        name = self.find(token, now_us=now_us)
        # One statement decides who of two browsers was first.
        used = self._session.exec(change.values(used_us=now_us))
        return name if used.rowcount == 1 else None


def _account(row: PersonRow) -> Account:
    return Account(
        name=row.name,
        groups=tuple(json.loads(row.groups)),
        roles=tuple(json.loads(row.roles)),
        disabled=row.disabled,
        password=row.password,
        proxy_password=row.proxy_password,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def _packed(names: Iterable[str]) -> str:
    return json.dumps(sorted({canonical_name(name) for name in names} - {""}), ensure_ascii=False)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
