"""``fork``: an operator gives up a log whose memories disagree, for all to see, and another goes on.

The leaf ``abandon`` of the super-log comes first, then the lock store, then the database: a row that the
abandoned tree does not hold loses its place and gets one in the tree that goes on. Cut short anywhere it is
finished by being run again. Nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from sekimori.errors import IntegrityError, StateError, UsageError
from sekimori.ledger.tlog.checkpoint import log_origin
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.keys import parse_ssh_line
from sekimori.ledger.tlog.merkle import edge_nodes, fold
from sekimori.ledger.tlog.opening import read_published
from sekimori.ledger.tlog.seams import Cosign, Head, LaneState, no_witness
from sekimori.ledger.tlog.shelf import PUBLIC, Shelf
from sekimori.ledger.tlog.superlog import SuperLog, abandon
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.store.engine import reading, writing
from sekimori.store.placing import next_name, parse_name
from sekimori.store.superlog_keeper import (
    Ledger,
    begin_super,
    is_super,
    names_of_super,
    open_super,
    read_tail,
    resume_super,
    super_name,
)
from sekimori.store.treerows import TreeRepo

_PAGE = 16 * WIDTH


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a log is given up, who decided it, and when."""

    reason: str
    by: str
    now_us: int


@dataclass(frozen=True, slots=True)
class Forked:
    """What was done: the leaf that says so, which log goes on, how many rows it takes over."""

    log: str
    goes_on_as: str
    index: int | None
    moved: int = 0


class Fork:
    """Gives up logs of one node; nobody else may hold the super-log meanwhile."""

    def __init__(self, ledger: Ledger, engine: Engine, node: str, cosign: Cosign = no_witness) -> None:
        self._ledger = ledger
        self._engine = engine
        self._node = node
        self._cosign = cosign

    def fork(self, name: str, decision: Decision) -> Forked:
        """Give up one log; raises StateError where it ended well or is at work."""
        if not decision.reason.strip() or not decision.by.strip():
            raise UsageError("A fork needs a reason and a name: both stand in the super-log for ever.")
        if is_super(name):
            return self._fork_super(name, decision)
        return self._fork_tree(name, decision)

    def _fork_tree(self, name: str, decision: Decision) -> Forked:
        series = parse_name(name).series
        with reading(self._engine) as connection:
            if TreeRepo(connection, self._node).state(name) is None:
                raise UsageError(f"There is no tree {name}.", hint="sekimori ledger status names them.")
            following = next_name(connection, series, decision.now_us, after=name)
        with _held(open_super(self._ledger, decision.now_us)) as super_log:
            index = self._abandon(name, following, decision, super_log)
        moved = self._move(name, decision.now_us)
        return Forked(name, following, index, moved)

    def _fork_super(self, name: str, decision: Decision) -> Forked:
        """Begin the next super-log, whose first leaf gives up the one before."""
        names = names_of_super(self._ledger.keys)
        # One without a key is the first, whose key was lost; one before the newest, a fork that was cut short.
        turn = names.index(name) + 1 if name in names else 1
        if turn < len(names) - 1 or name != super_name(turn):
            raise UsageError(f"{name} is not the newest super-log.", hint="sekimori ledger status names it.")
        following = super_name(turn + 1)
        with _held(self._begun(following, decision.now_us)) as super_log:
            index = self._abandon(name, following, decision, super_log)
        return Forked(name, following, index)

    def _begun(self, name: str, now_us: int) -> SuperLog:
        """Begin the super-log that follows, or go on with it where that was done before."""
        signer = self._ledger.keys.find(name)
        if signer is not None and self._ledger.locks.read(log_origin(signer.public)) is not None:
            return resume_super(self._ledger, name, now_us)
        return begin_super(self._ledger, name, now_us)

    def _abandon(self, name: str, following: str, decision: Decision, super_log: SuperLog) -> int | None:
        """Say it in the super-log and the lock store; None where the log had ended before."""
        public = self._public(name)
        locks, origin = self._ledger.locks, log_origin(public)
        locked = locks.read(origin)
        if locked is not None and locked.state != LaneState.OPEN:
            return None
        if locked is None and name in read_tail(super_log.lane, ()).ended:
            index = None
        else:
            index = abandon(
                self._ledger.folder / name,
                lane=name,
                public=public,
                goes_on_as=following,
                reason=decision.reason,
                by=decision.by,
                locks=locks,
                super_log=super_log,
                now_us=decision.now_us,
                cosign=self._cosign,
                files=self._ledger.files,
            )
        if locked is None:
            # A lock store that never knew the log must know from now on that it never grows again.
            locks.register(origin, name, Head(time_us=decision.now_us))
            locks.end(origin, Head(time_us=decision.now_us), LaneState.ABANDONED)
        return index

    def _public(self, name: str) -> bytes:
        signer = self._ledger.keys.find(name)
        if signer is not None:
            return signer.public
        files = self._ledger.files or LocalTree()
        try:
            return parse_ssh_line(files.read(self._ledger.folder / name / PUBLIC).decode("ascii", "replace"))
        except FileNotFoundError as error:
            raise StateError(
                f"Neither a key nor a folder of the log {name} is here.",
                hint="Restore the key folder from its backup.",
            ) from error

    def _move(self, name: str, now_us: int) -> int:
        """Close the tree in the database and free the rows that it does not hold."""
        kept, leaves = self._held_leaves(name)
        with writing(self._engine) as connection:
            repo = TreeRepo(connection, self._node)
            repo.close(name, now_us)
            return repo.take_back(name, kept, leaves())

    def _held_leaves(self, name: str) -> tuple[int, Callable[[], Iterator[Sequence[bytes]]]]:
        """Return how many leaves the abandoned folder holds, and what reads them.

        It holds none where its files contradict its own checkpoint: then every row gets another place.
        """
        shelf = Shelf(self._ledger.folder / name, self._ledger.files or LocalTree())
        try:
            published = read_published(shelf, self._public(name))
            size = published.size if published else 0
            nodes = shelf.nodes(size)
            root = fold([nodes(level, index) for level, index in edge_nodes(size)])
            sound = published is None or root == published.root
            if sound:
                for start in range(0, size, _PAGE):
                    shelf.leaves(size, start, min(size, start + _PAGE))
        except IntegrityError:
            sound = False
        if not sound:
            return 0, lambda: iter(())
        return size, lambda: (
            shelf.leaves(size, start, min(size, start + _PAGE)) for start in range(0, size, _PAGE)
        )


@contextmanager
def _held(super_log: SuperLog) -> Iterator[SuperLog]:
    """Hold a super-log for a while."""
    try:
        yield super_log
    finally:
        super_log.lane.release()
