"""The record without a network: entries made durable a second."""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from figures import Figure, figure
from shelf import PROMPT
from stage import fdatasync_ms

from sekimori.ledger.record import encode
from sekimori.ledger.spool import SpoolSettings, open_spool
from support.evidence import asked
from support.spool import SEALER, SIGNER

_WAITING = 64
_ENTRY = asked("01KE0123456789ABCDEF", prompt=(PROMPT * 3)[:1_600])
_BYTES = encode(_ENTRY)
_FILE_BYTES = 64 << 20


def spool_rps(folder: Path, *, quick: bool) -> Figure:
    """Count entries of 5 KB a second that ``append`` signs, seals and makes durable, 64 waiting.

    The peer makes the same bytes durable as they are, in commits of whatever waits.
    """
    rounds, seconds = (2, 0.2) if quick else (5, 2.0)
    ours, plain = [], []
    for number in range(rounds):
        ours.append(asyncio.run(_spool(folder / "spool", f"bench-{number}", seconds)))
        plain.append(asyncio.run(_plainly(folder / f"plain-{number}", seconds)))
    return figure(
        "spool_rps",
        "1/s",
        ours,
        plain,
        peer="the same bytes, neither signed nor sealed",
        waiting=_WAITING,
        entry_bytes=len(_BYTES),
        fdatasync_ms=fdatasync_ms(folder, 100),
    )


async def _spool(spool: Path, lane: str, seconds: float) -> float:
    writer = open_spool(spool, lane, seal=SEALER, signer=SIGNER, settings=SpoolSettings(record_timeout=10.0))
    rate = await _counted(lambda: writer.append(_ENTRY), seconds)
    await asyncio.to_thread(writer.close)
    shutil.rmtree(spool / lane)
    return rate


async def _plainly(path: Path, seconds: float) -> float:
    writer = PlainWriter(path)
    rate = await _counted(lambda: writer.append(_BYTES), seconds)
    await asyncio.to_thread(writer.close)
    path.unlink()
    return rate


async def _counted(append: Callable[[], Awaitable[None]], seconds: float) -> float:
    started = time.perf_counter()

    async def exchange() -> int:
        done = 0
        while time.perf_counter() - started < seconds:
            await append()
            done += 1
        return done

    counts = await asyncio.gather(*(exchange() for _ in range(_WAITING)))
    return sum(counts) / (time.perf_counter() - started)


type _Waiting = tuple[bytes, asyncio.Future[None]]


class PlainWriter:
    """The least that makes entries durable together: one thread, one write and one fdatasync a commit."""

    def __init__(self, path: Path) -> None:
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(self._handle, 0, _FILE_BYTES)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self, data: bytes) -> None:
        """Return once the bytes are durable."""
        done = asyncio.get_running_loop().create_future()
        self._queue.put((data, done))
        await done

    def close(self) -> None:
        """Write what is left."""
        self._queue.put(None)
        self._thread.join()
        os.close(self._handle)

    def _run(self) -> None:
        at = 0
        while batch := self._batch():
            data = b"".join(item for item, _ in batch)
            os.pwrite(self._handle, data, at)
            os.fdatasync(self._handle)
            # From the beginning again: the blocks are there, and the file stays as large as a segment.
            at = at + len(data) if at < _FILE_BYTES // 2 else 0
            waiting = [done for _, done in batch]
            waiting[0].get_loop().call_soon_threadsafe(_resolve, waiting)

    def _batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if self._queue.empty():
                return batch
            item = self._queue.get()
        return batch


def _resolve(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)
