"""The log over all lanes: which there are, how far each got, which ended, and what was erased or retired.

A lane that vanishes whole leaves its traces here, so one memory of this log's checkpoint (a witness, a
time-stamp, a printed line) covers every lane. Its leaves are written by the archivist and have envelopes
like any record; the lane keeps them in its own folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.envelope import Value, encode_envelope
from sekimori.ledger.tlog.checkpoint import log_origin
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.lane import TreeLane
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.note import Note
from sekimori.ledger.tlog.opening import read_published
from sekimori.ledger.tlog.seams import Cosign, LaneState, LockStore, TreeFiles, no_witness
from sekimori.ledger.tlog.shelf import LOCK, Shelf

NAME = "super"


class SuperLog:
    """Appends one leaf for each thing that happens to a lane."""

    def __init__(self, lane: TreeLane, writer: LeafSigner, name: str = NAME) -> None:
        self.lane = lane
        self._writer = writer
        self._name = name

    def record(self, kind: str, now_us: int, fields: Mapping[str, Value]) -> int:
        """Append one leaf and return its index; it counts from the next ``publish``."""
        index = self.lane.next_index
        envelope = encode_envelope({**fields, "k": kind, "lane": self._name, "n": index, "t": now_us, "v": 1})
        self.lane.append([self._writer.sign(envelope)], [envelope])
        return index

    def opened(self, lane: str, public: bytes, now_us: int) -> int:
        """Say that a lane begins, and under which key."""
        return self.record("open", now_us, {"of": lane, "key": public.hex()})

    def checkpoint(self, lane: str, note: Note, now_us: int) -> int:
        """Say how far a lane got, in its own signed words; witnesses' lines are left out."""
        return self.record("checkpoint", now_us, {"of": lane, "note": own_words(note)})

    def closed(self, lane: str, note: Note, now_us: int) -> int:
        """Say that a lane ended well, with its last checkpoint."""
        return self.record("close", now_us, {"of": lane, "note": own_words(note)})

    def publish(self, *, now_us: int, cosign: Cosign = no_witness) -> Note:
        """Publish what was recorded."""
        return self.lane.publish(now_us=now_us, cosign=cosign)


def own_words(note: Note) -> str:
    """Return a checkpoint with its log's signature only."""
    return Note(note.text, note.signatures[:1]).pack().decode()


def abandon(
    folder: Path,
    *,
    lane: str,
    public: bytes,
    goes_on_as: str,
    reason: str,
    by: str,
    locks: LockStore,
    super_log: SuperLog,
    now_us: int,
    cosign: Cosign = no_witness,
    files: TreeFiles | None = None,
) -> int:
    """Give up a lane whose memories disagree; returns the index of the leaf that says so.

    The first half of ``fork``; the second is ``create_lane`` under a new key. The leaf is published before
    anything else is touched, and says what the folder and what the lock store had: a fork that hides
    something can be seen for ever. Nothing is deleted. For the super-log itself, pass the new one.
    """
    shelf = Shelf(folder, files or LocalTree())
    shelf.files.make_folder(folder)
    release = shelf.files.lock(folder / LOCK)
    try:
        locked = locks.read(log_origin(public))
        if locked is not None and locked.state != LaneState.OPEN:
            raise StateError(f"Lane {lane} is {locked.state} already.")
        fields: dict[str, Value] = {"of": lane, "next": goes_on_as, "reason": reason, "by": by}
        fields["folder"] = _in_folder(shelf, public)
        if locked is not None:
            fields["memory"] = {"size": locked.head.size, "root": locked.head.root.hex()}
        index = super_log.record("abandon", now_us, fields)
        super_log.publish(now_us=now_us, cosign=cosign)
        if locked is not None:
            locks.end(log_origin(public), locked.head, LaneState.ABANDONED)
        return index
    finally:
        release()


def _in_folder(shelf: Shelf, public: bytes) -> Value:
    try:
        published = read_published(shelf, public)
    except IntegrityError as error:
        return {"fault": error.message}
    return {"size": published.size, "root": published.root.hex()} if published else {}
