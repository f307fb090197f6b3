"""The record without a network: entries made durable, stored and verified a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from figures import Figure, figure
from stage import fdatasync_ms

from sekimori.ledger.record import Entry
from sekimori.ledger.spool import SpoolSettings, SpoolWriter
from sekimori.vault.sealing import SegmentSealer
from support.evidence import Installation, answered, asked

_WAITING = 32
_BATCH = 200
_PROMPT = "来年度の予算案について、前回の会議で出た意見を三点に要約してください。" * 18


def spool_rps(folder: Path, *, quick: bool) -> Figure:
    """Count entries of 2 KB a second that ``append`` seals and makes durable, 32 waiting."""
    rounds, seconds = (2, 0.2) if quick else (5, 2.0)
    house = Installation(folder)
    try:
        values = [
            asyncio.run(_spool(folder, f"bench-{number}", house.public, seconds)) for number in range(rounds)
        ]
    finally:
        house.close()
    return figure("spool_rps", "1/s", values, waiting=_WAITING, fdatasync_ms=fdatasync_ms(folder, 100))


async def _spool(folder: Path, lane: str, public: bytes, seconds: float) -> float:
    settings = SpoolSettings(record_timeout=10.0)
    writer = SpoolWriter(folder / "spool", lane, seal=SegmentSealer(public), settings=settings)
    entry = asked("r1", prompt=_PROMPT)
    started = time.perf_counter()

    async def exchange() -> int:
        done = 0
        while time.perf_counter() - started < seconds:
            await writer.append(entry)
            done += 1
        return done

    counts = await asyncio.gather(*(exchange() for _ in range(_WAITING)))
    taken = time.perf_counter() - started
    await asyncio.to_thread(writer.close)
    return sum(counts) / taken


def store_rps(folder: Path, *, quick: bool) -> Figure:
    """Count entries a second that the archivist opens, reads, encrypts and stores."""
    rounds, exchanges = (1, 100) if quick else (3, 3_000)
    values = []
    for number in range(rounds):
        (own := folder / str(number)).mkdir()
        house = Installation(own)
        try:
            _spooled(house, exchanges)
            before = time.perf_counter()
            entries = house.archivist.run_once().entries
            values.append(entries / (time.perf_counter() - before))
        finally:
            house.close()
    return figure("store_rps", "1/s", values, entries=2 * exchanges)


def verify_rps(folder: Path, *, quick: bool) -> Figure:
    """Count stored entries a second that ``verify`` opens and hashes again."""
    rounds, exchanges = (1, 100) if quick else (3, 3_000)
    values = []
    house = Installation(folder)
    try:
        _spooled(house, exchanges)
        house.archivist.run_once()
        for _ in range(rounds):
            before = time.perf_counter()
            report = house.verify()
            values.append(2 * exchanges / (time.perf_counter() - before))
            assert report.ok, report.faults
    finally:
        house.close()
    return figure("verify_rps", "1/s", values, entries=2 * exchanges)


def _spooled(house: Installation, exchanges: int) -> None:
    worker = house.worker("bench", segment_bytes=64 << 20)
    batch: list[Entry] = []
    for number in range(exchanges):
        rid = f"r{number:06}"
        batch += [asked(rid, prompt=_PROMPT), answered(rid)]
        if len(batch) >= _BATCH:
            worker.write(*batch)
            batch.clear()
    worker.write(*batch)
    worker.close()
