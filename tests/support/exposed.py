"""Every metric with every label, exposed as in production: one process counts, another serves the sum.

Run as a program with a folder; prints the port. Ends when its standard input does.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_OPEN = {"service": ("openai-api", "other"), "hook": ("record", "http_connect")}
_WORKER = "worker"


def every_metric() -> dict[str, Any]:
    """Return the metrics of the program by their names in Python."""
    from prometheus_client import Counter, Gauge, Histogram

    from sekimori import metrics

    return {
        name: each for name, each in vars(metrics).items() if isinstance(each, Counter | Gauge | Histogram)
    }


def label_sets(metric: Any) -> list[tuple[str, ...]]:
    """Return every combination of labels that a metric may have."""
    from sekimori import metrics

    closed = metrics.LABEL_VALUES.get(metric, {})
    return list(itertools.product(*(closed.get(name) or _OPEN[name] for name in metric._labelnames)))


def count_once() -> None:
    """Let everything happen once."""
    from prometheus_client import Counter, Gauge

    for metric in every_metric().values():
        for labels in label_sets(metric):
            child = metric.labels(*labels) if labels else metric
            if isinstance(metric, Counter):
                child.inc()
            elif isinstance(metric, Gauge):
                child.set(10)
            else:
                child.observe(0.003)


def _work() -> None:
    while True:
        count_once()
        time.sleep(0.2)


def main() -> None:
    """Serve what a child counts."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        threading.Thread(target=_work, daemon=True).start()
        sys.stdin.read()
        return
    from sekimori.cli import exposition

    exposition.prepare(folder)
    child = subprocess.Popen([sys.executable, __file__, str(folder), _WORKER], stdin=subprocess.PIPE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        server = exposition.serve(listener)
        sys.stdin.read()
        server.shutdown()
    child.kill()
    child.wait()


if __name__ == "__main__":
    main()
