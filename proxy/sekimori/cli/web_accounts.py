"""The local accounts as the API asks for them: passwords, API tokens, and whose agent holds a key."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sekimori.cli.acting import unit_of
from sekimori.cli.opened import now_us
from sekimori.console.api import Held, Known
from sekimori.errors import UsageError
from sekimori.governance.said import subject_of
from sekimori.policy.agentkeys import key_id, opens
from sekimori.policy.people import canonical_name
from sekimori.store.api_tokens import ApiToken, fits, hashed, parts, written
from sekimori.store.engine import session
from sekimori.store.people import Account, PersonRepo
from sekimori.vault.passwords import NOBODY, verify_password

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlmodel import Session

    from sekimori.store.account_book import AccountBook
    from sekimori.vault.names import NameSeal

_ID_BYTES, _SECRET_BYTES = 6, 32
_AT_ONCE = 2


class LocalAccounts:
    """The accounts of this installation, and the API tokens beside them."""

    def __init__(
        self,
        engine: Engine,
        names: NameSeal,
        *,
        clock: Callable[[], int] = now_us,
        random: Callable[[int], bytes] = secrets.token_bytes,
        book: AccountBook | None = None,
    ) -> None:
        self._engine, self._names = engine, names
        self._clock, self._random, self._book = clock, random, book
        self._verifying = threading.BoundedSemaphore(_AT_ONCE)
        self._owners: dict[str, str] = {}
        self._stamp = -1

    def sign_in(self, name: str, password: str) -> Known | None:
        """Give the account if the password is its own; an unknown name takes as long."""
        account = self._get(name)
        stored = account.password if account and not account.disabled else None
        # Each look takes 19 MiB: as many at once as there are requests would be a way to end this process.
        with self._verifying:
            right = verify_password(stored or NOBODY, password)
        return _known(account) if account is not None and stored is not None and right else None

    def known(self, name: str) -> Known | None:
        """Find an account that may be used."""
        account = self._get(name)
        return None if account is None or account.disabled else _known(account)

    def closed(self, name: str) -> bool:
        """Say whether the account of this name may not be used."""
        account = self._get(name)
        return account is not None and account.disabled

    def holder(self, token: str, now_us: int) -> tuple[Known, Held] | None:
        """Give whose token this is, while it is good."""
        if (found := parts(token)) is None:
            return None
        row, id_, secret = found
        with session(self._engine, writes=False) as opened:
            account = PersonRepo(opened, self._names).by_row(bytes.fromhex(row))
        if account is None or account.disabled:
            return None
        for kept in account.tokens:
            if kept.id == id_ and fits(kept, secret, now_us):
                return _known(account), _held(kept)
        return None

    def agent(self, key: str) -> tuple[Known, str] | None:
        """Give whose agent holds this key; the owners of keys are looked up again when any account changed."""
        if (id_ := key_id(key)) is None:
            return None
        with session(self._engine, writes=False) as opened:
            people = PersonRepo(opened, self._names)
            if (stamp := people.stamp()) != self._stamp:
                self._owners = {each.id: a.name for a in people.list() for each in a.agent_keys}
                self._stamp = stamp
            account = people.get(self._owners.get(id_, ""))
        if account is None or account.disabled:
            return None
        for kept in account.agent_keys:
            if kept.id == id_ and opens(key, kept):
                return _known(account), subject_of(account.name, f"key/{kept.id}/{kept.grant}")
        return None

    def issue(self, name: str, label: str, scopes: tuple[str, ...], expires_us: int) -> str:
        """Make a token; those that are over are dropped at the same time."""
        id_, now = self._random(_ID_BYTES).hex(), self._clock()
        secret = _text(self._random(_SECRET_BYTES))
        fresh = ApiToken(id_, hashed(secret), label, scopes, now, expires_us)
        with session(self._engine) as opened:
            people = PersonRepo(opened, self._names)
            account = people.get(name)
            if account is None:
                raise UsageError(f"There is no account {canonical_name(name)}.")
            living = (each for each in account.tokens if each.expires_us > now)
            self._note(opened, people.set_tokens(name, (*living, fresh), now_us=now))
            return written(people.row_of(name).hex(), id_, secret)

    def tokens(self, name: str) -> Sequence[Held]:
        """List the tokens of an account."""
        account = self._get(name)
        return [] if account is None else [_held(each) for each in account.tokens]

    def revoke(self, name: str, id_: str) -> bool:
        """End a token."""
        with session(self._engine) as opened:
            people = PersonRepo(opened, self._names)
            account = people.get(name)
            kept = () if account is None else tuple(each for each in account.tokens if each.id != id_)
            if account is None or len(kept) == len(account.tokens):
                return False
            self._note(opened, people.set_tokens(name, kept, now_us=self._clock()))
        return True

    def _note(self, opened: Session, account: Account) -> None:
        if self._book is not None:
            self._book.note(opened.connection(), [account], by=account.name)

    def _get(self, name: str) -> Account | None:
        with session(self._engine, writes=False) as opened:
            return PersonRepo(opened, self._names).get(name)


def _known(account: Account) -> Known:
    # The stored text has a salt of its own: its hash is another with each password, and none of the password.
    stamp = hashlib.sha256(b"session\0" + (account.password or "").encode()).hexdigest()
    return Known(account.name, unit_of(account), account.roles, stamp)


def _held(kept: ApiToken) -> Held:
    return Held(kept.id, kept.label, kept.scopes, kept.created_us, kept.expires_us)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
