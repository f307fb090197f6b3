"""An event loop that other threads wake only while it sleeps.

asyncio writes a byte to the loop's own socket for each call from another thread, and reads it back. A busy
loop finds the call without it, and the write costs more than itself: it lets go of the interpreter's lock,
for which the writing thread then waits beside that busy loop. Those threads read large bodies and check
passwords.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable


class _Selector(selectors.DefaultSelector):
    """Says when the loop is about to wait, and doesn't let it if a call has come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = False
        self.has_calls: Callable[[], bool] = lambda: True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        # First "asleep", then the look; the other side first puts its call there, then looks at "asleep":
        # in whatever order the threads run, one of the two sees the other.
        self.asleep = True
        try:
            return super().select(0 if self.has_calls() else timeout)
        finally:
            self.asleep = False


class WakingEventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, except for when its socket is written to."""

    def __init__(self) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)
        ready = self._ready  # type: ignore[attr-defined]  # what call_soon_threadsafe appends to
        self._waiting.has_calls = lambda: bool(ready)

    def _write_to_self(self) -> None:
        if self._waiting.asleep:
            super()._write_to_self()  # type: ignore[misc]
