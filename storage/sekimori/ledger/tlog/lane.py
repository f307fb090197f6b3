"""A lane's tree as its one writer sees it: grows it, locks each new head elsewhere, publishes it.

The order is Sunlight's. Each arrow may be cut by a crash, and none may be turned round:

    tiles durable → read back, hashed again → head swapped in the lock store → signed → cosigned → published

Nothing is signed that the lock store doesn't remember, and it remembers one root a size: so no two
roots are ever signed for one size, whatever of the staged files a crash leaves behind. What was appended
but not locked is gone after a crash; the spool still has it and appends it again.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence

from sekimori.errors import ClockError, IntegrityError, SekimoriError, StateError
from sekimori.ledger.tlog.checkpoint import log_origin, parse_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import Signer
from sekimori.ledger.tlog.leaf import LEAF_BYTES, is_leaf_of
from sekimori.ledger.tlog.merkle import consistency_path, leaf_hash
from sekimori.ledger.tlog.note import Note, with_signatures
from sekimori.ledger.tlog.seams import Cosign, Head, LaneState, LockStore, Offer, no_witness
from sekimori.ledger.tlog.shelf import CHECKPOINT, Shelf, envelope_path, read_edge, recompute
from sekimori.ledger.tlog.tiles import (
    ENTRIES,
    MAX_ENTRY_BYTES,
    Edge,
    Tile,
    TileNodes,
    edge_tiles,
    grow,
    pack_bundle,
)

_FULL = (errno.ENOSPC, errno.EDQUOT)


class TreeLane:
    """The writer of one log; made by ``opening.create_lane`` and ``opening.open_lane`` only."""

    def __init__(
        self,
        shelf: Shelf,
        signer: Signer,
        locks: LockStore,
        head: Head,
        *,
        published: int,
        keeps_envelopes: bool,
        release: Callable[[], None],
    ) -> None:
        self.origin = log_origin(signer.public)
        self._shelf = shelf
        self._signer = signer
        self._locks = locks
        self._head = head
        self._edge: Edge = read_edge(shelf, head.size)
        self._frontier = self._edge.frontier()
        self._pending: list[bytes] = []
        self._keeps_envelopes = keeps_envelopes
        self._envelopes: list[bytes] = self._last_envelopes()
        self._published = published
        self._told = False
        self._release: Callable[[], None] | None = release
        self._lost = ""

    @property
    def head(self) -> Head:
        """What the lock store remembers: everything up to here is durable and will never change."""
        return self._head

    @property
    def size(self) -> int:
        """How many leaves are locked."""
        return self._head.size

    @property
    def next_index(self) -> int:
        """Which index the next appended leaf gets."""
        return self._head.size + len(self._pending)

    @property
    def published_size(self) -> int:
        """The size of the checkpoint in the folder."""
        return self._published

    def append(self, leaves: Sequence[bytes], envelopes: Sequence[bytes] = ()) -> int:
        """Take leaves for the next ``publish`` and return the first one's index; nothing is durable yet.

        A lane that keeps its own envelopes needs one for each leaf.
        """
        self._check_usable()
        if any(len(leaf) != LEAF_BYTES for leaf in leaves):
            raise IntegrityError(f"A leaf doesn't have {LEAF_BYTES} bytes.")
        if any(len(envelope) > MAX_ENTRY_BYTES for envelope in envelopes):
            raise IntegrityError(f"An envelope has more than {MAX_ENTRY_BYTES} bytes.")
        if len(envelopes) != (len(leaves) if self._keeps_envelopes else 0):
            raise IntegrityError("A lane got more or fewer envelopes than it keeps.")
        if not all(map(is_leaf_of, leaves, envelopes)):
            raise IntegrityError("A leaf speaks of another envelope.")
        first = self.next_index
        self._pending += leaves
        self._envelopes += envelopes
        return first

    def publish(self, *, now_us: int, cosign: Cosign = no_witness) -> Note:
        """Make what was appended part of the log and return the checkpoint that is published now.

        With nothing appended it publishes the same size again: then only the witnesses' times are new.
        Raises ClockError if the clock stepped back and StateError if the disk is full: call again later.
        After any other error this object is of no more use; ``open_lane`` finds out what holds.
        """
        self._check_usable()
        if now_us < self._head.time_us:
            raise ClockError(
                f"The clock stands {self._head.time_us - now_us} µs before the log's last checkpoint.",
                hint="Set the clock right; the log goes on by itself.",
            )
        with self._losing():
            if self._pending:
                self._extend(now_us)
            else:
                self._confirm()
            note = sign_checkpoint(self._head.size, self._head.root, self._signer)
            offer = Offer(note, parse_checkpoint(note.text), self._prover())
            note = with_signatures(note, cosign(offer))
            self._replace(note)
        return note

    def nodes(self) -> TileNodes:
        """Return the reader of the locked tree, for proofs."""
        return self._shelf.nodes(self._head.size)

    def leaves(self, start: int, stop: int) -> tuple[bytes, ...]:
        """Return locked leaves: after a crash, to see which of the spool's are in the tree already."""
        return self._shelf.leaves(self._head.size, start, stop)

    def envelopes(self, start: int, stop: int) -> tuple[bytes, ...]:
        """Return locked envelopes of a lane that keeps its own."""
        return self._shelf.envelopes(self._head.size, start, stop)

    def close(self) -> None:
        """Say in the lock store that this lane never grows again (its quarter is over), and let go of it."""
        self._check_usable()
        if self._pending or self._published != self._head.size:
            raise StateError(f"The log in {self._shelf.folder} has leaves that are not published.")
        with self._losing():
            self._locks.end(self.origin, self._head, LaneState.CLOSED)
        self.release()

    def release(self) -> None:
        """Let go of the lane, as a process that ends does."""
        if self._release is not None:
            self._release()
            self._release = None

    def _extend(self, now_us: int) -> None:
        edge, tiles = grow(self._edge, self._pending)
        frontier = self._frontier.copy()
        for leaf in self._pending:
            frontier.push(leaf_hash(leaf))
        beside = self._envelope_files(tiles)
        self._shelf.put({tile.path: data for tile, data in tiles.items()} | beside)
        root = recompute(edge.size, tiles, self._shelf.nodes(edge.size), self._shelf)
        if any(self._shelf.get(path) != data for path, data in beside.items()):
            raise IntegrityError(f"The envelopes in {self._shelf.folder} are not what was written.")
        if root != frontier.root():
            raise IntegrityError(f"The tiles in {self._shelf.folder} lead to another root than the leaves.")
        head = Head(edge.size, root, now_us)
        self._swap(head)
        self._head, self._edge, self._frontier, self._pending = head, edge, frontier, []
        self._envelopes = self._envelopes[len(self._envelopes) - len(edge.entries) :]
        if not self._keeps_envelopes:
            self._envelopes = []

    def _swap(self, head: Head) -> None:
        try:
            self._locks.swap(self.origin, self._head, head)
        except OSError as error:
            # Even a full disk, there, leaves open what was done: only a new start can tell.
            raise StateError(f"The lock store failed: {error.strerror}.") from error

    def _envelope_files(self, tiles: dict[Tile, bytes]) -> dict[str, bytes]:
        if not self._keeps_envelopes:
            return {}
        files, at = {}, 0
        for tile in sorted(tile for tile in tiles if tile.level == ENTRIES):
            files[envelope_path(tile)] = pack_bundle(self._envelopes[at : at + tile.width])
            at += tile.width
        return files

    def _confirm(self) -> None:
        locked = self._locks.read(self.origin)
        if locked is None or locked.head != self._head or locked.state != LaneState.OPEN:
            raise StateError(f"Another writer went on with the log in {self._shelf.folder}.")

    def _replace(self, note: Note) -> None:
        """Publish; the partial tiles of an older size go first, so that a crash in between is seen later."""
        for tile in edge_tiles(self._published):
            if (tile.index + 1) << 8 * (max(tile.level, 0) + 1) <= self._head.size:
                self._shelf.drop(tile, envelopes=self._keeps_envelopes)
        self._shelf.put({CHECKPOINT: note.pack()})
        if not self._told:
            self._locks.note_published(self.origin)
            self._told = True
        self._published = self._head.size

    def _prover(self) -> Callable[[int], tuple[bytes, ...]]:
        size, nodes = self._head.size, self.nodes()
        return lambda old: consistency_path(old, size, nodes)

    def _last_envelopes(self) -> list[bytes]:
        if not self._keeps_envelopes:
            return []
        size = self._head.size
        return list(self._shelf.envelopes(size, size - len(self._edge.entries), size))

    def _check_usable(self) -> None:
        if self._release is None or self._lost:
            raise StateError(f"The log in {self._shelf.folder} is closed here: {self._lost or 'released'}.")

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Give the lane up at any error but a full disk: nobody knows what of the step was done."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StateError(
                    f"The disk has no room for the log in {self._shelf.folder}.", hint="Make room."
                ) from error
            self._lost = f"the disk failed ({error.strerror})"
            raise StateError(
                f"The log in {self._shelf.folder} can't be written: {error.strerror}.",
                hint="Look at the disk, then start again.",
            ) from error
        except BaseException as error:
            self._lost = error.message if isinstance(error, SekimoriError) else repr(error)
            raise
