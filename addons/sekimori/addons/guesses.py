"""How many different passwords somebody at one address has tried for one name: a few are errors, more are guesses.

Counted are different wrong ones, so that a program that repeats an old password locks nobody out; and by name
and address together, so that nobody is locked out from elsewhere. Passwords are known by keyed hashes only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_MOST, _WINDOW_S, _ENTRIES = 10, 300.0, 20_000


class Guesses:
    """The wrong passwords of the last minutes, by name and address."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wrong: OrderedDict[tuple[str, str], dict[bytes, float]] = OrderedDict()

    def spent(self, name: str, client: str, tag: bytes) -> bool:
        """Tell whether this password is one too many: it is not even looked at."""
        recent = self._recent(name, client)
        return len(recent) >= _MOST and tag not in recent

    def wrong(self, name: str, client: str, tag: bytes) -> None:
        """Remember a password that was wrong."""
        recent = self._recent(name, client)
        if len(recent) < _MOST or tag in recent:
            recent[tag] = self._monotonic()
        self._wrong[name, client] = recent
        self._wrong.move_to_end((name, client))
        while len(self._wrong) > _ENTRIES:
            self._wrong.popitem(last=False)

    def _recent(self, name: str, client: str) -> dict[bytes, float]:
        since = self._monotonic() - _WINDOW_S
        return {tag: at for tag, at in self._wrong.get((name, client), {}).items() if at > since}
