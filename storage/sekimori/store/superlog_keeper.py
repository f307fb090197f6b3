"""The super-log as the archivist keeps it: begun once, gone on with, and its newest leaves read back.

A super-log that had to be abandoned is followed by ``super-2`` and so on; the newest is the one that has a
key. What it says of the trees is a memory of them: ``Tail`` is as much of it as a start looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.envelope import decode_envelope
from sekimori.ledger.tlog.checkpoint import Checkpoint, log_origin, log_verifier, parse_checkpoint
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.lane import TreeLane
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.note import Verifier, parse_note
from sekimori.ledger.tlog.opening import FORK, create_lane, open_lane
from sekimori.ledger.tlog.seams import LaneState, LockStore, TreeFiles
from sekimori.ledger.tlog.shelf import CHECKPOINT
from sekimori.ledger.tlog.superlog import NAME, SuperLog
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.store.logkeys import LogKeys

Remembered = Callable[[Verifier], Iterable[Checkpoint]]
"""What witnesses remember of a log."""

AT_LEAST, AT_MOST = 4 * WIDTH, 256 * WIDTH
"""How many of the newest leaves a start reads, whatever they say, and where it gives up looking."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the trees of one node lie, their keys, and what remembers their heads elsewhere."""

    folder: Path
    keys: LogKeys
    locks: LockStore
    signing: LeafSigner
    files: TreeFiles | None = None
    remembered: Remembered | None = None


@dataclass(slots=True)
class Tail:
    """What the newest leaves of the super-log say; ``whole`` where those are all."""

    whole: bool = False
    opened: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    reached: dict[str, Checkpoint] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)

    def knows(self, tree: str) -> bool:
        """Tell whether a tree was spoken of."""
        return tree in self.opened or tree in self.reached

    def of(self, tree: str) -> tuple[Checkpoint, ...]:
        """Return the newest checkpoint of a tree that was found."""
        return (self.reached[tree],) if tree in self.reached else ()

    def take(self, envelope: bytes) -> None:
        """Read one leaf's envelope; newer ones come first."""
        fields = decode_envelope(envelope)
        of, event = fields.get("of"), fields.get("event")
        if isinstance(event, str):
            self.events.add(event)
        if not isinstance(of, str):
            return
        kind, note = fields["k"], fields.get("note")
        if kind == "open":
            self.opened.add(of)
        if kind in ("close", "abandon"):
            self.ended.add(of)
        if isinstance(note, str):
            self.reached.setdefault(of, parse_checkpoint(parse_note(note.encode()).text))


def names_of_super(keys: LogKeys) -> list[str]:
    """Return every super-log that has a key, the newest last."""
    found = [(_turn(name), name) for name in keys.names() if _turn(name)]
    return [name for _, name in sorted(found)]


def is_super(name: str) -> bool:
    """Tell a super-log's name from a tree's."""
    return _turn(name) > 0


def super_name(turn: int) -> str:
    """Name the super-log that was begun so many times."""
    return NAME if turn == 1 else f"{NAME}-{turn}"


def _turn(name: str) -> int:
    """Return which super-log a name means; 0 for a tree."""
    if name == NAME:
        return 1
    number = name.removeprefix(f"{NAME}-")
    return int(number) if number != name and number.isdecimal() else 0


def open_super(ledger: Ledger, now_us: int) -> SuperLog:
    """Go on with the super-log, or begin it where there never was one.

    Raises StateError or IntegrityError where any memory says something else.
    """
    names = names_of_super(ledger.keys)
    if not names:
        if ledger.keys.names():
            raise StateError(
                f"The key of the super-log is missing in {ledger.keys.folder}.",
                hint="Restore it from the backup of the key folder, or: sekimori ledger fork super.",
            )
        return begin_super(ledger, NAME, now_us)
    _expect_ended(ledger, names[:-1])
    return resume_super(ledger, names[-1], now_us)


def begin_super(ledger: Ledger, name: str, now_us: int) -> SuperLog:
    """Begin a super-log under a key of its own."""
    signer = ledger.keys.find(name) or ledger.keys.make(name)
    return SuperLog(_created(ledger, name, signer, now_us), ledger.signing, name)


def resume_super(ledger: Ledger, name: str, now_us: int) -> SuperLog:
    """Go on with the super-log of that name."""
    signer = ledger.keys.find(name)
    if signer is None:
        raise StateError(f"The log {name} has no key in {ledger.keys.folder}.")
    known = ledger.locks.read(log_origin(signer.public)) is not None
    if not known and name == NAME and all(map(_turn, ledger.keys.names())):
        # A first start that ended before anything was signed: no tree has a key before the super-log stands.
        return begin_super(ledger, name, now_us)
    remembered = ledger.remembered(log_verifier(signer.public)) if ledger.remembered else ()
    lane = open_lane(
        ledger.folder / name,
        signer=signer,
        locks=ledger.locks,
        remembered=remembered,
        keeps_envelopes=True,
        files=ledger.files,
    )
    return SuperLog(lane, ledger.signing, name)


def read_tail(lane: TreeLane, wanted: Collection[str], *, at_most: int = AT_MOST) -> Tail:
    """Read the newest leaves, back to where each wanted tree was spoken of."""
    tail, stop = Tail(), lane.size
    while stop > max(0, lane.size - at_most):
        if lane.size - stop >= AT_LEAST and all(map(tail.knows, wanted)):
            break
        start = (stop - 1) // WIDTH * WIDTH
        for envelope in reversed(lane.envelopes(start, stop)):
            tail.take(envelope)
        stop = start
    tail.whole = stop == 0
    return tail


def _created(ledger: Ledger, name: str, signer: KeySigner, now_us: int) -> TreeLane:
    return create_lane(
        ledger.folder / name,
        name=name,
        signer=signer,
        locks=ledger.locks,
        now_us=now_us,
        keeps_envelopes=True,
        files=ledger.files,
    )


def _expect_ended(ledger: Ledger, older: Iterable[str]) -> None:
    for name in older:
        signer = ledger.keys.find(name)
        locked = signer and ledger.locks.read(log_origin(signer.public))
        if locked and locked.state == LaneState.OPEN:
            raise IntegrityError(f"The super-log {name} was followed by another and not given up.", hint=FORK)


def contradictions(ledger: Ledger) -> list[str]:
    """Hold every log that grows here against its memories; return a sentence for each that differs.

    The database is not asked. Nothing is begun and nothing signed.
    """
    names = names_of_super(ledger.keys)
    tail, found = Tail(), []
    try:
        if names and ledger.locks.read(_origin(ledger, names[-1])) is not None:
            super_log = resume_super(ledger, names[-1], 0)
            growing = [name for name in ledger.keys.names() if not is_super(name)]
            try:
                tail = read_tail(super_log.lane, [name for name in growing if _is_open(ledger, name)])
            finally:
                super_log.lane.release()
    except (StateError, IntegrityError) as error:
        found.append(str(error))
    for name in ledger.keys.names():
        if is_super(name):
            continue
        try:
            _check_tree(ledger, name, tail)
        except (StateError, IntegrityError) as error:
            found.append(str(error))
    return found


def _check_tree(ledger: Ledger, name: str, tail: Tail) -> None:
    signer = ledger.keys.find(name)
    locked = ledger.locks.read(_origin(ledger, name))
    if signer is None or (locked and locked.state != LaneState.OPEN):
        return
    if locked is None and not tail.knows(name) and not (ledger.folder / name / CHECKPOINT).exists():
        return  # its first start ended before anything was signed
    open_lane(
        ledger.folder / name, signer=signer, locks=ledger.locks, remembered=tail.of(name), files=ledger.files
    ).release()


def _is_open(ledger: Ledger, name: str) -> bool:
    locked = ledger.locks.read(_origin(ledger, name))
    return locked is not None and locked.state == LaneState.OPEN


def _origin(ledger: Ledger, name: str) -> str:
    signer = ledger.keys.find(name)
    return log_origin(signer.public) if signer else ""
