"""Spools to store in a benchmark, and how fast the archivist stores them; what a conversation takes."""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import zstandard
from figures import Figure, figure
from sqlalchemy import func, select

from sekimori.ledger.record import Entry, encode
from sekimori.store.engine import reading
from sekimori.store.tables import ANCHOR, CHUNK, CONTENT, LINK
from support.evidence import Installation, answered, asked, body
from support.texts import as_body, conversation

PROMPT = "来年度の予算案について、前回の会議で出た意見を三点に要約してください。" * 18

_BATCH = 200
_PEOPLE = 40


def spooled(house: Installation, exchanges: int) -> list[Entry]:
    """Fill the spool with exchanges of many people, each of another text; return them."""
    worker = house.worker("w1-bench", segment_bytes=64 << 20)
    entries = list(_exchanges(exchanges))
    for at in range(0, len(entries), _BATCH):
        worker.write(*entries[at : at + _BATCH])
    worker.close()
    return entries


def _exchanges(count: int) -> Iterator[Entry]:
    for number in range(count):
        rid = f"01KE{number:016}"
        user = f"user{number % _PEOPLE:02}"
        yield asked(rid, prompt=f"{number}: {PROMPT}", user=user)
        yield answered(rid, text=f"{number}: 要約すると、予算は承認された。")


def store_rps(folder: Path, *, quick: bool) -> Figure:
    """Count entries a second that the archivist opens, reads, seals, places and stores."""
    rounds, exchanges = (1, 100) if quick else (3, 3_000)
    ours, plain = [], []
    for number in range(rounds):
        (own := folder / str(number)).mkdir()
        taken, entries = _store(own, exchanges)
        ours.append(2 * exchanges / taken)
        plain.append(2 * exchanges / _insert_plainly(own / "plain.db", entries))
    more = _postgres(folder, exchanges, rounds)
    return figure("store_rps", "1/s", ours, plain, peer="plain rows", entries=2 * exchanges, **more)


def _store(folder: Path, exchanges: int, database: str = "") -> tuple[float, Sequence[Entry]]:
    house = Installation(folder, database=database)
    try:
        entries = spooled(house, exchanges)
        before = time.perf_counter()
        stored = house.archivist.run_once()
        taken = time.perf_counter() - before
        assert (stored.entries, stored.alarms) == (2 * exchanges, ()), stored
        return taken, entries
    finally:
        house.close()


def _insert_plainly(path: Path, entries: Sequence[Entry]) -> float:
    """Insert the same entries as rows of a table, unsealed, as many in a commit; return the seconds."""
    rows = [(number, entry.rid, entry.time_us, encode(entry)) for number, entry in enumerate(entries)]
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, rid TEXT, time_us INTEGER, entry BLOB)")
    before = time.perf_counter()
    for at in range(0, len(rows), 512):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows[at : at + 512])
        connection.execute("COMMIT")
    taken = time.perf_counter() - before
    connection.close()
    return taken


def _postgres(folder: Path, exchanges: int, rounds: int) -> dict[str, float]:
    """Return the figure on PostgreSQL, where a server is at hand."""
    try:
        from support.postgres import running
    except ImportError:
        return {}
    with running() as server:
        values = []
        for number in range(rounds):
            (own := folder / f"postgresql-{number}").mkdir()
            taken, _ = _store(own, exchanges, server.url(server.fresh()))
            values.append(2 * exchanges / taken)
    return {"postgresql_rps": statistics.median(values)}


_TURNS = (10, 50, 200)
_KEPT_OF_BODIES = (
    (CONTENT, CONTENT.c.sealed),
    (CHUNK, CHUNK.c.address),
    (CHUNK, CHUNK.c.sealed),
    (ANCHOR, ANCHOR.c.anchor),
    (ANCHOR, ANCHOR.c.rid),
    (LINK, LINK.c.rid),
    (LINK, LINK.c.refers),
)


def bytes_per_turn(folder: Path, *, quick: bool) -> Figure:
    """Bytes that a turn of a conversation takes in the end, beside storing each body whole, compressed."""
    counts = _TURNS[:1] if quick else _TURNS
    found = {turns: _conversation(folder / str(turns), turns) for turns in counts}
    stored, whole, unique = found[counts[-1]]
    turns = counts[-1]
    more: dict[str, object] = {f"ratio_{each}": one[0] / one[2] for each, one in found.items()}
    return figure(
        "bytes_per_turn",
        "B",
        [stored / turns],
        [whole / turns],
        peer="whole bodies, compressed",
        turns=turns,
        unique_bytes=unique,
        **more,
    )


def _conversation(folder: Path, turns: int) -> tuple[int, int, int]:
    """Store a conversation; return its bytes as stored, as whole bodies, and of its text packed once."""
    folder.mkdir()
    house = Installation(folder)
    try:
        worker = house.worker("w1-bench", segment_bytes=64 << 20)
        whole, last = 0, b""
        for number, request in enumerate(conversation(turns, asked=250, answered=1_500)):
            last = as_body(request)
            whole += len(zstandard.compress(last))
            worker.write(asked(f"01KE{number:016}", body=body(last)))
        house.archivist.run_once()
        with reading(house.engine) as connection:
            sums = [
                connection.execute(select(func.sum(func.length(column))).select_from(table)).scalar() or 0
                for table, column in _KEPT_OF_BODIES
            ]
    finally:
        house.close()
    return sum(sums), whole, len(zstandard.compress(last))
