"""How a lane's writer starts: what the folder says is held against what is remembered elsewhere.

===============================  ==========================================================================
the lock store and the folder    what it means, and what is done
===============================  ==========================================================================
the same size and root           all is well
the store is ahead, tiles fit    a crash before publishing: the next ``publish`` makes up for it
the store is ahead, they don't   the folder was restored or lost: refused, the operator must fork
the store is behind              the store was restored: refused, the operator must fork
the store knows nothing          it was lost or is another one: refused, the operator must fork
other roots at one size          somebody signed two histories, or changed one: IntegrityError
===============================  ==========================================================================

What witnesses remember (``remembered``) is held against the tree in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_origin, log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.keys import Signer, ssh_line
from sekimori.ledger.tlog.lane import TreeLane
from sekimori.ledger.tlog.merkle import edge_nodes, fold
from sekimori.ledger.tlog.seams import Head, LaneState, Locked, LockStore, TreeFiles
from sekimori.ledger.tlog.shelf import CHECKPOINT, LOCK, PUBLIC, VKEY, Shelf, read_edge

FORK = "If that is so, close the lane and go on in a new one: sekimori ledger fork."


def create_lane(
    folder: Path,
    *,
    name: str,
    signer: Signer,
    locks: LockStore,
    now_us: int,
    keeps_envelopes: bool = False,
    files: TreeFiles | None = None,
) -> TreeLane:
    """Begin a log; raises StateError if its key or its folder has one. The caller publishes it."""
    shelf = Shelf(folder, files or LocalTree())
    origin = log_origin(signer.public)
    shelf.files.make_folder(folder)
    release = shelf.files.lock(folder / LOCK)
    try:
        if read_published(shelf, signer.public) is not None:
            raise StateError(f"A log lies in {folder} that the lock store doesn't know.", hint=FORK)
        key_files = {VKEY: log_verifier(signer.public).vkey + "\n", PUBLIC: ssh_line(signer.public)}
        shelf.put({path: text.encode() for path, text in key_files.items()})
        # The data folder itself was made durable by whoever made it; what lies between may be new.
        for parent in (folder.parent, folder.parent.parent):
            shelf.files.sync_folder(parent)
        locks.register(origin, name, Head(time_us=now_us))
        return _lane(shelf, signer, locks, Head(time_us=now_us), 0, release, keeps_envelopes=keeps_envelopes)
    except BaseException:
        release()
        raise


def open_lane(
    folder: Path,
    *,
    signer: Signer,
    locks: LockStore,
    remembered: Iterable[Checkpoint] = (),
    keeps_envelopes: bool = False,
    files: TreeFiles | None = None,
) -> TreeLane:
    """Go on with a log; raises StateError or IntegrityError if any memory says something else."""
    shelf = Shelf(folder, files or LocalTree())
    try:
        release = shelf.files.lock(folder / LOCK)
    except FileNotFoundError as error:
        raise StateError(f"The log's folder {folder} is missing.", hint=FORK) from error
    try:
        locked = _locked(locks.read(log_origin(signer.public)), folder)
        published = read_published(shelf, signer.public)
        _check_sizes(shelf, locked.head, published)
        for memory in (*remembered, *((published,) if published else ())):
            _check_memory(shelf, locked.head, memory)
        at = published.size if published else 0
        return _lane(shelf, signer, locks, locked.head, at, release, keeps_envelopes=keeps_envelopes)
    except BaseException:
        release()
        raise


def read_published(shelf: Shelf, public: bytes) -> Checkpoint | None:
    """Return the checkpoint in the folder or None; raises IntegrityError if it is not the log's."""
    try:
        data = shelf.files.read(shelf.folder / CHECKPOINT)
    except FileNotFoundError:
        return None
    return open_checkpoint(data, log_verifier(public)).checkpoint


def _lane(
    shelf: Shelf,
    signer: Signer,
    locks: LockStore,
    head: Head,
    published: int,
    release: Callable[[], None],
    *,
    keeps_envelopes: bool,
) -> TreeLane:
    return TreeLane(
        shelf, signer, locks, head, published=published, keeps_envelopes=keeps_envelopes, release=release
    )


def _locked(locked: Locked | None, folder: Path) -> Locked:
    if locked is None:
        raise StateError(f"The lock store doesn't know the log in {folder}: it was lost.", hint=FORK)
    if locked.state != LaneState.OPEN:
        raise StateError(f"The log in {folder} is {locked.state}; it never grows again.")
    return locked


def _check_sizes(shelf: Shelf, head: Head, published: Checkpoint | None) -> None:
    """Refuse a store that is behind, and one that is ahead of what the tiles can show."""
    size = published.size if published else 0
    if size > head.size:
        raise StateError(
            f"The lock store remembers {head.size} leaves of the log in {shelf.folder}, which has {size}: "
            "it was restored from a backup.",
            hint=FORK,
        )
    if published and size == head.size and published.root != head.root:
        raise IntegrityError(f"The log in {shelf.folder} has two roots for {size} leaves.")
    try:
        stands = read_edge(shelf, head.size).frontier().root() == head.root
    except IntegrityError:
        if size == head.size:
            raise
        stands = False
    if not stands and size == head.size:
        raise IntegrityError(f"The tiles in {shelf.folder} were altered: they lead to another root.")
    if not stands:
        raise _ahead(f"The lock store remembers {head.size} leaves", shelf)


def _check_memory(shelf: Shelf, head: Head, memory: Checkpoint) -> None:
    """Refuse a memory of more than there is; raises IntegrityError if it had another tree."""
    if memory.size > head.size:
        raise _ahead(f"A witness remembers {memory.size} leaves", shelf)
    nodes = shelf.nodes(head.size)
    if fold([nodes(level, index) for level, index in edge_nodes(memory.size)]) != memory.root:
        raise IntegrityError(
            f"The log in {shelf.folder} doesn't go on from what was signed at {memory.size}."
        )


def _ahead(who: str, shelf: Shelf) -> StateError:
    return StateError(
        f"{who} of the log in {shelf.folder} that its files lack: they were lost or restored.",
        hint=FORK,
    )
