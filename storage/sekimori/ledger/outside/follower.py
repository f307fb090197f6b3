"""Follows the published checkpoint of one log and carries it to whoever remembers it elsewhere.

Looks at the file that the world sees, not at what its writer meant to publish. Nothing here stops anything:
a failure is told, and tried again. Runs in a thread of its own; nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sekimori.errors import IntegrityError, SekimoriError
from sekimori.ledger.files import read_plain
from sekimori.ledger.outside.timestamps import DATA_SUFFIX, SUFFIX, Authority, newest, store_stamp
from sekimori.ledger.outside.witnessed import Mark, Standing, standing
from sekimori.ledger.outside.worm import WormFolder
from sekimori.ledger.tlog.note import Verifier, parse_vkey
from sekimori.ledger.tlog.shelf import CHECKPOINT, VKEY

_TICK_SECONDS = 1.0
_RETRY_SECONDS = 60.0
_TOUCH_SECONDS = 5
_MOST = 1 << 20


class Told(Protocol):
    """Who hears of what happens here."""

    def unwitnessed(self, seconds: float) -> None:
        """Hear for how long no checkpoint had its witnesses."""
        ...

    def failed(self, kind: str, sentence: str) -> None:
        """Hear of a failure; ``kind`` is witness, timestamp or worm."""
        ...


@dataclass(slots=True)
class Stamping:
    """An authority, how often it is asked, and when it is asked next."""

    authority: Authority
    every: float
    folder: Path
    due: float = 0.0


@dataclass(slots=True)
class Follower:
    """One log's published checkpoint, and where it is carried; ``log`` names its folder, a fork's from then on.

    ``key`` is the log's where it is known: whoever can write the folder can also write a key into it.
    """

    log: Callable[[], Path]
    told: Told
    clock: Callable[[], float]
    witnesses: Sequence[Verifier] = ()
    quorum: int = 0
    mark: Mark | None = None
    stampings: Sequence[Stamping] = ()
    worm: WormFolder | None = None
    key: Callable[[], Verifier | None] = lambda: None
    _seen: bytes = b""
    _kept: str = ""
    _touched: int = 0
    _begun: bool = False
    _standing: Standing | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> None:
        """Look once a second until told to stop."""
        for one in self.stampings:
            self._trying("timestamp", lambda one=one: self._plan(one))  # type: ignore[misc]
        while not stop.wait(_TICK_SECONDS):
            self.step()
        self.step(stamping=False)

    def step(self, *, stamping: bool = True) -> None:
        """Look once."""
        now = self.clock()
        if self.mark is not None and not self._begun and self.log().is_dir():
            self._trying("witness", lambda: self._begin(now))
        data = self._published()
        if data and data != self._seen:
            self._trying("witness", lambda: self._read(data))
        if self._standing is not None and self._seen:
            self._trying("worm", lambda: self._keep(now))
            for one in self.stampings:
                if stamping and now >= one.due:
                    one.due = now + min(one.every, _RETRY_SECONDS)
                    self._trying("timestamp", lambda one=one: self._stamp(one, now))  # type: ignore[misc]
        if self.mark is not None:
            self.told.unwitnessed(self.mark.age(now))

    def _begin(self, now: float) -> None:
        """Begin the mark, once: at a first start the log's folder is made while we look for it already."""
        if self.mark is not None:
            self.mark.begin(now)
            self._begun = True

    def _plan(self, one: Stamping) -> None:
        last = newest(one.folder)
        one.due = last + one.every if last else 0.0

    def _published(self) -> bytes:
        try:
            return read_plain(self.log() / CHECKPOINT, _MOST)
        except (IntegrityError, OSError):
            return b""  # not there yet: the age of the mark tells, if that lasts

    def _read(self, data: bytes) -> None:
        log = self.key() or parse_vkey(read_plain(self.log() / VKEY, _MOST).decode("ascii").strip())
        found = standing(data, log, self.witnesses, self.quorum)
        self._seen, self._standing = data, found
        if self.mark is not None and found.witnessed >= self._touched + _TOUCH_SECONDS:
            self.mark.touch(found.witnessed)
            self._touched = found.witnessed

    def _keep(self, now: float) -> None:
        """Keep each size once: published again, a checkpoint has other witnesses' times only."""
        if self.worm is None or self._standing is None:
            return
        text = self._standing.checkpoint.text
        if text != self._kept:
            self.worm.keep(f"{self._standing.checkpoint.size}{DATA_SUFFIX}", self._seen, now)
            self._kept = text

    def _stamp(self, one: Stamping, now: float) -> None:
        if self._standing is None:
            return
        data, size = self._seen, self._standing.checkpoint.size
        stamp = one.authority.stamp(data, now)
        store_stamp(one.folder, data, stamp, size)
        one.due = now + one.every
        if self.worm is not None:
            self.worm.keep(f"{size}-{one.authority.name}{DATA_SUFFIX}", data, now)
            self.worm.keep(f"{size}-{one.authority.name}{SUFFIX}", stamp.data, now)

    def _trying(self, kind: str, step: Callable[[], None]) -> None:
        try:
            step()
        except (SekimoriError, OSError, UnicodeDecodeError) as error:
            self.told.failed(kind, str(error))
