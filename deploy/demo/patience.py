"""How long the demo waits: every wait has an end, and a name for whoever reads the error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class WaitedTooLongError(AssertionError):
    """Something of the demo did not come to an end."""


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Let the block take no longer, whatever it waits for: a socket, a child, a lock, a thread.

    Only in the main thread, and not one within another: there is one timer.
    """

    def ring(*_: object) -> None:
        raise WaitedTooLongError(f"{what}: not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
