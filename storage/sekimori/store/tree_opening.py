"""One tree at its start: its key, its files, the lock store, the super-log and the database held together.

What ``tlog.opening`` decides of files and lock store is decided there. Added here: a tree that the super-log
speaks of is never begun anew, and one that has more or other leaves than the database is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.tlog.checkpoint import log_origin
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.lane import TreeLane
from sekimori.ledger.tlog.note import Note
from sekimori.ledger.tlog.opening import FORK, create_lane, open_lane
from sekimori.ledger.tlog.seams import LaneState
from sekimori.ledger.tlog.shelf import CHECKPOINT
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.store.superlog_keeper import Ledger, Tail
from sekimori.store.treerows import TreeState

LeavesOf = Callable[[str, int, int], Sequence[bytes]]


@dataclass(slots=True)
class Tree:
    """An open tree as the keeper follows it.

    ``target`` is how many places the database has given away, ``said`` how many leaves the super-log speaks of,
    ``unsaid`` what it is to say next. ``ending``: no more places are given.
    """

    name: str
    lane: TreeLane
    public: bytes
    target: int
    announced: bool
    ending: bool
    ended: bool = False
    published_us: int = 0
    said: int = 0
    unsaid: Note | None = None

    @property
    def waiting(self) -> int:
        """How many leaves were taken and are not published."""
        return self.lane.next_index - self.lane.published_size

    @property
    def behind(self) -> int:
        """How many leaves must be read from the database."""
        return self.target - self.lane.next_index

    def take(self, first: int, leaves: Sequence[bytes]) -> None:
        """Append leaves that follow what is there; a gap before them is read from the database later."""
        at = self.lane.next_index
        if first < at:
            raise IntegrityError(f"Place {first} of the tree {self.name} was given away before.")
        self.target = max(self.target, first + len(leaves))
        if first == at:
            self.lane.append(leaves)


class LeftAloneError(IntegrityError):
    """One tree and the database contradict each other; the others go on. ``size``: what the tree has."""

    def __init__(self, message: str, *, size: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.size = size


def open_tree(ledger: Ledger, state: TreeState, tail: Tail, leaves_of: LeavesOf, now_us: int) -> Tree | None:
    """Go on with a tree or begin it; None if it ended.

    Raises LeftAloneError where it and the database differ, StateError or IntegrityError where any memory
    says something else than its files.
    """
    signer = ledger.keys.find(state.name) or _new_key(ledger, state, tail)
    locked = ledger.locks.read(log_origin(signer.public))
    if locked is None and not tail.knows(state.name):
        lane = create_lane(
            ledger.folder / state.name,
            name=state.name,
            signer=signer,
            locks=ledger.locks,
            now_us=now_us,
            files=ledger.files,
        )
    elif locked is not None and locked.state != LaneState.OPEN:
        _check_ended(state, locked.state, locked.head.size)
        return None
    else:
        lane = reopen(ledger, state.name, signer, tail)
    try:
        _compare(lane, state, leaves_of)
    except BaseException:
        lane.release()
        raise
    return Tree(
        state.name,
        lane,
        signer.public,
        target=state.next_idx,
        # A super-log that followed another must hear of the trees that go on, too.
        announced=tail.knows(state.name) or (lane.size > 0 and not tail.whole),
        ending=state.closed_us is not None,
        ended=state.name in tail.ended,
        said=lane.size if state.name in tail.ended else 0,
    )


def reopen(ledger: Ledger, name: str, signer: KeySigner, tail: Tail) -> TreeLane:
    """Take a tree up again, held against what the super-log says of it."""
    return open_lane(
        ledger.folder / name, signer=signer, locks=ledger.locks, remembered=tail.of(name), files=ledger.files
    )


def _new_key(ledger: Ledger, state: TreeState, tail: Tail) -> KeySigner:
    if tail.knows(state.name) or (ledger.folder / state.name / CHECKPOINT).exists():
        raise StateError(
            f"The key of the log {state.name} is missing in {ledger.keys.folder}.",
            hint=f"Restore it from the backup of the key folder. {FORK}",
        )
    return ledger.keys.make(state.name)


def _check_ended(state: TreeState, how: LaneState, size: int) -> None:
    if state.closed_us is None:
        raise StateError(
            f"The log {state.name} is {how}, but the database still gives places in it.",
            hint=f"Finish what was begun: sekimori ledger fork {state.name}.",
        )
    if how == LaneState.CLOSED and state.next_idx > size:
        raise LeftAloneError(
            f"The tree {state.name} was closed with {size} leaves, the database has {state.next_idx}.",
            size=size,
        )


def _compare(lane: TreeLane, state: TreeState, leaves_of: LeavesOf) -> None:
    """Hold the newest leaves against the database: it may have been restored, or its tail cut off."""
    if lane.size > state.next_idx:
        raise LeftAloneError(
            f"The tree {state.name} has {lane.size} leaves, the database gave away {state.next_idx} places: "
            "the database is an older copy, or its newest rows were removed.",
            size=lane.size,
            hint="Restore the newest copy, or give the tree up: sekimori ledger fork.",
        )
    start = max(0, lane.size - WIDTH)
    try:
        same = tuple(leaves_of(state.name, start, lane.size)) == lane.leaves(start, lane.size)
    except IntegrityError as error:
        raise LeftAloneError(error.message, size=lane.size, hint=error.hint) from error
    if not same:
        raise LeftAloneError(
            f"The tree {state.name} has other leaves than the database between {start} and {lane.size}.",
            size=lane.size,
            hint="Find out which was changed: sekimori verify.",
        )
