"""What the process that carries the traffic holds in memory: many open streams, many requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from figures import Figure, figure
from stage import STREAMING, Proxy, Stage

_CLIENTS = 10
_SETTLE = 1.0
_AT_MOST = 100.0
_ALLOWED_GROWTH = 10.0


def rss_500_streams(folder: Path, *, quick: bool) -> Figure:
    """Resident megabytes while 500 streams are open and go on."""
    streams, chunks = (20, 20) if quick else (500, 200)
    found: dict[str, float] = {}
    idle: dict[str, float] = {}
    with Stage(folder, streams=True) as stage:
        for proxy in stage.both:
            idle[proxy.name] = proxy.rss()
            stage.client.tell(do="hold", target=proxy.name, streams=streams, chunks=chunks, pause=0.5)
            time.sleep(_SETTLE if quick else 3 * _SETTLE)
            found[proxy.name] = proxy.rss()
            stage.client.tell(do="release", target=proxy.name)
        whole = stage.gate.tree_rss()
    return figure(
        "rss_500_streams",
        "MB",
        [found["gate"]],
        [found["bare"]],
        streams=streams,
        peer_options=STREAMING,
        idle_mb=idle["gate"],
        peer_idle_mb=idle["bare"],
        tree_mb=whole,
    )


def rss_growth(folder: Path, *, quick: bool) -> Figure:
    """Percent by which memory grows between request 10,000 and request 50,000."""
    first, last = (200, 400) if quick else (10_000, 50_000)
    grown: dict[str, float] = {}
    extra: dict[str, Any] = {}
    with Stage(folder) as stage:
        for proxy, prefix in ((stage.gate, ""), (stage.bare, "peer_")):
            stage.client.tell(do="open", target=proxy.name, connections=_CLIENTS)
            early, begun = _after(stage, proxy, first)
            late, ended = _after(stage, proxy, last - first)
            grown[proxy.name] = 100.0 * (late - early) / early
            extra |= {
                f"{prefix}mb_early": early,
                f"{prefix}mb_late": late,
                f"{prefix}requests": begun + ended,
            }
    within = grown["gate"] <= _ALLOWED_GROWTH
    return figure("rss_growth", "%", [grown["gate"]], [grown["bare"]], within=within, **extra)


def _after(stage: Stage, proxy: Proxy, requests: int) -> tuple[float, int]:
    answer = stage.client.tell(do="load", target=proxy.name, seconds=_AT_MOST, requests=requests)
    time.sleep(_SETTLE)
    return proxy.rss(), answer["requests"]
