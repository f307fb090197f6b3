"""What ``ledger status`` shows of each log: what the folder, the lock store and the database say, side by side.

Reads only, and takes no lock: the archivist may be at work meanwhile, so a log that grows may show a size
more in one column than in the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sekimori.cli.opened import node, store
from sekimori.cli.places import Places
from sekimori.cli.times import JST
from sekimori.cli.trees import lock_store, log_keys
from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_origin
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.opening import read_published
from sekimori.ledger.tlog.seams import LaneState, Locked
from sekimori.ledger.tlog.shelf import CHECKPOINT, Shelf
from sekimori.store.engine import reading
from sekimori.store.superlog_keeper import is_super
from sekimori.store.treerows import TreeRepo, TreeState


@dataclass(frozen=True, slots=True)
class Row:
    """One log; ``stored`` is what the database gave away, ``fault`` empty where all fit together."""

    log: str
    state: str
    published: int
    locked: int | None
    stored: int | None
    checkpoint: str
    fault: str


def rows(places: Places) -> Iterator[Row]:
    """Yield every log of this machine, the super-log first."""
    with store(places) as engine, reading(engine) as connection:
        stored = {tree.name: tree for tree in TreeRepo(connection, node(places)).trees()}
    keys = log_keys(places)
    names = sorted({*keys.names(), *stored}, key=lambda name: (not is_super(name), name))
    with lock_store(places) as locks:
        for name in names:
            signer = keys.find(name)
            locked = locks.read(log_origin(signer.public)) if signer else None
            yield _row(places.ledger / name, signer.public if signer else b"", locked, stored.get(name))


def _row(folder: Path, public: bytes, locked: Locked | None, stored: TreeState | None) -> Row:
    published, fault = None, "" if public else "its key is missing"
    try:
        published = read_published(Shelf(folder, LocalTree()), public) if public else None
    except IntegrityError as error:
        fault = error.message
    return Row(
        log=folder.name,
        state=locked.state.value if locked else "not begun",
        published=published.size if published else 0,
        locked=locked.head.size if locked else None,
        stored=stored.next_idx if stored else None,
        checkpoint=_changed(folder / CHECKPOINT),
        fault=fault or _fault(published, locked, stored),
    )


def _fault(published: Checkpoint | None, locked: Locked | None, stored: TreeState | None) -> str:
    if published and locked is None:
        return "the lock store does not know it"
    if locked is None or locked.state != LaneState.OPEN:
        return ""
    size = published.size if published else 0
    if size > locked.head.size:
        return "the lock store is behind the folder"
    if stored and stored.next_idx < size:
        return "it is longer than the database says"
    return ""


def _changed(path: Path) -> str:
    try:
        written = path.stat().st_mtime
    except FileNotFoundError:
        return ""
    return datetime.fromtimestamp(written, UTC).astimezone(JST).isoformat(timespec="seconds")
