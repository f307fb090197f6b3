"""The standing of people, grants and services, published within seconds of a change.

By itself and before the policy: a file that does not compile, or takes its time, delays no suspension.
It is issued anew every minute, like ``current.json``: workers refuse AI traffic when both are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine

from sekimori.errors import PolicyUnavailableError
from sekimori.policy.standing import Standing, same_standing
from sekimori.policy.standing_file import dump_standing, load_standing
from sekimori.store.engine import reading
from sekimori.store.publishing_folder import PublishingFolder
from sekimori.vault.pointers import STANDING, PointerSigner, StandingPointer, next_serial, read_pointer

ISSUE_EVERY_US = 60_000_000


class StandingSource(Protocol):
    """What knows how things stand."""

    def stamp(self, connection: Connection, now_us: int) -> str:
        """Give a text that changes whenever the standing may have; cheap."""
        ...

    def standing(self, connection: Connection, now_us: int) -> Standing:
        """Give the standing of an instant; its version is the publisher's to choose."""
        ...


class StandingPublisher:
    """Keeps ``standing.json`` and what it names in step with the database; one for each folder."""

    def __init__(
        self,
        engine: Engine,
        folder: PublishingFolder,
        *,
        signer: PointerSigner,
        source: StandingSource,
        clock: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._signer = signer
        self._source = source
        self._clock = clock
        self._stamp = ""
        self._published: tuple[StandingPointer, Standing] | None = None

    def publish(self) -> StandingPointer:
        """Write what changed or is due, and return what is in force."""
        now_us = self._clock()
        if self._published is None:
            self._published = self._found()
        with reading(self._engine) as connection:
            stamp = self._source.stamp(connection, now_us)
            fresh = None
            if self._published is None or stamp != self._stamp:
                fresh = self._source.standing(connection, now_us)
        if fresh is not None and not (self._published and same_standing(fresh, self._published[1])):
            self._replace(fresh, now_us)
        self._stamp = stamp
        return self._renewed(now_us)

    def _found(self) -> tuple[StandingPointer, Standing] | None:
        """Return what an earlier process published, if it is whole and signed with the key of today."""
        try:
            data = (self._folder.path / STANDING).read_bytes()
            pointer = read_pointer(data, StandingPointer, STANDING)
            standing = load_standing(self._folder.read("standing", pointer.standing), pointer.standing)
        except (PolicyUnavailableError, FileNotFoundError):
            return None
        signed = self._signer.sign(pointer).signature == pointer.signature
        return (pointer, standing) if signed else None

    def _replace(self, fresh: Standing, now_us: int) -> None:
        serial = self._serial(now_us)
        standing = msgspec.structs.replace(fresh, version=serial, at_us=now_us)
        data = dump_standing(standing)
        sha256 = hashlib.sha256(data).hexdigest()
        self._folder.make()
        self._folder.put("standing", sha256, data)
        before = self._published[0].standing if self._published else ""
        self._issue(StandingPointer(standing=sha256, issued_us=now_us, serial=serial), standing)
        self._folder.prune("standing", (sha256, before))

    def _renewed(self, now_us: int) -> StandingPointer:
        if self._published is None:
            raise PolicyUnavailableError("There is no standing to publish.")
        pointer, standing = self._published
        if not 0 <= now_us - pointer.issued_us < ISSUE_EVERY_US:
            serial = self._serial(now_us)
            self._issue(msgspec.structs.replace(pointer, issued_us=now_us, serial=serial), standing)
        return self._published[0]

    def _serial(self, now_us: int) -> int:
        return next_serial(now_us, self._published[0].serial if self._published else 0)

    def _issue(self, pointer: StandingPointer, standing: Standing) -> None:
        signed = self._signer.sign(pointer)
        self._folder.point(STANDING, signed)
        self._published = (signed, standing)
