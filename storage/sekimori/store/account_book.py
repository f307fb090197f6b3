"""What is done to accounts becomes events of the ledger: noted by who does it, or found by the archivist.

``AccountBook`` notes in the transaction of the act. ``FindingAccounts`` is a chore: it holds the accounts against
what was noted, so that an act of a process without the archive's keys (the set-up link) or of a stranger in the
database is told, too. An account that was put back to an older state is an alarm and stays as it was noted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, Engine, func, select, tuple_

from sekimori.errors import SekimoriError
from sekimori.governance.accounts import AccountKept, Opener, is_older, note_accounts
from sekimori.governance.actors import TENANT, Actor, clock
from sekimori.governance.use_rules import use_rules_for
from sekimori.store.engine import reading, session
from sekimori.store.governing.lazy import state_of
from sekimori.store.governing.sealing import GovernedSeal
from sekimori.store.governing.writing import Writer
from sekimori.store.people import Account, PersonRepo
from sekimori.store.tables import GOVERNED, PERSON
from sekimori.store.telling import Telling
from sekimori.vault.content import ContentCipher
from sekimori.vault.names import NameSeal

_AT_ONCE = 50
"""Each is opened twice: so many take the archivist some tens of milliseconds."""
_DAY_US = 86_400_000_000


class AccountBook:
    """Notes accounts under the store key, inside the caller's transaction, which holds the turn."""

    def __init__(
        self,
        store_key: bytes,
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        random: Callable[[int], bytes] = os.urandom,
        tenant: str = TENANT,
    ) -> None:
        self._seal = GovernedSeal(NameSeal(store_key))
        self._cipher = ContentCipher(store_key)
        self._clock = clock
        self._new_id = new_id
        self._random = random
        self._tenant = tenant

    def note(self, connection: Connection, accounts: Iterable[Account], *, by: str) -> int:
        """Note what somebody did to accounts; give how many things that was."""
        return self._note(connection, accounts, Actor(by, tenant=self._tenant), found=False)

    def note_found(self, connection: Connection, accounts: Iterable[Account]) -> int:
        """Note what was done to accounts by whom nobody knows."""
        return self._note(connection, accounts, clock(self._tenant), found=True)

    def unnoted(self, connection: Connection, accounts: Iterable[Account]) -> tuple[list[str], list[str]]:
        """Give the names of accounts that are not as they were noted; apart, those that are older than that."""
        state, changed, older = state_of(connection, self._seal, self._tenant), list[str](), list[str]()
        at_us, actor = self._clock(), clock(self._tenant)
        rules = use_rules_for("enterprise", at_us)
        for account in accounts:
            kept = kept_of(account, self._tenant)
            if is_older(state.find(AccountKept, kept.id), kept):
                older.append(kept.id)
            elif note_accounts(state, [kept], actor, at_us, rules).events:
                changed.append(kept.id)
        return changed, older

    def missing(self, connection: Connection) -> int:
        """Say how many accounts were noted and are gone: none is ever deleted."""
        mine = GOVERNED.c.tenant == self._tenant, GOVERNED.c.noun == AccountKept.noun
        noted = connection.execute(select(func.count()).select_from(GOVERNED).where(*mine)).scalar_one()
        return max(0, noted - connection.execute(select(func.count()).select_from(PERSON)).scalar_one())

    def _note(self, connection: Connection, accounts: Iterable[Account], actor: Actor, *, found: bool) -> int:
        at_us = self._clock()
        rules = use_rules_for("enterprise", at_us)  # no profile has a rule about accounts
        state = state_of(connection, self._seal, self._tenant)
        kept = [kept_of(account, self._tenant) for account in accounts]
        noted = [each for each in kept if not is_older(state.find(AccountKept, each.id), each)]
        change = note_accounts(state, noted, actor, at_us, rules, found=found)
        if change.events:
            writer = Writer(connection, self._seal, self._cipher, new_id=self._new_id, random=self._random)
            writer.write(change, at_us, rules)
        return len(change.events)


def kept_of(account: Account, tenant: str = TENANT) -> AccountKept:
    """Give an account as it is noted: nothing in it opens anything."""
    return AccountKept(
        tenant=tenant,
        id=account.name,
        status="DISABLED" if account.disabled else "OPEN",
        groups=account.groups,
        roles=account.roles,
        password=_mark(account.password),
        proxy_password=_mark(account.proxy_password),
        keys=tuple(
            Opener(id=key.id, mark=_mark(key.sha256), of=(key.grant,))
            for key in account.agent_keys
            if not key.revoked_us
        ),
        tokens=tuple(
            Opener(id=token.id, mark=_mark(token.sha256), of=token.scopes, ends_us=token.expires_us)
            for token in account.tokens
        ),
        changed_us=account.updated_us,
    )


def _mark(kept: str | None) -> str:
    # What is kept of a password is salted, what is kept of a key is the hash of 256 random bits.
    return "" if kept is None else hashlib.sha256(f"account\0{kept}".encode()).hexdigest()


class FindingAccounts:
    """A chore of the archivist: notes what was done to accounts and not noted; all are looked at once a day."""

    def __init__(
        self,
        engine: Engine,
        people: NameSeal,
        book: AccountBook,
        *,
        clock: Callable[[], int],
        alarm: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._people = people
        self._book = book
        self._clock = clock
        self._telling = Telling(alarm)
        self._seen: tuple[int, bytes] = (0, b"")
        self._again_us = 0

    def step(self) -> bool:
        """Look at the next accounts that changed; say whether there were any."""
        now_us = self._clock()
        if not 0 < self._again_us - now_us <= _DAY_US:
            self._seen, self._again_us = (0, b""), now_us + _DAY_US
        try:
            return self._look()
        except SekimoriError as fault:
            self._telling.tell(f"The accounts can't be held against what was noted of them: {fault}")
            return False

    def _look(self) -> bool:
        with reading(self._engine) as connection:
            place = tuple_(PERSON.c.updated_us, PERSON.c.token)
            query = select(PERSON.c.updated_us, PERSON.c.token).where(place > tuple_(*self._seen))
            rows = connection.execute(
                query.order_by(PERSON.c.updated_us, PERSON.c.token).limit(_AT_ONCE)
            ).all()
        if not rows:
            return False
        tokens = [row.token for row in rows]
        with session(self._engine, writes=False) as opened:
            accounts = _accounts(PersonRepo(opened, self._people), tokens)
            changed, older = self._book.unnoted(opened.connection(), accounts)
            missing = self._book.missing(opened.connection())
        if changed:
            with session(self._engine) as opened:
                accounts = _accounts(PersonRepo(opened, self._people), tokens)
                self._book.note_found(opened.connection(), accounts)
        if older or missing:
            self._telling.tell(f"Accounts were put back or taken away: {len(older)} older, {missing} gone.")
        else:
            self._telling.well()
        self._seen = (rows[-1].updated_us, rows[-1].token)
        return True


def _accounts(people: PersonRepo, tokens: Sequence[bytes]) -> list[Account]:
    return [account for token in tokens if (account := people.by_row(token)) is not None]
