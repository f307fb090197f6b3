"""Wait until what was just decided is in force: published, and seen by the gate workers.

Whoever scripts ``user add`` or ``apply`` and then sends a request means the new state.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sekimori.cli.checks import running
from sekimori.cli.places import Places
from sekimori.errors import PolicyUnavailableError
from sekimori.store.publish import read_current
from sekimori.vault.pointers import Current

IN_FORCE_WITHIN = 5.0
_PAUSE = 0.05
# Workers look for a publication ten times a second and then read it.
_SEEN_WITHIN = 0.3


def serves(places: Places) -> bool:
    """Tell whether somebody publishes what is decided."""
    return running(places) or running(places, ("archive",))


def policy_published(places: Places, version: int) -> str | None:
    """Wait until ``version`` is in force and return the policy's hash; None where nobody publishes it."""
    current = _wait(places, lambda current: _number(current.policy_source.partition("/")[0]) >= version)
    return current.policy if current else None


def people_published(places: Places, stamp: int) -> bool:
    """Wait until the accounts as they were at ``stamp`` are in force; false where nobody publishes them."""
    return _wait(places, lambda current: _number(current.people_source) >= stamp) is not None


def _wait(places: Places, reached: Callable[[Current], bool]) -> Current | None:
    deadline = time.monotonic() + IN_FORCE_WITHIN
    while serves(places) and time.monotonic() < deadline:
        try:
            current = read_current(places.policy)
        except PolicyUnavailableError:
            current = None
        if current is not None and reached(current):
            time.sleep(_SEEN_WITHIN)
            return current
        time.sleep(_PAUSE)
    return None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
