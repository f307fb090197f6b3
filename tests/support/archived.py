"""Entries brought into an installation as ``sekimori up`` brings them: a worker's spool, then an archivist."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sekimori.cli.archiving import archivist_of
from sekimori.cli.opened import store
from sekimori.cli.orders import Orders
from sekimori.cli.outside import Outside
from sekimori.cli.places import Places
from sekimori.cli.trees import lock_store
from sekimori.ledger.record import Entry
from sekimori.ledger.spool import SpoolSettings, open_spool
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.vault.keys import KeyRing
from sekimori.vault.sealing import SegmentSealer
from support.spool import keyed


def spooled(places: Places, *entries: Entry, lane: str = "w0-1") -> None:
    """Write entries as a gate worker does, which then ends."""

    async def write() -> None:
        keys = KeyRing.load_recorder(places.keys)
        sealer, signer = SegmentSealer(keys.archivist_public), LeafSigner(KeySigner(keys.signing_key))
        settings = SpoolSettings(segment_bytes=1 << 20, min_free=0, record_timeout=30.0)
        writer = open_spool(places.spool, lane, seal=sealer, signer=signer, settings=settings)
        for entry in entries:
            await writer.append(keyed(entry))
        await asyncio.to_thread(writer.close)

    asyncio.run(write())


def archived(
    places: Places, *entries: Entry, lane: str = "w0-1", config: Mapping[str, Any] | None = None
) -> None:
    """Bring entries into the database and the trees, and their checkpoints to whoever is configured."""
    spooled(places, *entries, lane=lane)
    orders = Orders(data=str(places.data), keys=str(places.keys), config=dict(config or {}), lifeline_fd=-1)
    outside = Outside(orders.settings.ledger, places)
    try:
        with store(places) as engine, lock_store(places) as locks:
            archivist = archivist_of(orders, engine, locks, outside)
            archivist.run_once()
            archivist.close()
    finally:
        outside.close()
