"""What the API asks of the rest of the house. Every method may block: it runs in the thread pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sekimori.governance.actors import Actor
from sekimori.governance.change import Change, Event
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_rules import UseRules
from sekimori.store.finding import Query

Fields = Mapping[str, Any]


class Governing(Protocol):
    """Everything that was decided, and the one way to change it."""

    def perform(
        self,
        command: Any,
        actor: Actor,
        *,
        expected: Mapping[tuple[str, str], int] | None = None,
        once: str = "",
    ) -> Change:
        """Carry out a command, all of it or nothing; ``once`` makes a repetition give the first answer."""

    def carry_out(self, step: Callable[[State, int, UseRules], Change], *, once: str = "") -> Change:
        """Carry out what no single command says, the same way."""

    def state(self) -> AbstractContextManager[State]:
        """Open one consistent view."""

    def history(self, noun: str, id_: str, *, after: str = "", limit: int = 100) -> Sequence[Event]:
        """Give what happened to one thing, the oldest first; ``after`` is the version last seen."""

    def list(self, noun: str, *, after: str = "", limit: int = 100) -> Sequence[Aggregate]:
        """Give a page of things; ``after`` is the id last seen."""


@dataclass(frozen=True, slots=True)
class Known:
    """An account as far as the API has to know it; ``stamp`` changes with its password and tells nothing of it."""

    name: str
    unit: str = ""
    roles: tuple[str, ...] = ()
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """An API token without its secret."""

    id: str
    label: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int


class Accounts(Protocol):
    """The local accounts and their API tokens."""

    def sign_in(self, name: str, password: str) -> Known | None:
        """Give the account if the password is its own; takes as long for an account that there is not."""

    def known(self, name: str) -> Known | None:
        """Find an account that may be used."""

    def closed(self, name: str) -> bool:
        """Say whether there is an account of this name that may not be used."""

    def holder(self, token: str, now_us: int) -> tuple[Known, Held] | None:
        """Give whose token this is, while it is good and the account is open."""

    def agent(self, key: str) -> tuple[Known, str] | None:
        """Give whose agent holds this key, and as whom it acts, while both are good."""

    def issue(self, name: str, label: str, scopes: tuple[str, ...], expires_us: int) -> str:
        """Make a token and give it; only its hash is kept."""

    def tokens(self, name: str) -> Sequence[Held]:
        """List the tokens of an account."""

    def revoke(self, name: str, id_: str) -> bool:
        """End a token; say whether there was one."""


class Records(Protocol):
    """The log: metadata freely, content only after the reading itself is on record."""

    def list(self, query: Query) -> Sequence[Fields]:
        """Return the newest records that fit, the oldest of them first."""

    def show(self, rid: str) -> Fields | None:
        """Return one record's metadata."""

    def content(self, rid: str, *, reader: str, reader_source: str, reason: str) -> Any:
        """Record the reading, then return what ``fields()`` turns into prompt, output and the rest."""


class SignsIn(Protocol):
    """Whoever vouches for bearer tokens from elsewhere."""

    def name(self, token: str, now_us: int) -> str:
        """Give whom the token is about, or raise ``BadToken``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPorts:
    """Everything behind the API.

    The reports are written by whoever counts; their shape is theirs.
    """

    governing: Governing
    accounts: Accounts
    records: Records
    explain: Callable[[Fields], Fields]
    policy: Callable[[], Fields]
    compliance: Callable[[], Fields]
    usage: Callable[[str], Fields]
    clock_us: Callable[[], int]
    new_id: Callable[[], str]
    random: Callable[[int], bytes]
    issuer: SignsIn | None = None
