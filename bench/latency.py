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
    p50, p99, syncs = _sides(), _sides(), []
    with Stage(folder) as stage:
        _warm(stage, requests)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(do="load", target=proxy.name, seconds=60, requests=requests)
            p50[proxy.name].append(answer["p50_ms"])
            p99[proxy.name].append(answer["p99_ms"])
            syncs.append(fdatasync_ms(folder, 50))
    return figure(
        "p50_c1",
        "ms",
        p50["gate"],
        p50["bare"],
        p99_ms=statistics.median(p99["gate"]),
        peer_p99_ms=statistics.median(p99["bare"]),
        **_budget(p50, syncs, waits=2),
    )


def first_chunk(folder: Path, *, quick: bool) -> Figure:
    """Median milliseconds from sending a request to its answer's first event."""
    rounds, repeats = (1, 10) if quick else (9, 100)
    first, syncs = _sides(), []
    with Stage(folder, streams=True) as stage:
        _warm(stage, repeats)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(do="stream", target=proxy.name, repeats=repeats, chunks=2, pause=0.0)
            first[proxy.name].append(answer["first_ms"])
            syncs.append(fdatasync_ms(folder, 50))
    budget = _budget(first, syncs, waits=1)
    return figure("first_chunk", "ms", first["gate"], first["bare"], peer_options=STREAMING, **budget)


def chunk_delay(folder: Path, *, quick: bool) -> Figure:
    """Median milliseconds that a later event of a stream takes from the service to the client."""
    rounds, repeats = (1, 2) if quick else (7, 4)
    delay = _sides()
    with Stage(folder, streams=True) as stage:
        _warm(stage, 10)
        for proxy in _turns(stage, rounds):
            answer = stage.client.tell(
                do="stream", target=proxy.name, repeats=repeats, chunks=30, pause=_PAUSE
            )
            delay[proxy.name].append(answer["delay_ms"])
    return figure(
        "chunk_delay", "ms", delay["gate"], delay["bare"], peer_options=STREAMING, pause_ms=_PAUSE * 1e3
    )


def _warm(stage: Stage, requests: int) -> None:
    for proxy in stage.both:
        stage.client.tell(do="open", target=proxy.name, connections=1)
        stage.client.tell(do="load", target=proxy.name, seconds=10, requests=requests)


def _turns(stage: Stage, rounds: int) -> Iterator[Proxy]:
    for number in range(rounds):
        yield from stage.both if number % 2 == 0 else reversed(stage.both)


def _sides() -> dict[str, list[float]]:
    return {"gate": [], "bare": []}


def _budget(found: dict[str, list[float]], syncs: list[float], *, waits: int) -> dict[str, Any]:
    sync = statistics.median(syncs)
    allowed = statistics.median(found["bare"]) + waits * sync + _MARGIN_MS
    return {
        "fdatasync_ms": sync,
        "budget_ms": allowed,
        "within": statistics.median(found["gate"]) <= allowed,
    }
