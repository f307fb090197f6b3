"""The record without a network: entries made durable a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from figures import Figure, figure
from shelf import PROMPT
from stage import fdatasync_ms

from sekimori.ledger.spool import SpoolSettings, SpoolWriter
from sekimori.vault.sealing import SegmentSealer
from support.evidence import Installation, asked
from support.spool import SIGNER

_WAITING = 32


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
    writer = SpoolWriter(folder / "spool", lane, seal=SegmentSealer(public), signer=SIGNER, settings=settings)
    entry = asked("r1", prompt=PROMPT)
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
