"""The policy, the people and the standing as a worker sees them: read from the published files, swapped whole.

They are sealed under ``gate/policy.key``, and the two pointers to them signed by the publisher. A file that
can't be read or opened, whose hash or signature is wrong, or that is older than the one before it never
replaces a good one; what was not confirmed for ``max_age`` seconds counts as absent, and AI traffic is
refused. The standing is followed by itself: a policy that does not compile delays no suspension.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec

from sekimori import metrics
from sekimori.errors import PolicyUnavailableError, SekimoriError
from sekimori.policy.flat import load_in_slices
from sekimori.policy.people import People, load_people
from sekimori.policy.snapshot import Snapshot
from sekimori.policy.standing import EMPTY, Standing
from sekimori.policy.standing_file import load_standing
from sekimori.vault.pointers import CURRENT, STANDING, Current, Pointer, PointerVerifier, StandingPointer
from sekimori.vault.published import PolicySeal

logger = logging.getLogger(__name__)

_MAX_FILE = 512 * 1024 * 1024
_BREATH = 0.0005


@dataclass(frozen=True, slots=True)
class Policy:
    """Snapshot, people and standing that hold together; each is immutable."""

    snapshot: Snapshot
    people: People
    standing: Standing = EMPTY


class _Followed[P: Pointer]:
    """One pointer: looked at often, read when it changed, believed when it is signed and not older."""

    def __init__(self, path: Path, kind: type[P], verifier: PointerVerifier) -> None:
        self._path, self._kind, self._verifier = path, kind, verifier
        self._stamp: tuple[int, int] | None = None
        self._serial = 0
        self.issued_us = 0

    def changed(self) -> P | None:
        """Return a pointer that was not looked at yet; raises ``PolicyUnavailableError`` for a bad one."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return None
        # Looked at once for each issue: what is broken is not read, and not told of, for ever.
        self._stamp = stamp
        pointer = self._verifier.read(self._path.read_bytes(), self._kind, self._path.name)
        if pointer.serial < self._serial:
            raise PolicyUnavailableError(f"{self._path.name} is older than the one before it.")
        return pointer

    def believe(self, pointer: P, now_us: int) -> None:
        """Note that what it points to is in force."""
        self._serial = pointer.serial
        self.issued_us = min(pointer.issued_us, now_us)


class PolicyView:
    """Follow the published files; ``now`` gives UTC microseconds."""

    def __init__(
        self,
        directory: Path,
        *,
        seal: PolicySeal,
        verifier: PointerVerifier,
        max_age: float,
        now: Callable[[], int],
        on_swap: Callable[[Policy], None] = lambda _: None,
        register: Callable[[People], People] = lambda people: people,
    ) -> None:
        self._directory = directory
        self._seal = seal
        self._max_age_us = int(max_age * 1_000_000)
        self._now = now
        self._on_swap = on_swap
        self._register = register
        self._current = _Followed(directory / CURRENT, Current, verifier)
        self._pointer = _Followed(directory / STANDING, StandingPointer, verifier)
        self._policy: Policy | None = None
        self._standing: Standing | None = None
        self._hashes = ("", "")
        self._standing_hash = ""

    @property
    def policy(self) -> Policy:
        """What is in force; raises ``PolicyUnavailableError`` when there is none or it is too old."""
        if self._policy is None or self._standing is None:
            raise PolicyUnavailableError("No policy snapshot has been published yet.")
        if self.age_us > self._max_age_us:
            raise PolicyUnavailableError("The policy snapshot is too old to be trusted.")
        return self._policy

    @property
    def people(self) -> People | None:
        """The people last read, even when the snapshot is too old: who someone is does not expire with it."""
        return self._policy.people if self._policy else None

    @property
    def age_us(self) -> int:
        """Microseconds since the publisher last confirmed what is in force: the older of the two."""
        return max(0, self._now() - min(self._current.issued_us, self._pointer.issued_us))

    def people_changed(self) -> None:
        """Have everybody look again who is who: the directory says otherwise than a moment ago."""
        if self._policy is not None:
            self._policy = replace(self._policy)

    async def follow(self, interval: float = 0.1) -> None:
        """Look for a newer publication for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(interval)

    async def refresh(self) -> None:
        """Swap in what was published, or keep what is in force and say why."""
        for look in (self._refresh_standing, self._refresh_policy):
            try:
                await look()
            except (OSError, msgspec.DecodeError, SekimoriError) as error:
                logger.warning("policy not swapped: %s", error)
                metrics.POLICY_LOADS.labels("refused").inc()
        if self._policy is not None:
            metrics.POLICY_AGE.set(self.age_us / 1e6)

    async def _refresh_policy(self) -> None:
        current = self._current.changed()
        if current is None:
            return
        hashes = (current.policy, current.people)
        if hashes != self._hashes:
            policy = await asyncio.to_thread(self._read, current)
            self._policy = replace(policy, standing=self._standing or EMPTY)
            self._hashes = hashes
            self._on_swap(self._policy)
            metrics.POLICY_LOADS.labels("swapped").inc()
            metrics.POLICY_INFO.set(int(policy.snapshot.hash[:12] or "0", 16))
        self._current.believe(current, self._now())

    async def _refresh_standing(self) -> None:
        pointer = self._pointer.changed()
        if pointer is None:
            return
        if pointer.standing != self._standing_hash:
            standing = await asyncio.to_thread(self._read_standing, pointer.standing)
            if self._standing is not None and standing.version < self._standing.version:
                raise PolicyUnavailableError(f"{STANDING} names a standing older than the one in force.")
            self._standing, self._standing_hash = standing, pointer.standing
            if self._policy is not None:
                self._policy = replace(self._policy, standing=standing)
            metrics.POLICY_LOADS.labels("swapped").inc()
        self._pointer.believe(pointer, self._now())

    def _read(self, current: Current) -> Policy:
        snapshot = _load_slowly(self._bytes("flat", current.flat), current.flat)
        if snapshot.hash != current.policy:
            raise PolicyUnavailableError(f"{CURRENT} names two snapshots that are not the same.")
        people = load_people(self._bytes("people", current.people), current.people)
        return Policy(snapshot=snapshot, people=self._register(people))

    def _read_standing(self, sha256: str) -> Standing:
        return load_standing(self._bytes("standing", sha256), sha256)

    def _bytes(self, kind: str, sha256: str) -> bytes | bytearray:
        path = self._directory / self._seal.name(kind, sha256)
        if path.stat().st_size > _MAX_FILE:
            raise PolicyUnavailableError(f"{path.name} is larger than {_MAX_FILE} bytes.")
        return self._seal.open(path.read_bytes(), kind, sha256)


def _load_slowly(data: bytes | bytearray, sha256: str) -> Snapshot:
    """Load a snapshot in a thread that lets go after each slice: a large one takes longer, and stalls nobody."""
    loading = load_in_slices(data, sha256)
    while True:
        try:
            next(loading)
        except StopIteration as done:
            return cast("Snapshot", done.value)
        time.sleep(_BREATH)
