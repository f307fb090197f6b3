"""The publisher's process: database into the files that gate workers read, and the issuing certificates.

It alone holds the CA's root key and the key that signs policy, and listens on nothing. The standing is
published by a thread of its own: a suspension waits for no compilation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection
from sqlalchemy import exc as sql

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.compiling import compiler, interception_rules
from sekimori.cli.config import Config
from sekimori.cli.ending import announce, ends_with
from sekimori.cli.opened import cipher, new_id, now_us, people_names, policy_files, policy_names, store
from sekimori.cli.orders import Orders
from sekimori.cli.places import Places
from sekimori.cli.registering import grant_register, standing_register
from sekimori.errors import PolicyFileError, PolicyUnavailableError, SekimoriError
from sekimori.gate.ca import Issuer, IssuingSet
from sekimori.gate.keyfiles import load_issuing, load_issuing_public, load_root, publish_issuing
from sekimori.policy.snapshot import Snapshot, load
from sekimori.store.events import POLICY, Event, EventRepo
from sekimori.store.publish import Publisher, Seals
from sekimori.store.publishing_folder import PublishingFolder
from sekimori.store.standing import StandingPublisher
from sekimori.vault.keys import KeyRing
from sekimori.vault.pointers import PointerSigner

logger = logging.getLogger(__name__)

_POLL = 0.5
_PLACES = 10
_ENDS_WITHIN = 5.0
_RENEW_US = 3_600_000_000


class Certificates:
    """Keeps the issuing certificates in line with what is intercepted."""

    def __init__(self, places: Places, config: Config, catalogue: Catalogue) -> None:
        self._policy, self._config, self._catalogue = places.policy, config, catalogue
        self._seal = policy_files(places)
        self._root = load_root(places.keys / "root")
        self._public_key = load_issuing_public(places.keys / "root")
        self._issuer = Issuer(self._root.key, self._root.cert, self._public_key)
        self._file = places.policy / "issuing.pem"
        self._issued: IssuingSet | None = self._found()
        self._policy_hash = ""
        self._looked_us = 0

    def follow(self, policy_hash: str, at_us: int) -> None:
        """Issue anew where policy changed, or where a certificate nears its end."""
        if policy_hash == self._policy_hash and 0 <= at_us - self._looked_us < _RENEW_US:
            return
        snapshot = load(self._seal.read(self._policy, "policy", policy_hash), policy_hash)
        rules = interception_rules(snapshot, self._catalogue, self._config)
        before = self._issued
        self._issued = publish_issuing(self._file, self._issuer, before, rules, datetime.now(UTC))
        self._policy_hash, self._looked_us = policy_hash, at_us
        if before is None or before.shards != self._issued.shards:
            logger.info("%d issuing certificates in force", len(self._issued.shards))
        if self._issued.uncovered:
            # A certificate knows no * inside a label. Nothing to be done about it, so no warning.
            named = ", ".join(self._issued.uncovered[:10])
            logger.info("no certificate can be issued for names such as %s: they stay closed", named)

    def _found(self) -> IssuingSet | None:
        try:
            return load_issuing(self._file, root=self._root.cert, public_key=self._public_key)
        except PolicyUnavailableError:
            return None  # none yet, or none of ours: all are issued anew


def run(orders: Orders) -> int:
    """Publish until told to stop; what cannot be published is said once for each cause."""
    places, config = orders.places, orders.settings
    stop = ends_with(orders.lifeline_fd)
    catalogue = Catalogue.load()
    with store(places) as engine:
        signer = PointerSigner(KeyRing.load_policy_signing(places.keys))
        standing = StandingPublisher(
            engine,
            PublishingFolder(places.policy, policy_files(places)),
            signer=signer,
            source=standing_register(places, config),
            clock=now_us,
        )
        publisher = Publisher(
            engine,
            places.policy,
            seals=Seals(people_names(places), policy_names(places), policy_files(places), signer),
            compiler=compiler(config, catalogue),
            clock=now_us,
            register=grant_register(places, config, catalogue),
            note=_noting(places),
        )
        certificates = Certificates(places, config, catalogue)
        with _followed_beside(standing.publish, stop):
            _follow(lambda: certificates.follow(publisher.publish().policy, now_us()), stop, done=announce)
    return 0


@contextmanager
def _followed_beside(publish: Callable[[], object], stop: threading.Event) -> Iterator[None]:
    """Publish something else meanwhile; a fault that nobody expected there ends all of it, and is raised here.

    A thread that died by itself would leave this process looking well while no suspension gets out.
    """
    failed: list[Exception] = []

    def run() -> None:
        try:
            _follow(publish, stop)
        except Exception as error:  # noqa: BLE001 (raised again below, by the thread that the process ends with)
            failed.append(error)
            stop.set()

    thread = threading.Thread(target=run, name="standing", daemon=True)
    thread.start()
    yield
    thread.join(_ENDS_WITHIN)
    if failed:
        raise failed[0]


def _noting(places: Places) -> Callable[[Connection, Snapshot, str], None]:
    opener = cipher(places)

    def note(connection: Connection, snapshot: Snapshot, source: str) -> None:
        said = {"snapshot": snapshot.hash, "source": source, "unsigned": snapshot.unsigned}
        EventRepo(connection, opener).add(new_id(), POLICY, now_us(), Event(said=said))

    return note


def _follow(
    publish: Callable[[], object], stop: threading.Event, done: Callable[[], None] = lambda: None
) -> None:
    said = ""
    while not stop.is_set():
        fault = _fault_of(publish)
        if fault and fault != said:
            logger.error("nothing new is published: %s", fault)
        said = fault
        if not fault:
            done()
        stop.wait(_POLL)


def _fault_of(publish: Callable[[], object]) -> str:
    try:
        publish()
    except SekimoriError as error:
        return told(error)
    except sql.OperationalError as error:
        return f"{error.orig}."
    except OSError as error:
        return f"{error}."
    return ""


def told(error: SekimoriError) -> str:
    """Say what keeps a policy from being published; of a policy file the places only, for it names people."""
    if not isinstance(error, PolicyFileError):
        return str(error)
    places = dict.fromkeys(f"line {fault.line} {fault.field}".strip() for fault in error.faults)
    some = "; ".join(list(places)[:_PLACES])
    return f"the applied files have {len(error.faults)} faults ({some}); `sekimori check FILE` says which."
