"""The pipe that ends with the supervisor: however it died, its children see end-of-file and stop.

The supervisor alone holds the write end and never writes. A signal to the parent, an out-of-memory
kill or a crash all close it, which no signal handler could promise.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def watch(fd: int, on_end: Callable[[], None]) -> threading.Thread:
    """Call ``on_end`` from a thread once the supervisor is gone."""

    def wait() -> None:
        while os.read(fd, 1):
            pass
        on_end()

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread
