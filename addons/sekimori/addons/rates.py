"""How often a person and a service were served in this minute and on this day, on this machine.

A count is the length of a file to which each request appends one byte: exact over all workers, and still
there after a restart. Files are only made for services whose limits ask for a count; those of minutes go after
a few, as a day of them is more than a loop may look through.
"""

from __future__ import annotations

import hmac
import os
import time
from pathlib import Path

import msgspec

from sekimori.addons.noted import drop_older
from sekimori.policy.people import canonical_name
from sekimori.policy.period import day_of

_MINUTE_US = 60_000_000
# The folder may be written by others: no link is followed to another file, no pipe waited for.
_COUNTING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MINUTES, _DAYS = "m", "d"
_KEPT_S = {_MINUTES: 300.0, _DAYS: 2 * 86_400.0}
_SWEEP_S = {_MINUTES: 60.0, _DAYS: 600.0}


class Rates:
    """Counts in a folder that the workers share; names are keyed hashes."""

    def __init__(self, folder: Path, key: bytes) -> None:
        for kind in _KEPT_S:
            (folder / kind).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._key = key
        self._swept = dict.fromkeys(_KEPT_S, 0.0)

    def take(self, service: str, user: str, at_us: int, *, names: tuple[str, ...]) -> dict[str, int]:
        """Count one more request; give for each of ``names`` how many there were before it."""
        self._sweep()
        minute, day = at_us // _MINUTE_US, day_of(at_us)
        person = canonical_name(user)
        windows = {
            "user_minute": (_MINUTES, minute, service, person),
            "user_day": (_DAYS, day, service, person),
            "service_minute": (_MINUTES, minute, service, ""),
        }
        return {name: self._take(windows[name]) for name in names}

    def _take(self, window: tuple[str, int, str, str]) -> int:
        name = hmac.digest(self._key, b"rate\0" + msgspec.json.encode(window), "sha256").hex()
        file = os.open(self._folder / window[0] / name, _COUNTING, 0o600)
        try:
            # Appending first: of two workers at the same instant only one finds the last place free.
            os.write(file, b".")
            return os.lseek(file, 0, os.SEEK_CUR) - 1
        finally:
            os.close(file)

    def _sweep(self) -> None:
        now = time.time()
        for kind, kept_s in _KEPT_S.items():
            if now - self._swept[kind] >= _SWEEP_S[kind]:
                self._swept[kind] = now
                drop_older(self._folder / kind, now - kept_s)
