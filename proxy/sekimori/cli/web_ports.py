"""What the web pages ask of the rest of the house: health, CA, PAC file, refusals, the set-up link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from sqlalchemy import select

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.checks import running
from sekimori.cli.compiling import interception_rules
from sekimori.cli.config import Config
from sekimori.cli.opened import now_us, policy_files
from sekimori.cli.places import Places
from sekimori.console.line import Line
from sekimori.console.ports import HealthReport, PendingSetup, RefusalNote
from sekimori.console.remote_duties import RemoteDuties
from sekimori.errors import PolicyUnavailableError
from sekimori.gate.keyfiles import export_root
from sekimori.gate.pac import pac_file
from sekimori.ledger.lanes import SHIPPED, pending
from sekimori.policy.reasons import Reason
from sekimori.policy.snapshot import Snapshot, load
from sekimori.store.engine import reading, session
from sekimori.store.people import InviteRepo, PersonRepo
from sekimori.store.publish import read_current
from sekimori.store.tables import RECORD
from sekimori.vault.passwords import hash_password

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sekimori.store.account_book import AccountBook
    from sekimori.vault.names import NameSeal

_BEHIND_S = 10.0
# Somebody looks at a page meanwhile.
_DUTY_S = 10.0


class PublishedPolicy:
    """The policy in force, read again only when it changes."""

    def __init__(self, places: Places) -> None:
        self._folder = places.policy
        self._seal = policy_files(places)
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot | None:
        """Return the snapshot, None while there is none that can be read."""
        try:
            current = read_current(self._folder).policy
            if self._snapshot is None or self._snapshot.hash != current:
                self._snapshot = load(self._seal.read(self._folder, "policy", current), current)
        except (PolicyUnavailableError, FileNotFoundError):
            return self._snapshot
        return self._snapshot


def service_names(policy: PublishedPolicy, catalogue: Catalogue) -> Callable[[str], str | None]:
    """Give what names a service by its id: the policy's own word first, then the catalogue's."""

    def named(service: str) -> str | None:
        snapshot = policy.snapshot()
        known = snapshot.services.get(service) if snapshot else None
        found = known or catalogue.get(service)
        return found.name if found else None

    return named


def line_to(places: Places, *, timeout_s: float = 60.0) -> Line:
    """Give the way to the governing process of an installation."""
    return Line(places.governing_socket, places.policy, timeout_s=timeout_s)


def remote_duties(places: Places) -> RemoteDuties:
    """Give the desk of duties that asks the governing process."""
    return RemoteDuties(line_to(places, timeout_s=_DUTY_S))


class TreeHealth:
    """Whether AI traffic can pass now, as far as the files tell."""

    def __init__(self, places: Places, config: Config) -> None:
        self._places = places
        self._config = config

    def report(self) -> HealthReport:
        """Look now."""
        try:
            current = read_current(self._places.policy)
            policy, age_s = current.policy, max(0.0, (now_us() - current.issued_us) / 1e6)
        except PolicyUnavailableError:
            policy, age_s = "", 0.0
        waiting = pending(self._places.spool)
        oldest_s = self._oldest_s(waiting)
        depth = sum(waiting.values())
        fresh = bool(policy) and age_s <= self._config.gate.snapshot_max_age
        return HealthReport(
            ok=fresh and depth < self._config.spool.high_water,
            policy_hash=policy,
            policy_age_s=age_s,
            spool_depth=depth,
            spool_oldest_s=oldest_s,
            archivist=self._archivist(oldest_s),
        )

    def _oldest_s(self, waiting: Mapping[str, int]) -> float:
        """Say how long ago the slowest lane was last stored."""
        now = now_us() / 1e6
        ages = [0.0]
        for lane, size in waiting.items():
            folder = self._places.spool / lane
            marker = folder / SHIPPED
            try:
                if size:
                    ages.append(now - (marker if marker.exists() else folder / "lock").stat().st_mtime)
            except FileNotFoundError:  # shipped and deleted while we looked
                continue
        return max(ages)

    def _archivist(self, oldest_s: float) -> Literal["running", "behind", "stopped"]:
        if not (running(self._places) or running(self._places, ("archive",))):
            return "stopped"
        return "behind" if oldest_s > _BEHIND_S else "running"


class PublicAuthority:
    """The CA certificate and the PAC file."""

    def __init__(
        self, places: Places, config: Config, policy: PublishedPolicy, catalogue: Catalogue, proxy_url: str
    ) -> None:
        self._keys = places.keys / "web"
        self._config, self._policy, self._catalogue = config, policy, catalogue
        parts = urlsplit(proxy_url)
        self._proxy = parts.netloc
        self._scheme: Literal["PROXY", "HTTPS"] = "HTTPS" if parts.scheme == "https" else "PROXY"
        self._made: tuple[str, bytes] = ("", b"")

    def certificate_pem(self) -> bytes:
        """Return the root certificate that clients must trust."""
        return export_root(self._keys)

    def proxy_pac(self) -> bytes:
        """Return the script; it sends everything, since only what is seen can be counted or refused."""
        snapshot = self._policy.snapshot()
        version = snapshot.hash if snapshot else ""
        if self._made[0] != version or not self._made[1]:
            rules = interception_rules(snapshot, self._catalogue, self._config) if snapshot else ()
            script = pac_file(self._proxy, rules, everything=True, scheme=self._scheme)
            self._made = (version, script.encode("ascii"))
        return self._made[1]


class RecordedRefusals:
    """What anybody with a reference number may learn; read from the index, which holds no content."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, reference: str) -> RefusalNote | None:
        """Return the note of one refusal."""
        query = select(RECORD.c.reasons, RECORD.c.time_us).where(
            RECORD.c.rid == reference, RECORD.c.decision != "allow"
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        codes = row.reasons.split() if row is not None else []
        return RefusalNote(Reason(codes[0]), row.time_us) if row is not None and codes else None


class OneSetup:
    """The set-up link that waits, and its use."""

    def __init__(self, engine: Engine, names: NameSeal, *, book: AccountBook | None = None) -> None:
        self._engine = engine
        self._names = names
        self._book = book

    def pending(self) -> PendingSetup | None:
        """Return the newest link that is neither used nor too old."""
        with session(self._engine, writes=False) as opened:
            invited = InviteRepo(opened, self._names).newest(now_us=now_us())
        if invited is None:
            return None
        return PendingSetup(bytes.fromhex(invited.token_sha256), invited.name, invited.expires_us)

    def complete(self, setup: PendingSetup, password_hash: str) -> bool:
        """Use the link up and set the password, or neither."""
        now = now_us()
        with session(self._engine) as opened:
            if not InviteRepo(opened, self._names).use_up(setup.token_sha256.hex(), now_us=now):
                return False
            account = PersonRepo(opened, self._names).set_password(setup.name, password_hash, now_us=now)
            if self._book is not None:
                self._book.note(opened.connection(), [account], by=setup.name)
        return True


class Argon2:
    """The vault's way to keep a password."""

    def hash(self, password: str) -> str:
        """Return the string to store."""
        return hash_password(password)
