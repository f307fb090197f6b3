"""What the gate itself has just been told by people: a notice read, a trial agreed to, feedback given.

It is in the record already, but takes seconds to come back as the published standing. Until then a mark in
a folder that the workers of one machine share keeps them from asking twice; a mark's name is a keyed hash,
so that the folder tells nobody anything and nobody without the key can make one.
"""

from __future__ import annotations

import hmac
import os
import time
from pathlib import Path

import msgspec

from sekimori.policy.people import canonical_name

_KEPT_S = 2 * 86_400
_SWEEP_S = 600.0
_REMEMBERED = 65_536
# The folder may be written by others: no link is followed to another file, no pipe waited for.
_MARKING = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Noted:
    """Marks of what was said; ``remember`` before the person goes on, ``has`` only for who owes something."""

    def __init__(self, folder: Path, key: bytes) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._key = key
        self._known: set[str] = set()
        self._swept = 0.0

    def has(self, user: str, what: str) -> bool:
        """Tell whether ``user`` said ``what``, to whichever worker of this machine."""
        name = self._name(user, what)
        if name in self._known:
            return True
        if not (self._folder / name).exists():
            return False
        self._keep(name)
        return True

    def remember(self, user: str, what: str) -> None:
        """Keep that ``user`` said ``what``."""
        name = self._name(user, what)
        os.close(os.open(self._folder / name, _MARKING, 0o600))
        self._keep(name)
        self._sweep()

    def _keep(self, name: str) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(name)

    def _name(self, user: str, what: str) -> str:
        named = msgspec.json.encode([canonical_name(user), what])
        return hmac.digest(self._key, b"noted\0" + named, "sha256").hex()

    def _sweep(self) -> None:
        """Drop what the published standing has long taken over."""
        now = time.time()
        if now - self._swept < _SWEEP_S:
            return
        self._swept = now
        drop_older(self._folder, now - _KEPT_S)


def drop_older(folder: Path, than_s: float) -> None:
    """Delete the files of a folder that were written before an instant."""
    with os.scandir(folder) as found:
        for file in found:
            try:
                if file.stat().st_mtime < than_s:
                    Path(file.path).unlink()
            except FileNotFoundError:  # another worker was first
                continue
