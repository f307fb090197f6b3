"""The publisher: accounts and applied files become the two files that gate workers read.

``current.json`` names them by hash and says when it was last issued; a worker that finds it older than
it may be refuses AI traffic. It is written last, so whoever reads it finds both files whole. It is
issued anew every minute as long as the database says what the files say, and not while it says
something that doesn't compile: a stale policy then runs out instead of living on unseen.

Both files name people and purposes, so they are sealed (``vault.published``); ``current.json`` holds only
hashes and times. What an older release left readable is overwritten and removed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Engine
from sqlalchemy import exc as sql
from sqlmodel import Session

from sekimori.errors import PolicyUnavailableError, SekimoriError
from sekimori.ledger.files import fsync_folder
from sekimori.policy.people import dump_people
from sekimori.policy.snapshot import Snapshot, dump
from sekimori.store.engine import session
from sekimori.store.people import PersonRepo
from sekimori.store.policies import AppliedFile, PolicyRepo
from sekimori.vault.files import destroy_secret
from sekimori.vault.names import NameSeal
from sekimori.vault.published import PolicySeal

logger = logging.getLogger(__name__)

CURRENT = "current.json"
ISSUE_EVERY_US = 60_000_000
_POLL = 0.5
_KEPT = 5
_SHARED_MODE = 0o640
"""Gate workers may run as another user of the same group."""


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """What ``current.json`` says: both hashes, when the publisher last stood by them, and made from what."""

    policy: str
    people: str
    issued_us: int
    policy_source: str = ""
    people_source: str = ""

    @property
    def sources(self) -> tuple[str, str]:
        """Name the states of the database that the two files were made from."""
        return self.policy_source, self.people_source


class Compile(Protocol):
    """Turns applied files into a snapshot; ``key`` names everything else that its result hangs on."""

    @property
    def key(self) -> str:
        """A text that changes whenever the same files would compile to something else."""
        ...

    def __call__(self, files: Sequence[AppliedFile], now_us: int) -> Snapshot:
        """Compile, or raise PolicyFileError naming every fault."""
        ...


def read_current(policy_dir: Path) -> Current:
    """Read what is published; raise PolicyUnavailableError when there is nothing good."""
    try:
        return msgspec.json.decode((policy_dir / CURRENT).read_bytes(), type=Current)
    except FileNotFoundError as fault:
        raise PolicyUnavailableError("No policy has been published yet.") from fault
    except msgspec.DecodeError as fault:
        raise PolicyUnavailableError(f"The file {policy_dir / CURRENT} can't be read.") from fault


@dataclass(frozen=True, slots=True)
class Seals:
    """What the publisher opens and seals with: accounts, applied files, and the files for the workers."""

    people: NameSeal
    policies: NameSeal
    files: PolicySeal


class Publisher:
    """Keeps the folder of published files in step with the database; there is one for each folder."""

    def __init__(
        self, engine: Engine, policy_dir: Path, *, seals: Seals, compiler: Compile, clock: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._dir = policy_dir
        self._seals = seals
        self._first = True
        self._compile = compiler
        self._clock = clock

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
            self._dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            current = self._replace(published)
        if self._first:
            self._destroy_readable()
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
        policy, policy_source = self._replace_policy(published, now_us)
        people, people_source = self._replace_people()
        current = self._issue(
            Current(
                policy=policy,
                people=people,
                issued_us=now_us,
                policy_source=policy_source,
                people_source=people_source,
            )
        )
        self._prune(current, published)
        return current

    def _replace_policy(self, published: Current | None, now_us: int) -> tuple[str, str]:
        """Return the snapshot's hash and source; compile only what is not compiled: it may be large."""
        with session(self._engine) as opened:
            source, _ = self._sources(opened)
            if published and published.policy_source == source and self._has("policy", published.policy):
                return published.policy, source
            repo = PolicyRepo(opened, self._seals.policies)
            snapshot = self._compile(repo.current(), now_us)
            data = dump(snapshot)
            # Kept before it decides anything: a record's policy can always be looked up.
            repo.keep_snapshot(snapshot.hash, data)
        self._publish("policy", snapshot.hash, data)
        return snapshot.hash, source

    def _replace_people(self) -> tuple[str, str]:
        with session(self._engine, writes=False) as opened:
            _, source = self._sources(opened)
            data = dump_people(PersonRepo(opened, self._seals.people).for_gate())
        people = hashlib.sha256(data).hexdigest()
        self._publish("people", people, data)
        return people, source

    def _sources(self, opened: Session) -> tuple[str, str]:
        version = PolicyRepo(opened, self._seals.policies).latest_version()
        return f"{version}/{self._compile.key}", str(PersonRepo(opened, self._seals.people).stamp())

    def _published(self) -> Current | None:
        try:
            return read_current(self._dir)
        except PolicyUnavailableError:
            return None

    def _is_whole(self, current: Current) -> bool:
        return self._has("policy", current.policy) and self._has("people", current.people)

    def _has(self, kind: str, sha256: str) -> bool:
        return (self._dir / PolicySeal.name(kind, sha256)).is_file()

    def _opens(self, current: Current) -> bool:
        try:
            for kind, sha256 in (("policy", current.policy), ("people", current.people)):
                self._seals.files.read(self._dir, kind, sha256)
        except (PolicyUnavailableError, FileNotFoundError):
            return False
        return True

    def _publish(self, kind: str, sha256: str, data: bytes) -> None:
        self._write(PolicySeal.name(kind, sha256), self._seals.files.seal(data, kind, sha256))

    def _issue(self, current: Current) -> Current:
        self._write(CURRENT, msgspec.json.encode(current))
        return current

    def _write(self, name: str, data: bytes) -> None:
        draft = self._dir / f".{name}.draft"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, _SHARED_MODE)
            os.fsync(handle)
        draft.replace(self._dir / name)
        fsync_folder(self._dir)

    def _prune(self, *in_force: Current | None) -> None:
        """Delete old files; what is named now, and was a moment ago, stays for workers in between."""
        for kind in ("policy", "people"):
            named = {PolicySeal.name(kind, getattr(current, kind)) for current in in_force if current}
            found = sorted(self._dir.glob(f"{kind}-*.bin"), key=lambda path: path.stat().st_mtime_ns)
            for path in found[:-_KEPT]:
                if path.name not in named:
                    path.unlink()

    def _destroy_readable(self) -> None:
        """Destroy what an older release published: names and password hashes, for everybody to read."""
        for kind in ("policy", "people"):
            for name in (f"{kind}-*.json", f".{kind}-*.json.draft"):
                for path in self._dir.glob(name):
                    destroy_secret(path)
