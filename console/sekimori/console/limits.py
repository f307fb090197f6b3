"""How often one client may be wrong."""

from __future__ import annotations

import threading
from collections import OrderedDict


class Attempts:
    """Counts failures of each client within a window, for at most ``clients`` of them.

    Beyond that the longest silent client is forgotten: memory is bounded. Where the secret behind is a person's
    password, many addresses could push a name out, so ``clients`` has to be more than they may try.
    """

    def __init__(self, allowed: int, window_us: int, *, clients: int = 1024) -> None:
        self._allowed = allowed
        self._window_us = window_us
        self._clients = clients
        self._failures: OrderedDict[str, list[int]] = OrderedDict()
        self._lock = threading.Lock()  # pages run in a thread pool

    def wait_us(self, client: str, now_us: int) -> int:
        """Return how long ``client`` must wait before it may try again; 0 if it may now."""
        with self._lock:
            recent = self._recent(client, now_us)
            return recent[0] + self._window_us - now_us if len(recent) >= self._allowed else 0

    def failed(self, client: str, now_us: int) -> None:
        """Remember that ``client`` was wrong."""
        with self._lock:
            self._remember(client, now_us)

    def begin(self, client: str, now_us: int) -> int:
        """Count a try as wrong before it is looked at, so that tries at once are no more than one after another.

        Return how long ``client`` must wait instead; 0 if it was counted.
        """
        with self._lock:
            recent = self._recent(client, now_us)
            if len(recent) >= self._allowed:
                return recent[0] + self._window_us - now_us
            self._remember(client, now_us)
            return 0

    def forgive(self, client: str, at_us: int) -> None:
        """Forget a try that was counted at ``at_us`` and was right."""
        with self._lock:
            failures = self._failures.get(client, [])
            if at_us in failures:
                failures.remove(at_us)

    def _remember(self, client: str, now_us: int) -> None:
        self._failures[client] = [*self._recent(client, now_us), now_us][-self._allowed :]
        self._failures.move_to_end(client)
        while len(self._failures) > self._clients:
            self._failures.popitem(last=False)

    def _recent(self, client: str, now_us: int) -> list[int]:
        return [at for at in self._failures.get(client, []) if at > now_us - self._window_us]
