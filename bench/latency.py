"""How long one client waits: for a whole answer, for a stream's first event, for each later one.

The gate makes a record durable before it forwards a request and another before it ends an answer, so its
budget is the peer's time and that many syncs of the same disk, measured in between, and 0.7 ms.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure, figure
from stage import STREAMING, Proxy, Stage, fdatasync_ms

_MARGIN_MS = 0.7
_PAUSE = 0.02


def p50_c1(folder: Path, *, quick: bool) -> Figure:
    """Median milliseconds of one client's requests on one connection; 2 KB prompts."""
    rounds, requests = (1, 30) if quick else (9, 250)
    ours, theirs, p99, peer_p99, syncs = [], [], [], [], []
    with Stage(folder) as stage:
        _warm(stage, requests)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(do="load", target=proxy.name, seconds=60, requests=requests)
            (ours if proxy is stage.gate else theirs).append(answer["p50_ms"])
            (p99 if proxy is stage.gate else peer_p99).append(answer["p99_ms"])
            syncs.append(fdatasync_ms(folder, 50))
    return figure(
        "p50_c1",
        "ms",
        ours,
        theirs,
        p99_ms=statistics.median(p99),
        peer_p99_ms=statistics.median(peer_p99),
        **_budget(ours, theirs, syncs, waits=2),
    )


def first_chunk(folder: Path, *, quick: bool) -> Figure:
    """Median milliseconds from sending a request to its answer's first event."""
    rounds, repeats = (1, 10) if quick else (9, 100)
    ours, theirs, syncs = [], [], []
    with Stage(folder, streams=True) as stage:
        _warm(stage, repeats)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(do="stream", target=proxy.name, repeats=repeats, chunks=2, pause=0.0)
            (ours if proxy is stage.gate else theirs).append(answer["first_ms"])
            syncs.append(fdatasync_ms(folder, 50))
    return figure("first_chunk", "ms", ours, theirs, peer_options=STREAMING, **_budget(ours, theirs, syncs, waits=1))


def chunk_delay(folder: Path, *, quick: bool) -> Figure:
    """Median milliseconds that a later event of a stream takes from the service to the client."""
    rounds, repeats = (1, 2) if quick else (7, 4)
    ours, theirs = [], []
    with Stage(folder, streams=True) as stage:
        _warm(stage, 10)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(
                do="stream", target=proxy.name, repeats=repeats, chunks=30, pause=_PAUSE
            )
            (ours if proxy is stage.gate else theirs).append(answer["delay_ms"])
    return figure("chunk_delay", "ms", ours, theirs, peer_options=STREAMING, pause_ms=_PAUSE * 1e3)


def _warm(stage: Stage, requests: int) -> None:
    for proxy in stage.both:
        stage.client.tell(do="open", target=proxy.name, connections=1)
        stage.client.tell(do="load", target=proxy.name, seconds=10, requests=requests)


def _turns(stage: Stage, rounds: int) -> Iterator[Proxy]:
    for number in range(rounds):
        yield from stage.both if number % 2 == 0 else reversed(stage.both)


def _budget(ours: list[float], theirs: list[float], syncs: list[float], *, waits: int) -> dict[str, Any]:
    sync = statistics.median(syncs)
    allowed = statistics.median(theirs) + waits * sync + _MARGIN_MS
    return {"fdatasync_ms": sync, "budget_ms": allowed, "within": statistics.median(ours) <= allowed}
