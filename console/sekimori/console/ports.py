"""What the console asks of the rest of the house, each as narrow as one page needs.

Every method may block (a file, a database): the console calls them from its thread pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sekimori.policy.reasons import Reason


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Whether AI traffic can pass now, and the figures that tell why not."""

    ok: bool
    policy_hash: str
    policy_age_s: float
    spool_depth: int
    spool_oldest_s: float
    archivist: Literal["running", "behind", "stopped"]


class Health(Protocol):
    """Whoever sees the whole tree."""

    def report(self) -> HealthReport:
        """Look now; a failure to look is raised, and counts as ill."""


class Authority(Protocol):
    """The public side of the CA, and the proxy configuration made from the policy."""

    def certificate_pem(self) -> bytes:
        """Return the root certificate that clients must trust."""

    def proxy_pac(self) -> bytes:
        """Return the proxy auto-configuration script."""


@dataclass(frozen=True, slots=True)
class RefusalNote:
    """What anybody who holds a reference number may learn: never whose it was, nor where it went."""

    code: Reason
    time_us: int


class Refusals(Protocol):
    """The refusals that were recorded."""

    def note(self, reference: str) -> RefusalNote | None:
        """Return the note of one refusal, or nothing if there is none of that number."""


@dataclass(frozen=True, slots=True)
class PendingSetup:
    """A set-up link that has not been used: whose password it sets, and until when.

    Only the hash of its token is kept, so that whoever reads the store can't use the link.
    """

    token_sha256: bytes
    name: str
    expires_us: int


class SetupDesk(Protocol):
    """Keeps the one set-up link of the first administrator."""

    def pending(self) -> PendingSetup | None:
        """Return the link that is waiting, used up or not yet made ones excluded."""

    def complete(self, setup: PendingSetup, password_hash: str) -> bool:
        """Use the link up and set the password in one step; say whether this call was the first."""


class PasswordHasher(Protocol):
    """Turns a password into what may be stored."""

    def hash(self, password: str) -> str:
        """Normalise (NFC) and hash with argon2id; return a PHC string."""


@dataclass(frozen=True, slots=True)
class NoticeDuty:
    """A notice, or a trial's text, as its reader sees it; ``read`` once they said that they have read it."""

    id: str
    number: int
    sha256: str
    title: str
    ja: str
    en: str
    trial: bool
    read: bool


@dataclass(frozen=True, slots=True)
class FeedbackDuty:
    """Exchanges with one service that nobody has answered for; ``open`` until somebody does."""

    service: str
    exchanges: int
    since_us: int
    covers: int
    open: bool


@dataclass(frozen=True, slots=True)
class Owed:
    """One line of the list of what somebody owes, and the link that leads to it."""

    ticket: str
    notice: NoticeDuty | None = None
    feedback: FeedbackDuty | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link is about: one notice, one answer, or the list of both."""

    subject: str
    list_ticket: str
    notice: NoticeDuty | None = None
    feedback: FeedbackDuty | None = None
    owed: tuple[Owed, ...] = ()


class DutyDesk(Protocol):
    """Whoever knows what people owe, and keeps what they say; links are checked here."""

    def open(self, ticket: str) -> Opened | None:
        """Say what a link is about; nothing changes. None for what is no living link of ours."""

    def read(self, ticket: str, number: int, sha256: str) -> bool:
        """Keep that the holder has read this version of the notice; False if another is in force."""

    def answer(self, ticket: str, answer: str, text: str) -> bool:
        """Keep the holder's answer; False if the link was used."""
