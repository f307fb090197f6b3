"""What passes in a second: requests on connections that stay, new connections, bytes through a tunnel."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import Figure, figure
from stage import Proxy, Stage, fdatasync_ms

CLIENTS = 10
_DIALLING = 4


@dataclass(slots=True)
class Rounds:
    """What the rounds of one proxy showed."""

    values: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def keepalive_rps(folder: Path, *, quick: bool) -> Figure:
    """Count requests a second of ten clients on connections that stay open."""
    rounds, seconds = (1, 0.5) if quick else (7, 4.0)
    with Stage(folder) as stage:
        for proxy in stage.both:
            stage.client.tell(do="open", target=proxy.name, connections=CLIENTS)
            stage.client.tell(do="load", target=proxy.name, seconds=seconds / 2)
        found = _alternate(stage, rounds, {"do": "load", "seconds": seconds})
        sync = fdatasync_ms(folder)
    ours, theirs = found["gate"], found["bare"]
    ratio = statistics.median(ours.values) / statistics.median(theirs.values)
    return figure(
        "keepalive_rps",
        "1/s",
        ours.values,
        theirs.values,
        clients=CLIENTS,
        within=ratio >= 1.0,
        fdatasync_ms=sync,
        **_extra(found),
    )


def new_connections(folder: Path, *, quick: bool) -> Figure:
    """Count tunnels a second, each with a handshake on both sides and one request."""
    rounds, seconds = (1, 0.5) if quick else (5, 4.0)
    with Stage(folder) as stage:
        for proxy in stage.both:
            stage.client.tell(do="dial", target=proxy.name, seconds=seconds / 2, connections=_DIALLING)
        found = _alternate(stage, rounds, {"do": "dial", "seconds": seconds, "connections": _DIALLING})
    return figure(
        "new_connections",
        "1/s",
        found["gate"].values,
        found["bare"].values,
        clients=_DIALLING,
        **_extra(found),
    )


def passthrough(folder: Path, *, quick: bool) -> Figure:
    """Measure megabytes a second through one tunnel that is not decrypted."""
    rounds, size = (1, 10_000_000) if quick else (5, 500_000_000)
    values: dict[str, list[float]] = {"gate": [], "bare": []}
    with Stage(folder, site=True) as stage:
        for _ in range(rounds):
            for proxy in stage.both:
                values[proxy.name].append(
                    stage.client.tell(do="fetch", target=proxy.name, size=size)["mb_per_s"]
                )
    return figure("passthrough", "MB/s", values["gate"], values["bare"], peer_options="ignore_hosts=.*")


def _alternate(stage: Stage, rounds: int, command: dict[str, Any]) -> dict[str, Rounds]:
    found = {"gate": Rounds(), "bare": Rounds()}
    for number in range(rounds):
        # Who goes first changes: a machine that grows slower under load favours nobody.
        for proxy in stage.both if number % 2 == 0 else reversed(stage.both):
            _one(stage, proxy, command, found[proxy.name])
    return found


def _one(stage: Stage, proxy: Proxy, command: dict[str, Any], into: Rounds) -> None:
    before = proxy.cpu()
    answer = stage.client.tell(target=proxy.name, **command)
    into.cpu.append((proxy.cpu() - before) / max(1, answer["requests"]))
    into.values.append(answer["requests"] / answer["seconds"])
    into.p50.append(answer["p50_ms"])
    into.p99.append(answer["p99_ms"])


def _extra(found: dict[str, Rounds]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for prefix, rounds in (("", found["gate"]), ("peer_", found["bare"])):
        extra[f"{prefix}p50_ms"] = statistics.median(rounds.p50)
        extra[f"{prefix}p99_ms"] = statistics.median(rounds.p99)
        extra[f"{prefix}cpu_s_per_request"] = statistics.median(rounds.cpu)
    return extra
