"""Local accounts and the set-up links that make the first one.

Passwords arrive as argon2 strings; making and checking them is the vault's. Nothing is deleted: an
account that may no longer be used is disabled, because records go on naming it. What a row says of a
person is sealed; a keyed token of the name finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import func
from sqlmodel import Session, col, select, update

from sekimori.errors import UsageError
from sekimori.policy.agentkeys import AgentKey
from sekimori.policy.people import People, Person, canonical_name, name_fault
from sekimori.store.api_tokens import ApiToken
from sekimori.store.bulk import Row
from sekimori.store.tables import InviteRow, PersonRow
from sekimori.vault.names import NameSeal

PLACE = "person"
"""Where an account is sealed, and what its token is made of beside the name."""


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
    agent_keys: tuple[AgentKey, ...] = ()
    tokens: tuple[ApiToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Invitation:
    """A set-up link that is still good; its secret is known to whoever holds the link."""

    token_sha256: str
    name: str
    expires_us: int


class PersonRepo:
    """The only code that reads or writes ``person``; the caller owns the session."""

    def __init__(self, session: Session, names: NameSeal) -> None:
        self._session = session
        self._names = names

    def get(self, name: str) -> Account | None:
        """Find an account, however its name is written; disabled ones too."""
        row = self._session.get(PersonRow, self._names.token(PLACE, canonical_name(name)))
        return None if row is None else self._account(row)

    def by_row(self, row: bytes) -> Account | None:
        """Find an account by the keyed token of its name, which its API tokens carry."""
        found = self._session.get(PersonRow, row)
        return None if found is None else self._account(found)

    def row_of(self, name: str) -> bytes:
        """Give the keyed token of a name."""
        return self._names.token(PLACE, canonical_name(name))

    def list(self) -> list[Account]:
        """Return all accounts by name."""
        accounts = (self._account(row) for row in self._session.exec(select(PersonRow)))
        return sorted(accounts, key=lambda account: account.name)

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
        if fault := name_fault(canonical):
            raise UsageError(f"Nobody can be called that: {fault}.", hint="Choose another name.")
        if self.get(canonical) is not None:
            raise UsageError(f"There is already an account {canonical}.", hint="Choose another name.")
        account = Account(
            name=canonical,
            groups=_canonical(groups),
            roles=_canonical(roles),
            disabled=False,
            password=password,
            proxy_password=proxy_password,
            created_us=now_us,
            updated_us=self._next_us(now_us),
        )
        self._session.add(PersonRow(**person_row(account, self._names)))
        self._session.flush()
        return account

    def set_memberships(
        self, name: str, *, groups: Iterable[str], roles: Iterable[str], now_us: int
    ) -> Account:
        """Replace the groups and roles of an account."""
        return self._change(name, now_us, groups=_canonical(groups), roles=_canonical(roles))

    def set_password(self, name: str, password: str, *, now_us: int) -> Account:
        """Replace the password that signs in to the console."""
        return self._change(name, now_us, password=password)

    def set_proxy_password(self, name: str, proxy_password: str | None, *, now_us: int) -> Account:
        """Replace or take away the password that passes the gate."""
        return self._change(name, now_us, proxy_password=proxy_password)

    def set_tokens(self, name: str, tokens: Iterable[ApiToken], *, now_us: int) -> Account:
        """Replace the API tokens of an account."""
        return self._change(name, now_us, tokens=tuple(tokens))

    def set_disabled(self, name: str, *, disabled: bool, now_us: int) -> Account:
        """Close an account, or open it again."""
        return self._change(name, now_us, disabled=disabled)

    def add_key(self, name: str, key: AgentKey, *, now_us: int) -> Account:
        """Give an account a key for an agent of its own."""
        account = self.get(name)
        return self._change(name, now_us, agent_keys=(*(account.agent_keys if account else ()), key))

    def revoke_key(self, id_: str, *, now_us: int) -> Account:
        """Make a key worthless; it stays listed, because records go on naming it."""
        for account in self.list():
            if any(key.id == id_ and not key.revoked_us for key in account.agent_keys):
                kept = tuple(
                    msgspec.structs.replace(key, revoked_us=now_us) if key.id == id_ else key
                    for key in account.agent_keys
                )
                return self._change(account.name, now_us, agent_keys=kept)
        raise UsageError(f"There is no key {id_} that is good.", hint="sekimori key list shows all.")

    def for_gate(self) -> People:
        """Return what gate workers may know: no console password among it."""
        return People(
            Person(
                name=account.name,
                groups=account.groups,
                roles=account.roles,
                disabled=account.disabled,
                proxy_password=account.proxy_password,
                keys=tuple(
                    msgspec.structs.replace(key, label="") for key in account.agent_keys if not key.revoked_us
                ),
            )
            for account in self.list()
        )

    def stamp(self) -> int:
        """Return a number that grows with every change of any account."""
        return self._session.exec(select(func.max(col(PersonRow.updated_us)))).one() or 0

    def _change(self, name: str, now_us: int, **changes: Any) -> Account:
        row = self._session.get(PersonRow, self._names.token(PLACE, canonical_name(name)))
        if row is None:
            raise UsageError(
                f"There is no account {canonical_name(name)}.", hint="sekimori user list shows all."
            )
        account = replace(self._account(row), **changes, updated_us=self._next_us(now_us))
        row.sqlmodel_update(person_row(account, self._names))
        self._session.add(row)
        self._session.flush()
        return account

    def _account(self, row: PersonRow) -> Account:
        return open_account(row, self._names)

    def _next_us(self, now_us: int) -> int:
        # Two changes in one microsecond, or a clock that stepped back, must still show as two.
        return max(now_us, self.stamp() + 1)


class InviteRepo:
    """The only code that reads or writes ``invite``; the caller owns the session."""

    def __init__(self, session: Session, names: NameSeal) -> None:
        self._session = session
        self._names = names

    def add(self, token: str, *, name: str, now_us: int, expires_us: int) -> None:
        """Keep the hash of a fresh, random token that lets ``name`` set a password once."""
        invited = Invitation(_hashed(token), canonical_name(name), expires_us)
        self._session.add(InviteRow(**invite_row(invited, self._names, created_us=now_us)))
        self._session.flush()

    def find(self, token: str, *, now_us: int) -> str | None:
        """Return whom a token invites, None when it is unknown, used or too old."""
        row = self._session.get(InviteRow, _hashed(token))
        good = row is not None and row.used_us is None and now_us < row.expires_us
        return self._invitation(row).name if row is not None and good else None

    def newest(self, *, now_us: int) -> Invitation | None:
        """Return the newest link that is neither used nor too old."""
        waiting = select(InviteRow).where(
            col(InviteRow.used_us).is_(None), col(InviteRow.expires_us) > now_us
        )
        row = self._session.exec(waiting.order_by(col(InviteRow.created_us).desc()).limit(1)).first()
        return None if row is None else self._invitation(row)

    def redeem(self, token: str, *, now_us: int) -> str | None:
        """Use a token up and return whom it invites, None when it is not good any more."""
        name = self.find(token, now_us=now_us)
        return name if self.use_up(_hashed(token), now_us=now_us) else None

    def use_up(self, token_sha256: str, *, now_us: int) -> bool:
        """Use a link up; false when it is not good any more."""
        change = update(InviteRow).where(
            col(InviteRow.token_sha256) == token_sha256,
            col(InviteRow.used_us).is_(None),
            col(InviteRow.expires_us) > now_us,
        )
        # One statement decides who of two browsers was first.
        return self._session.exec(change.values(used_us=now_us)).rowcount == 1

    def _invitation(self, row: InviteRow) -> Invitation:
        name = self._names.open(row.sealed, "invite", row.token_sha256, row.expires_us)
        return Invitation(row.token_sha256, name.decode(), row.expires_us)


def open_account(row: Any, names: NameSeal) -> Account:
    """Read the row that keeps an account; raises IntegrityError when it is not what was sealed there."""
    said = names.open(row.sealed, PLACE, row.token, row.updated_us)
    return msgspec.msgpack.decode(said, type=Account)


def person_row(account: Account, names: NameSeal) -> Row:
    """Return the row that keeps an account."""
    token = names.token(PLACE, account.name)
    said = msgspec.msgpack.encode(account)
    sealed = names.seal(said, PLACE, token, account.updated_us)
    return {"token": token, "sealed": sealed, "updated_us": account.updated_us}


def invite_row(invited: Invitation, names: NameSeal, *, created_us: int, used_us: int | None = None) -> Row:
    """Return the row that keeps a set-up link."""
    sealed = names.seal(invited.name.encode(), "invite", invited.token_sha256, invited.expires_us)
    return {
        "token_sha256": invited.token_sha256,
        "sealed": sealed,
        "created_us": created_us,
        "expires_us": invited.expires_us,
        "used_us": used_us,
    }


def _canonical(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({canonical_name(name) for name in names} - {""}))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
