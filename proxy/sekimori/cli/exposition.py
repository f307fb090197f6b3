"""The one metrics port: the sum over all children, living and dead.

``PROMETHEUS_MULTIPROC_DIR`` must be set before anything imports ``prometheus_client``; ``prepare``
does so, and this module imports that library only inside its functions.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import threading
from collections.abc import Iterable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# No process has the number 0: under it stands what the dead have counted.
_DEAD = 0
# A scrape must not meet a dead child's counters both in its own file and in the sum of the dead.
_one_at_a_time = threading.Lock()


def prepare(folder: Path) -> None:
    """Begin with no figures, in a folder that this process and all its children share."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ[_FOLDER] = str(folder.resolve())


class Everybody:
    """Collects the figures of all processes that share the folder."""

    def __init__(self, folder: str) -> None:
        from prometheus_client.multiprocess import MultiProcessCollector

        self._collector: Any = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Any]:
        """Return every metric once."""
        with _one_at_a_time:
            return list(self._collector.collect())


def serve(listener: socket.socket) -> ThreadingHTTPServer:
    """Answer scrapes on ``listener`` from a thread; call ``shutdown`` to end."""
    from prometheus_client import CollectorRegistry, MetricsHandler

    registry = CollectorRegistry()
    registry.register(Everybody(os.environ[_FOLDER]))
    server = ThreadingHTTPServer(
        listener.getsockname(), MetricsHandler.factory(registry), bind_and_activate=False
    )
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def forget(pid: int) -> None:
    """Drop what a dead process measured of the moment, and add what it counted to the sum of the dead.

    One file for all of them: a child that dies every few seconds would otherwise fill the folder.
    """
    folder = Path(os.environ[_FOLDER])
    with _one_at_a_time:
        for kind in ("counter", "histogram"):
            own = folder / f"{kind}_{pid}.db"
            if own.exists():
                _add(own, folder / f"{kind}_{_DEAD}.db")
                own.unlink()
        for gauge in folder.glob(f"gauge_*_{pid}.db"):
            gauge.unlink()


def _add(own: Path, total: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    try:
        counted = list(MmapedDict.read_all_values_from_file(own))  # type: ignore[no-untyped-call]
    except struct.error:  # killed before it had written its first figure
        return
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        for key, value, _, _ in counted:
            before, timestamp = sums.read_value(key)  # type: ignore[no-untyped-call]
            sums.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call]
    finally:
        sums.close()  # type: ignore[no-untyped-call]
