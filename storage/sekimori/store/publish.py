"""The publisher: accounts and applied files become the two files that gate workers read.

``current.json`` names them by hash and says when it was last issued; a worker that finds it older than
it may be refuses AI traffic. It is written last, so whoever reads it finds both files whole. It is
issued anew every minute as long as the database says what the files say, and not while it says
something that doesn't compile: a stale policy then runs out instead of living on unseen.

Both files name people and purposes, so they are sealed (``vault.published``); ``current.json`` holds only
hashes and times, and is signed (``vault.pointers``). A snapshot that is new is noted for the ledger in the
transaction that compiled it. What an older release left readable is overwritten and removed.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy import exc as sql
from sqlmodel import Session

from sekimori.errors import PolicyUnavailableError, SekimoriError
from sekimori.policy.applied import Document
from sekimori.policy.flat import dump_flat
from sekimori.policy.people import dump_people
from sekimori.policy.snapshot import Snapshot, dump
from sekimori.store.engine import session
from sekimori.store.people import PersonRepo
from sekimori.store.policies import AppliedFile, PolicyRepo
from sekimori.store.publishing_folder import PublishingFolder
from sekimori.vault.names import NameSeal
from sekimori.vault.pointers import CURRENT, Current, PointerSigner, next_serial, read_pointer
from sekimori.vault.published import PolicySeal

logger = logging.getLogger(__name__)

ISSUE_EVERY_US = 60_000_000
_KINDS = ("policy", "flat", "people")
_POLL = 0.5


class Compile(Protocol):
    """Turns what the database says into a snapshot; ``key`` names everything else that its result hangs on."""

    @property
    def key(self) -> str:
        """A text that changes whenever the same files would compile to something else."""
        ...

    def __call__(
        self, files: Sequence[AppliedFile], now_us: int, granted: Document | None = None
    ) -> Snapshot:
        """Compile, or raise PolicyFileError naming every fault."""
        ...


class Register(Protocol):
    """What was granted in the register, read on the connection of the caller."""

    def stamp(self, connection: Connection) -> str:
        """Give a text that changes whenever what was granted may have."""
        ...

    def granted(self, connection: Connection, now_us: int) -> Document:
        """Give what was granted, as it becomes policy at an instant."""
        ...


def read_current(policy_dir: Path) -> Current:
    """Read what is published; raise PolicyUnavailableError when there is nothing good."""
    try:
        return read_pointer((policy_dir / CURRENT).read_bytes(), Current, str(policy_dir / CURRENT))
    except FileNotFoundError as fault:
        raise PolicyUnavailableError("No policy has been published yet.") from fault


@dataclass(frozen=True, slots=True)
class Seals:
    """What the publisher opens, seals and signs with: accounts, applied files, the files for the workers."""

    people: NameSeal
    policies: NameSeal
    files: PolicySeal
    signer: PointerSigner


class Publisher:
    """Keeps the folder of published files in step with the database; there is one for each folder.

    ``register`` is where grants are decided on beside the applied files; ``note`` is told of each new
    snapshot in the transaction that keeps it.
    """

    def __init__(
        self,
        engine: Engine,
        policy_dir: Path,
        *,
        seals: Seals,
        compiler: Compile,
        clock: Callable[[], int],
        register: Register | None = None,
        note: Callable[[Connection, Snapshot, str], None] = lambda *_: None,
    ) -> None:
        self._engine = engine
        self._folder = PublishingFolder(policy_dir, seals.files)
        self._seals = seals
        self._first = True
        self._compile = compiler
        self._clock = clock
        self._register = register
        self._note = note
        self._serial = 0

    def run_forever(
        self, stop: threading.Event, *, on_fault: Callable[[SekimoriError], None] | None = None
    ) -> None:
        """Publish until ``stop``; what cannot be published is reported once for each cause."""
        last = ""
        while not stop.is_set():
            try:
                self.publish()
                last = ""
            except SekimoriError as fault:
                if str(fault) != last and on_fault:
                    on_fault(fault)
                last = str(fault)
            except sql.OperationalError as fault:
                logger.warning("the database is busy: %s", fault.orig)
            stop.wait(_POLL)

    def publish(self) -> Current:
        """Write what changed, renew what is due, and return what is in force; raise and keep on a fault."""
        published = self._published()
        if self._first and published and not self._opens(published):
            published = None  # damaged, from an older release or under another key: made anew
        with session(self._engine, writes=False) as opened:
            sources = self._sources(opened)
        if published and self._is_whole(published) and published.sources == sources:
            current = self._renew(published)
        else:
            self._folder.make()
            current = self._replace(published)
        if self._first:
            self._folder.destroy_readable()
            self._first = False
        return current

    def _renew(self, published: Current) -> Current:
        now_us = self._clock()
        # A clock that stepped back makes the old issue lie in the future: issue anew then, too.
        if 0 <= now_us - published.issued_us < ISSUE_EVERY_US:
            return published
        return self._issue(msgspec.structs.replace(published, issued_us=now_us))

    def _replace(self, published: Current | None) -> Current:
        now_us = self._clock()
        policy, flat, policy_source = self._replace_policy(published, now_us)
        people, people_source = self._replace_people()
        current = self._issue(
            Current(
                policy=policy,
                flat=flat,
                people=people,
                issued_us=now_us,
                policy_source=policy_source,
                people_source=people_source,
            )
        )
        for kind in _KINDS:
            self._folder.prune(kind, [getattr(each, kind) for each in (current, published) if each])
        return current

    def _replace_policy(self, published: Current | None, now_us: int) -> tuple[str, str, str]:
        """Return the snapshot's two hashes and source; compile only what is not compiled: it may be large."""
        with session(self._engine, writes=False) as opened:
            source, _ = self._sources(opened)
            if published and published.policy_source == source and self._has(published, "policy", "flat"):
                return published.policy, published.flat, source
            files = PolicyRepo(opened, self._seals.policies).current()
            granted = None
            if self._register is not None:
                granted = self._register.granted(opened.connection(), now_us)
        # Compiled from one view of the database, and holding nothing: it may take seconds.
        snapshot = self._compile(files, now_us, granted)
        data, flat = dump(snapshot), dump_flat(snapshot)
        with session(self._engine) as opened:
            # Kept before it decides anything: a record's policy can always be looked up.
            if PolicyRepo(opened, self._seals.policies).keep_snapshot(snapshot.hash, data):
                self._note(opened.connection(), snapshot, source)
        self._folder.put("policy", snapshot.hash, data)
        flat_hash = hashlib.sha256(flat).hexdigest()
        self._folder.put("flat", flat_hash, flat)
        return snapshot.hash, flat_hash, source

    def _replace_people(self) -> tuple[str, str]:
        with session(self._engine, writes=False) as opened:
            _, source = self._sources(opened)
            data = dump_people(PersonRepo(opened, self._seals.people).for_gate())
        people = hashlib.sha256(data).hexdigest()
        self._folder.put("people", people, data)
        return people, source

    def _sources(self, opened: Session) -> tuple[str, str]:
        version = PolicyRepo(opened, self._seals.policies).latest_version()
        register = f"/{self._register.stamp(opened.connection())}" if self._register is not None else ""
        people = PersonRepo(opened, self._seals.people).stamp()
        return f"{version}/{self._compile.key}{register}", str(people)

    def _published(self) -> Current | None:
        try:
            return read_current(self._folder.path)
        except PolicyUnavailableError:
            return None

    def _is_whole(self, current: Current) -> bool:
        return self._has(current, *_KINDS)

    def _has(self, current: Current, *kinds: str) -> bool:
        return all(self._folder.has(kind, getattr(current, kind)) for kind in kinds)

    def _opens(self, current: Current) -> bool:
        if self._seals.signer.sign(current).signature != current.signature:
            return False
        try:
            for kind in _KINDS:
                self._folder.read(kind, getattr(current, kind))
        except (PolicyUnavailableError, FileNotFoundError):
            return False
        return True

    def _issue(self, current: Current) -> Current:
        before = self._published()
        self._serial = next_serial(current.issued_us, self._serial, before.serial if before else 0)
        signed = self._seals.signer.sign(msgspec.structs.replace(current, serial=self._serial))
        self._folder.point(CURRENT, signed)
        return signed
