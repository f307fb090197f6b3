"""The memory that large request bodies take of a worker, together: who takes it, and when it is given back."""

from __future__ import annotations

import weakref

from mitmproxy import http

from sekimori.addons.exchange import OVERLOADED, Budget

LARGE = 256 * 1024
"""Only bodies beyond this size are counted."""
_HELD = "sekimori.held"


class _Held:
    """What one body takes of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def grow(self, size: int) -> bool:
        """Take as much as the body has grown to, or say that there is no more."""
        if not self._budget.take(size - self._size):
            return False
        self._size = size
        return True

    def release(self) -> None:
        """Give everything back."""
        self._budget.give(self._size)
        self._size = 0


class Uploads:
    """Keeps account of large bodies."""

    name = "sekimori_uploads"

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def grew(self, flow: http.HTTPFlow, size: int) -> None:
        """Take what a body has grown to; marks the flow for refusal where there is no room."""
        held: _Held | None = flow.metadata.get(_HELD)
        if held is None:
            held = flow.metadata[_HELD] = _Held(self._budget)
            weakref.finalize(flow, held.release)  # whatever becomes of it
        if not held.grow(size):
            held.release()
            flow.metadata[OVERLOADED] = True

    def response(self, flow: http.HTTPFlow) -> None:
        """Let go of a body that was answered: the flow itself waits for the garbage collector."""
        self._let_go(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Let go of a body whose request failed."""
        self._let_go(flow)

    @staticmethod
    def _let_go(flow: http.HTTPFlow) -> None:
        held: _Held | None = flow.metadata.get(_HELD)
        if held is not None:
            flow.request.data.content = None
            held.release()
