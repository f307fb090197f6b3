"""The pure core at the size of a large organisation: 200,000 grants, 50,000 people, 2,000 services."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import multiprocessing.connection
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from figures import Figure, figure

from sekimori.policy.applied import Document
from sekimori.policy.decide import decide as decide_one
from sekimori.policy.facts import Facts
from sekimori.policy.flat import dump_flat, load_flat, load_in_slices
from sekimori.policy.model import Grant, Group, Period, Service
from sekimori.policy.snapshot import Snapshot, compile_snapshot, dump

_NOW_US = 1_775_012_345_678_901
_GRANTS, _USERS, _SERVICES, _GROUPS = 200_000, 50_000, 2_000, 1_000
_QUICK = 100
_PERIOD = Period(start=date(2026, 4, 1), end=date(2027, 3, 31))
_BREATH = 0.0005


def decide(folder: Path, *, quick: bool) -> Figure:
    """Microseconds of one decision, each about another grant, on the form that a worker holds."""
    size = _QUICK if quick else 1
    grants, rounds, calls = _GRANTS // size, 2 if quick else 7, 20_000 // size
    data = _published(folder, size)
    snapshot = load_flat(data, hashlib.sha256(data).hexdigest())
    asked = [_facts(number * 7919 % grants, size) for number in range(calls)]
    assert all(decide_one(facts, snapshot).verdict == "allow" for facts in asked)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        for facts in asked:
            decide_one(facts, snapshot)
        taken.append((time.perf_counter() - before) / calls * 1e6)
    return figure("decide", "us", taken, grants=grants, users=_USERS // size, services=_SERVICES // size)


def compile_policy(folder: Path, *, quick: bool) -> Figure:
    """Milliseconds from what was decided to the files for the workers; and what taking one over costs a worker."""
    size, rounds = (_QUICK, 2) if quick else (1, 3)
    document = _document(size)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        snapshot = _compile(document)
        canonical, flat = dump(snapshot), dump_flat(snapshot)
        taken.append((time.perf_counter() - before) * 1e3)
    place = folder / "flat"
    place.write_bytes(flat)
    stall_ms, swap_ms, memory_mb = in_a_worker(place, _load_slowly)
    return figure(
        "compile",
        "ms",
        taken,
        grants=len(document.grants),
        canonical_mb=round(len(canonical) / 1e6, 1),
        flat_mb=round(len(flat) / 1e6, 1),
        worker_mb=round(memory_mb, 1),
        swap_ms=round(swap_ms),
        stall_ms=round(stall_ms, 1),
    )


def in_a_worker(place: Path, load: Callable[[bytes], object]) -> tuple[float, float, float]:
    """Load in a process of its own: the longest silence of its loop, the time, and the memory it took."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    worker = context.Process(target=_worker, args=(place, load, sending))
    worker.start()
    found: tuple[float, float, float] = receiving.recv()
    worker.join()
    return found


def _worker(
    place: Path, load: Callable[[bytes], object], sending: multiprocessing.connection.Connection
) -> None:
    held: list[object] = []
    # What the benchmarks' own modules left behind is no worker's: a collection would walk all of it.
    gc.collect()
    gc.freeze()
    before = _resident_mb()
    data = place.read_bytes()
    thread = threading.Thread(target=lambda: held.append(load(data)))
    begun = seen = time.perf_counter()
    thread.start()
    longest = 0.0
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, seen = max(longest, now - seen), now
    sending.send((longest * 1e3, (seen - begun) * 1e3, _resident_mb() - before))


def _load_slowly(data: bytes) -> Snapshot:
    # As ``addons.view`` does it, which would bring the whole gate along.
    loading = load_in_slices(data, hashlib.sha256(data).hexdigest())
    while True:
        try:
            next(loading)
        except StopIteration as done:
            snapshot: Snapshot = done.value
            return snapshot
        time.sleep(_BREATH)


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _published(folder: Path, size: int) -> bytes:
    """Write the flat form in another process, so that the objects it is made of do not stay in this one."""
    place = folder / "flat"
    maker = multiprocessing.get_context("spawn").Process(target=_write, args=(place, size))
    maker.start()
    maker.join()
    return place.read_bytes()


def _write(place: Path, size: int) -> None:
    place.write_bytes(dump_flat(_compile(_document(size))))


def _compile(document: Document) -> Snapshot:
    flags: Callable[[str], tuple[str, ...]] = lambda _: ()  # noqa: E731
    return compile_snapshot(document, profile="enterprise", catalogue_flags=flags, now_us=_NOW_US)


def _document(size: int) -> Document:
    """Return many grants for one person or group each, spread over the services; smaller by ``size``."""
    services, users, groups = _SERVICES // size, _USERS // size, _GROUPS // size
    registered = [
        Service(
            id=f"s{number:04}",
            name=f"Service {number}",
            provider="Provider",
            hosts=(f"api{number}.example.com",),
            contract="individual",
            contract_no=f"K-{number}",
            data_locations=("JP",),
        )
        for number in range(services)
    ]
    made = [
        Group(name=f"g{number:04}", members=tuple(f"user{one:05}" for one in range(number, users, groups)))
        for number in range(groups)
    ]
    decided = [
        Grant(
            id=f"g{number:06}",
            # Each of somebody's grants is on another service.
            service=f"s{(number + number // users) % services:04}",
            purpose="会議録の要約",
            period=_PERIOD,
            administrator="tanaka",
            decided_by="sasaki",
            decided_on=date(2026, 3, 20),
            users=(f"user{number % users:05}",),
            groups=(f"g{number % groups:04}",) if number % 100 == 0 else (),
            models=("gpt-*",),
            reference="情シ第1号",
        )
        for number in range(_GRANTS // size)
    ]
    return Document(
        services={each.id: each for each in registered},
        groups={each.name: each for each in made},
        grants={each.id: each for each in decided},
    )


def _facts(number: int, size: int) -> Facts:
    service = (number + number // (_USERS // size)) % (_SERVICES // size)
    return Facts(
        time_us=_NOW_US,
        user=f"user{number % (_USERS // size):05}",
        user_source="basic",
        host=f"api{service}.example.com",
        service=f"s{service:04}",
        model="gpt-x",
    )
