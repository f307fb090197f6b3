"""Run the stand-in on an event loop in a thread of its own, so that tests can look at what it saw."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from support.standin.server import Standin


class StandinThread:
    """A stand-in that serves until ``stop``; without a certificate it speaks plain HTTP."""

    def __init__(self, certificate: Path | None, *, http2: bool = True) -> None:
        self.server = Standin(certificate, http2=http2)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop serving."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
