"""The policy and the people as a worker sees them: read from the published files, swapped whole.

They are sealed under ``gate/policy.key``. A file that can't be read or opened, or whose hash is wrong,
never replaces a good one; one that was not confirmed for ``max_age`` seconds counts as absent, and AI
traffic is refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sekimori import metrics
from sekimori.errors import PolicyUnavailableError, SekimoriError
from sekimori.policy.people import People, load_people
from sekimori.policy.snapshot import Snapshot, load
from sekimori.vault.published import PolicySeal

logger = logging.getLogger(__name__)

CURRENT = "current.json"
_MAX_FILE = 512 * 1024 * 1024


class Current(msgspec.Struct, frozen=True):
    """The publisher's pointer: which snapshot and which people are in force, confirmed when."""

    policy: str
    people: str
    issued_us: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One immutable pair of snapshot and people."""

    snapshot: Snapshot
    people: People


class PolicyView:
    """Follow the published files; ``now`` gives UTC microseconds."""

    def __init__(
        self,
        directory: Path,
        *,
        seal: PolicySeal,
        max_age: float,
        now: Callable[[], int],
        on_swap: Callable[[Policy], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._seal = seal
        self._max_age_us = int(max_age * 1_000_000)
        self._now = now
        self._on_swap = on_swap
        self._policy: Policy | None = None
        self._issued_us = 0
        self._hashes = ("", "")
        self._stamp: tuple[int, int] = (0, 0)
        self._refused: tuple[int, int] | None = None

    @property
    def policy(self) -> Policy:
        """The pair in force; raises ``PolicyUnavailableError`` when there is none or it is too old."""
        if self._policy is None:
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
        """Microseconds since the publisher last confirmed what is in force."""
        return max(0, self._now() - self._issued_us)

    async def follow(self, interval: float = 0.1) -> None:
        """Look for a newer publication for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(interval)

    async def refresh(self) -> None:
        """Swap in what was published, or keep what is in force and say why."""
        try:
            await self._refresh()
        except (OSError, msgspec.DecodeError, SekimoriError) as error:
            logger.warning("policy not swapped: %s", error)
            metrics.POLICY_LOADS.labels("refused").inc()
        if self._policy is not None:
            metrics.POLICY_AGE.set(self.age_us / 1e6)

    async def _refresh(self) -> None:
        pointer = self._directory / CURRENT
        try:
            status = pointer.stat()
        except FileNotFoundError:
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        current = msgspec.json.decode(pointer.read_bytes(), type=Current)
        hashes = (current.policy, current.people)
        # Read once for each issue: a file that was made whole is taken, a broken one is not read for ever.
        if hashes != self._hashes and stamp != self._refused:
            self._refused = stamp
            policy = await asyncio.to_thread(self._read, current)
            self._swap(policy, hashes)
            self._refused = None
        if hashes == self._hashes:
            self._issued_us = min(current.issued_us, self._now())
        self._stamp = stamp

    def _swap(self, policy: Policy, hashes: tuple[str, str]) -> None:
        self._policy = policy
        self._hashes = hashes
        self._on_swap(policy)
        metrics.POLICY_LOADS.labels("swapped").inc()
        metrics.POLICY_INFO.set(int(policy.snapshot.hash[:12] or "0", 16))

    def _read(self, current: Current) -> Policy:
        return Policy(
            snapshot=load(self._bytes("policy", current.policy), current.policy),
            people=load_people(self._bytes("people", current.people), current.people),
        )

    def _bytes(self, kind: str, sha256: str) -> bytes:
        path = self._directory / self._seal.name(kind, sha256)
        if path.stat().st_size > _MAX_FILE:
            raise PolicyUnavailableError(f"{path.name} is larger than {_MAX_FILE} bytes.")
        return self._seal.open(path.read_bytes(), kind, sha256)
