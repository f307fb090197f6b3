"""The pure core: what one decision costs beside 200,000 grants, and what compiling them costs."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

from figures import Figure, figure

from sekimori.policy.applied import Document
from sekimori.policy.decide import decide as decide_one
from sekimori.policy.facts import Facts
from sekimori.policy.model import Grant, Period, Service
from sekimori.policy.snapshot import Snapshot, compile_snapshot

_NOW_US = 1_775_012_345_678_901
_SERVICES = 100
_PERIOD = Period(start=date(2026, 4, 1), end=date(2027, 3, 31))


def decide(folder: Path, *, quick: bool) -> Figure:  # noqa: ARG001 - every benchmark is called alike
    """Microseconds of one decision, with as many grants as a large organisation has."""
    grants, rounds, calls = (2_000, 2, 200) if quick else (200_000, 7, 20_000)
    snapshot = _compile(_document(grants))
    asked = [_facts(number * 7919 % grants) for number in range(100)]
    assert all(decide_one(facts, snapshot).verdict == "allow" for facts in asked)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        for number in range(calls):
            decide_one(asked[number % 100], snapshot)
        taken.append((time.perf_counter() - before) / calls * 1e6)
    return figure("decide", "us", taken, grants=grants)


def compile_policy(folder: Path, *, quick: bool) -> Figure:  # noqa: ARG001
    """Milliseconds from what was applied to a snapshot in force."""
    grants, rounds = (2_000, 2) if quick else (20_000, 5)
    document = _document(grants)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        _compile(document)
        taken.append((time.perf_counter() - before) * 1e3)
    return figure("compile", "ms", taken, grants=grants)


def _compile(document: Document) -> Snapshot:
    return compile_snapshot(document, profile="enterprise", catalogue_flags=lambda _: (), now_us=_NOW_US)


def _document(grants: int) -> Document:
    """Return that many grants, each for one person, spread over a hundred services."""
    services = [
        Service(
            id=f"s{number:03}",
            name=f"Service {number}",
            provider="Provider",
            hosts=(f"api{number}.example.com",),
            contract="individual",
            contract_no=f"K-{number}",
            data_locations=("JP",),
        )
        for number in range(_SERVICES)
    ]
    decided = [
        Grant(
            id=f"g{number:06}",
            service=f"s{number % _SERVICES:03}",
            purpose="会議録の要約",
            period=_PERIOD,
            administrator="tanaka",
            decided_by="sasaki",
            decided_on=date(2026, 3, 20),
            users=(f"user{number:06}",),
            models=("gpt-*",),
            reference="情シ第1号",
        )
        for number in range(grants)
    ]
    return Document(services={each.id: each for each in services}, grants={each.id: each for each in decided})


def _facts(number: int) -> Facts:
    service = number % _SERVICES
    return Facts(
        time_us=_NOW_US,
        user=f"user{number:06}",
        user_source="basic",
        host=f"api{service}.example.com",
        service=f"s{service:03}",
        model="gpt-x",
    )
