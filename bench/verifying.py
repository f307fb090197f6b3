"""Stored evidence checked again, a second: on one core, on all, and how fast the same rows are merely hashed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from figures import Figure, figure
from shelf import spooled
from sqlalchemy import select

from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.leaf import NAMESPACE, is_leaf_of
from sekimori.store.engine import reading
from sekimori.store.rows import stored_hash
from sekimori.store.tables import CONTENT, ENTRY
from sekimori.store.verify import Scope
from sekimori.store.verifying.envelopes import read_entry_envelope
from sekimori.store.verifying.pool import cores
from sekimori.store.verifying.trees import TreeCheck, TreeTask
from support.evidence import Installation
from support.tlog import GATE

_PLAIN = "SHA-256 of the same rows"


def verify_rps(folder: Path, *, quick: bool) -> Figure:
    """Count stored entries a second whose evidence ``verify`` checks on one core: hashes, trees, commitments."""
    rounds, exchanges = (1, 100) if quick else (3, 10_000)
    entries = 2 * exchanges
    house = Installation(folder)
    try:
        spooled(house, exchanges)
        house.archivist.run_once()
        while house.settle().more:
            pass
        ours, theirs, derived, together, hashes, signatures = [], [], [], [], [], []
        for _ in range(rounds):
            ours.append(entries / _taken(lambda: _verify(house, 1, index=False)))
            derived.append(entries / _taken(lambda: _verify(house, 1)))
            theirs.append(entries / _taken(lambda: _hash(house)))
            hashes.append(entries / _taken(lambda: _hash_and_grow(house)))
            signatures.append(_signatures(house, min(entries, 2_000)))
            together.append(entries / _taken(lambda: _verify(house, cores())))
    finally:
        house.close()
    return figure(
        "verify_rps",
        "1/s",
        ours,
        theirs,
        peer=_PLAIN,
        entries=entries,
        cores=cores(),
        with_index=max(derived),
        all_cores=max(together),
        hashes=max(hashes),
        signatures=max(signatures),
    )


def _taken(work: Callable[[], None]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _verify(house: Installation, processes: int, *, index: bool = True) -> None:
    report = house.verify(Scope(processes=processes, index=index))
    assert report.ok, report.faults


def _hash(house: Installation) -> None:
    """Do what ``sha256sum`` over the rows would: read each and hash it."""
    with reading(house.engine) as connection:
        for row in connection.execute(select(ENTRY.c.sealed, ENTRY.c.envelope, ENTRY.c.leaf)):
            hashlib.sha256(row.sealed + row.envelope + row.leaf).digest()
        for sealed in connection.execute(select(CONTENT.c.sealed)).scalars():
            hashlib.sha256(sealed).digest()


def _hash_and_grow(house: Installation) -> None:
    """Check what needs no key: envelopes, leaves, hashes of what is stored, the trees up to their roots."""
    columns = (ENTRY.c.lane, ENTRY.c.n, ENTRY.c.sealed, ENTRY.c.envelope, ENTRY.c.leaf)
    with reading(house.engine) as connection:
        contents = {(row.lane, row.n): row.sealed for row in connection.execute(select(CONTENT))}
        for row in connection.execute(select(*columns)):
            read_entry_envelope(row.envelope)
            assert is_leaf_of(row.leaf, row.envelope)
            stored_hash(row.sealed, contents.get((row.lane, row.n), b""))
        for name in house.outside().logs:
            if name.startswith(("gate", "archive")):
                assert not TreeCheck(connection, TreeTask(name, None), None).run().faults


def _signatures(house: Installation, count: int) -> float:
    key = PublicKey(GATE.public)
    with reading(house.engine) as connection:
        leaves = list(connection.execute(select(ENTRY.c.leaf).limit(count)).scalars())
    before = time.perf_counter()
    for leaf in leaves:
        assert key.signed(leaf[32:96], NAMESPACE + leaf[:32])
    return len(leaves) / (time.perf_counter() - before)
