"""The open trees of one node and the super-log over them: what is published when, and who hears of it. No database.

A tree publishes a second after a leaf came; the super-log says so in the same step or a second after it said
something last, and is published again once a minute when it has nothing to say. A tree begins and ends in
the super-log: ``open`` stands there before anything of it is published, ``close`` after all of it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sekimori.errors import ClockError
from sekimori.ledger.tlog.note import NoteSignature
from sekimori.ledger.tlog.seams import Cosign, no_witness
from sekimori.ledger.tlog.superlog import SuperLog
from sekimori.store.events import Noted
from sekimori.store.reach import Reach
from sekimori.store.superlog_keeper import Tail
from sekimori.store.tree_opening import Tree

ENDLESS = 1 << 62
"""How far a tree is covered that ended: nothing of it waits for anybody."""

Enough = Callable[[Sequence[NoteSignature]], bool]
"""Says whether a checkpoint has the cosignatures that it needs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is done, in microseconds; so many ``leaves`` that wait make a tree publish sooner."""

    publish_us: int = 1_000_000
    leaves: int = 8_192
    heartbeat_us: int = 60_000_000
    look_us: int = 200_000
    retry_us: int = 5_000_000

    @staticmethod
    def is_due(since_us: int, every_us: int, now_us: int) -> bool:
        """Tell whether it is time; a clock that stepped far back makes everything due."""
        return now_us - since_us >= every_us or now_us < since_us - every_us


@dataclass(slots=True)
class Grove:
    """Holds the trees that grow; made by a start, given up as a whole."""

    super_log: SuperLog
    tail: Tail
    reach: Reach
    pace: Pace
    cosign: Cosign
    enough: Enough | None
    spoke_us: int = 0
    trees: dict[str, Tree] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """How many leaves no published checkpoint covers yet, as far as is known."""
        return sum(tree.waiting + max(0, tree.behind) for tree in self.trees.values())

    def check_clock(self, now_us: int) -> None:
        """Refuse a clock before the last head of any log, before anything is appended to one."""
        lanes = [self.super_log.lane, *(tree.lane for tree in self.trees.values())]
        latest_us = max(lane.head.time_us for lane in lanes)
        if now_us < latest_us:
            raise ClockError(
                f"The clock stands {latest_us - now_us} µs before the newest checkpoint.",
                hint="Set the clock right; they go on by themselves.",
            )

    def publish(self, now_us: int, *, force: bool) -> None:
        """Publish what is due: new trees are announced, each tells the super-log, ended ones are closed."""
        self._announce(now_us)
        for tree in self.trees.values():
            if self._must_publish(tree, now_us, force=force):
                self._publish(tree, now_us)
        self._speak(now_us, force=force)
        self._end(now_us)

    def say(self, noted: Sequence[Noted], now_us: int) -> None:
        """Say in the super-log what was erased, held or retired; what it has said already it keeps to itself."""
        for one in noted:
            if one.id not in self.tail.events:
                self.super_log.record(one.kind, now_us, one.said)
        self._publish_super(now_us)
        self.tail.events.update(one.id for one in noted)

    def release(self) -> None:
        """Let go of every log, as a process that ends does."""
        for tree in self.trees.values():
            tree.lane.release()
        self.super_log.lane.release()

    def _announce(self, now_us: int) -> None:
        new = [tree for tree in self.trees.values() if not tree.announced]
        if not new:
            return
        for tree in new:
            self.super_log.opened(tree.name, tree.public, now_us)
        self._publish_super(now_us)
        for tree in new:
            tree.announced = True

    def _must_publish(self, tree: Tree, now_us: int, *, force: bool) -> bool:
        if not tree.published_us:
            return True  # since the start: what a crash left locked, and a word for the super-log
        due = force or self.pace.is_due(tree.published_us, self.pace.publish_us, now_us)
        return tree.waiting > 0 and (due or tree.waiting >= self.pace.leaves)

    def _publish(self, tree: Tree, now_us: int) -> None:
        note = tree.lane.publish(now_us=now_us)
        tree.unsaid = None if tree.ended else note
        tree.published_us = now_us
        if self.enough is None:
            self.reach.is_safe(tree.name, tree.lane.published_size)

    def _speak(self, now_us: int, *, force: bool) -> None:
        unsaid = [tree for tree in self.trees.values() if tree.unsaid is not None]
        every_us = self.pace.publish_us if unsaid else self.pace.heartbeat_us
        if not (force and unsaid) and not self.pace.is_due(self.spoke_us, every_us, now_us):
            return
        for tree in unsaid:
            if tree.unsaid is not None:
                self.super_log.checkpoint(tree.name, tree.unsaid, now_us)
                tree.said, tree.unsaid = tree.lane.published_size, None
        self._publish_super(now_us)

    def _publish_super(self, now_us: int) -> None:
        # An empty log has nothing that a witness could remember.
        cosign = self.cosign if self.super_log.lane.next_index else no_witness
        note = self.super_log.publish(now_us=now_us, cosign=cosign)
        self.spoke_us = now_us
        if self.enough is not None and self.enough(note.signatures[1:]):
            for tree in self.trees.values():
                self.reach.is_safe(tree.name, tree.said)

    def _end(self, now_us: int) -> None:
        """Close the trees that get no more places, once everything of them is said and safe."""
        for tree in [tree for tree in self.trees.values() if tree.ending]:
            if tree.behind > 0 or tree.waiting > 0 or tree.unsaid is not None:
                continue
            if not tree.ended:
                self.super_log.closed(tree.name, tree.lane.publish(now_us=now_us), now_us)
                self._publish_super(now_us)
                tree.ended = True
            if self.reach.safe(tree.name) >= tree.lane.size:
                tree.lane.close()
                del self.trees[tree.name]
                self.reach.is_safe(tree.name, ENDLESS)
