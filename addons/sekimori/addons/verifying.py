"""Questions that take a pool's thread a while: asked once at a time, bounded, and their answers kept a moment.

What is kept is filed under a keyed hash of the question, so that no password lies in memory for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor

_ENTRIES = 20_000


class Overloaded(Exception):  # noqa: N818 - a state of the gate, not a fault of a caller
    """Too many questions wait to be answered."""


class Verifications[T]:
    """Ask each question once at a time; ``keep`` says for how many seconds an answer holds."""

    def __init__(
        self,
        pool: Executor,
        *,
        monotonic: Callable[[], float],
        keep: Callable[[T], float],
        max_waiting: int = 64,
        share: int = 8,
    ) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._keep = keep
        self._max_waiting = max_waiting
        self._share = share
        self._taken: Counter[str] = Counter()
        self._cache: OrderedDict[bytes, tuple[float, T]] = OrderedDict()
        self._waiting: dict[bytes, asyncio.Future[T]] = {}

    def known(self, tag: bytes) -> tuple[T] | None:
        """Return the answer that still holds, boxed, for it may be None itself."""
        found = self._cache.get(tag)
        return (found[1],) if found is not None and found[0] > self._monotonic() else None

    async def ask(self, tag: bytes, work: Callable[[], T], sharers: tuple[str, ...]) -> T:
        """Have ``work`` done in the pool; raise ``Overloaded`` beyond the bounds, and what ``work`` raises."""
        running = self._waiting.get(tag)
        if running is None:
            running = self._start(tag, work, sharers)
        answer = await asyncio.shield(running)
        self._remember(tag, answer)
        return answer

    def _start(self, tag: bytes, work: Callable[[], T], sharers: tuple[str, ...]) -> asyncio.Future[T]:
        """Whoever guesses fills the share of a name and an address only."""
        full = len(self._waiting) >= self._max_waiting
        if full or any(self._taken[sharer] >= self._share for sharer in sharers):
            raise Overloaded
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        self._waiting[tag] = running
        self._taken.update(sharers)

        def done(finished: asyncio.Future[T]) -> None:
            self._waiting.pop(tag, None)
            self._taken.subtract(sharers)
            for sharer in sharers:
                if self._taken[sharer] <= 0:
                    del self._taken[sharer]
            if not finished.cancelled():
                finished.exception()  # whoever asked may have gone

        running.add_done_callback(done)
        return running

    def _remember(self, tag: bytes, answer: T) -> None:
        self._cache[tag] = (self._monotonic() + self._keep(answer), answer)
        self._cache.move_to_end(tag)
        while len(self._cache) > _ENTRIES:
            self._cache.popitem(last=False)
