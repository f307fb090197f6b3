"""A process that appends entries as fast as it can and is killed: ``python spool_victim.py SPOOL LANE``.

Each id is printed once its append has returned, in one write to the pipe, so that whoever reads the
pipe knows what was acknowledged before the kill.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from sekimori.ledger.spool import SpoolSettings, open_spool
from support.spool import SEALER, SIGNER, intent

CLIENTS = 6


async def work(spool_dir: Path, lane: str) -> None:
    """Append from several tasks until killed."""
    # The disk of a busy test machine may take its time: nobody is refused here.
    settings = SpoolSettings(segment_bytes=96 * 1024, record_timeout=60, min_free=0)
    spool = open_spool(spool_dir, lane, seal=SEALER, signer=SIGNER, settings=settings)

    async def client(name: int) -> None:
        count = 0
        while True:
            rid = f"{name}-{count}"
            await spool.append(intent(rid, size=random.choice((0, 300, 3000, 20_000))))
            os.write(1, f"{rid}\n".encode())
            count += 1

    await asyncio.gather(*(client(name) for name in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
