"""When a child ends, and how it says that it serves: signals, lifeline, readiness."""

from __future__ import annotations

import os
import signal
import threading

from sekimori.cli.lifeline import watch
from sekimori.cli.supervisor import READY_FD


def ends_with(lifeline_fd: int) -> threading.Event:
    """Return what is set by SIGTERM or by the end of the supervisor."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    watch(lifeline_fd, stop.set)
    return stop


def announce() -> None:
    """Tell the supervisor that this child serves now."""
    descriptor = os.environ.pop(READY_FD, "")
    if descriptor:
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))
