"""What ``ledger status`` shows of each log: what the folder, the lock store and the database say, side by side.

Beside it stand who cosigned the log, and how far the super-log says that it got.

Reads only, and takes no lock: the archivist may be at work meanwhile, so a log that grows may show a size
more in one column than in the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori.cli import witness_status
from sekimori.cli.opened import node, store
from sekimori.cli.places import Places
from sekimori.cli.times import JST
from sekimori.cli.trees import lock_store, log_keys
from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_origin
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.note import Verifier, parse_vkey
from sekimori.ledger.tlog.opening import read_published
from sekimori.ledger.tlog.seams import LaneState, Locked
from sekimori.ledger.tlog.shelf import CHECKPOINT, Shelf
from sekimori.store.engine import reading
from sekimori.store.superlog_keeper import is_super
from sekimori.store.treerows import TreeRepo, TreeState
from sekimori.store.verifying.memories import Outside

if TYPE_CHECKING:
    from sekimori.cli.config_ledger import Ledger
    from sekimori.cli.witness_status import Said, Standing


@dataclass(frozen=True, slots=True)
class Row:
    """One log; ``stored`` is what the database gave away, ``fault`` empty where all fit together.

    ``age_s`` is how long ago its checkpoint was written, ``told`` how far the super-log says it got and
    ``told_age_s`` when that was said. Of the super-log that grows: the witnesses, how many are needed, whether the
    newest checkpoint has them, and whether the gate is closed for want of them.
    """

    log: str
    state: str
    published: int
    locked: int | None
    stored: int | None
    checkpoint: str
    fault: str
    origin: str = ""
    age_s: int | None = None
    told: int | None = None
    told_age_s: int | None = None
    goes_on_as: str = ""
    witnesses: tuple[dict[str, object], ...] = ()
    needed: int | None = None
    witnessed: str = ""
    unwitnessed_s: int | None = None
    limit_s: int | None = None
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All logs of this machine, the super-log first, and the sentences about them, Japanese and English."""

    rows: tuple[Row, ...]
    sentences: tuple[tuple[str, str], ...]


def status(places: Places, ledger: Ledger, now: float) -> Status:
    """Read every log of this machine, and how the newest super-log stands with its witnesses."""
    outside = Outside.now(places.ledger, log_keys(places).publics, places.lock_store, _verifiers(ledger))
    found = list(rows(places))
    given_up = [row.log for row in found if row.state == LaneState.ABANDONED.value]
    said = witness_status.said(outside, [row.log for row in found if not is_super(row.log)], given_up)
    standing = witness_status.standing(places, ledger, outside, now)
    told = tuple(_completed(row, places, said, standing, now) for row in found)
    forked = {row.log: row.goes_on_as for row in told if row.goes_on_as}
    return Status(told, tuple(witness_status.sentences(standing, forked, now)))


def _verifiers(ledger: Ledger) -> tuple[Verifier, ...]:
    return tuple(parse_vkey(one.vkey) for one in ledger.witnesses)


def _completed(row: Row, places: Places, said: Said, standing: Standing | None, now: float) -> Row:
    word, age = said.told.get(row.log), _age(places.ledger / row.log / CHECKPOINT, now)
    row = replace(row, age_s=age, goes_on_as=said.goes_on_as.get(row.log, ""))
    if word is not None:
        row = replace(row, told=word.size, told_age_s=max(0, int(now - word.time_us / 1_000_000)))
    if standing is None or standing.log != row.log:
        return row
    return replace(
        row,
        witnesses=tuple(
            {
                "witness": one.witness,
                "cosigned": _instant(one.cosigned_s),
                "age_s": _since(one.cosigned_s, now),
            }
            for one in standing.cosigners
        ),
        needed=standing.needed,
        witnessed=standing.state,
        unwitnessed_s=standing.unwitnessed_s,
        limit_s=standing.limit_s,
        gate=standing.gate,
    )


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
        origin=log_origin(public) if public else "",
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
        return _instant(path.stat().st_mtime)
    except FileNotFoundError:
        return ""


def _age(path: Path, now: float) -> int | None:
    try:
        return _since(path.stat().st_mtime, now)
    except FileNotFoundError:
        return None


def _since(seconds: float | None, now: float) -> int | None:
    return None if seconds is None else max(0, int(now - seconds))


def _instant(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone(JST).isoformat(timespec="seconds")
