"""The tree keeper: grows the trees of one node from what the database holds, and the super-log over them.

The database comes first. Who stores a row gives it its place in the same transaction (``place``) and offers
its leaf when that has committed (``offer``); the keeper appends, publishes and tells the super-log
(``step``). What it is not offered it reads from the database: so it goes on after a crash at any point.

All or nothing: where a memory outside says something else than the files, one alarm is given, nothing is
held and nothing grows; it is tried again after a while. Rows are stored meanwhile, but the spool is not given
up (``covered``), and in the end the gate closes. One tree that contradicts the database is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from sekimori.errors import ClockError, IntegrityError, SekimoriError
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.seams import Cosign, LockStore, TreeFiles, no_witness
from sekimori.store.engine import reading, writing
from sekimori.store.grove import ENDLESS, Enough, Grove, Pace
from sekimori.store.logkeys import LogKeys
from sekimori.store.placing import Place, parse_name, place, quarter_of, series_of
from sekimori.store.reach import Reach
from sekimori.store.rows import Cipher
from sekimori.store.stating import Stating
from sekimori.store.superlog_keeper import Ledger, Remembered, Tail, open_super, read_tail
from sekimori.store.tree_opening import LeftAloneError, Tree, open_tree
from sekimori.store.treerows import TreeRepo, TreeState

logger = logging.getLogger(__name__)

_AT_ONCE = 500
_PAGE = 4096
"""How many leaves one step reads from the database for a tree."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How the trees stand, for the metrics."""

    checkpoint_age_seconds: float = 0.0
    leaves_waiting: int = 0
    trees: int = 0


class TreeWatch(Protocol):
    """Whoever counts, and who is told of alarms."""

    def alarm(self, sentence: str) -> None:
        """Tell a person: evidence is not what it must be."""
        ...

    def ledger(self, figures: Figures) -> None:
        """Hear how the trees stand."""
        ...


class LogOnly:
    """A watch that writes alarms to the program's log."""

    def alarm(self, sentence: str) -> None:
        """Write it down."""
        logger.error("%s", sentence)

    def ledger(self, figures: Figures) -> None:
        """Count nothing."""


class TreeKeeper:
    """Grows one node's trees; all calls come from the archivist's one thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        folder: Path,
        logs: Path,
        locks: LockStore,
        signing: LeafSigner,
        cipher: Cipher,
        clock: Callable[[], int],
        watch: TreeWatch | None = None,
        cosign: Cosign = no_witness,
        enough: Enough | None = None,
        node: str = "1",
        remembered: Remembered | None = None,
        files: TreeFiles | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Hold nothing yet; the first ``step`` starts.

        ``cipher`` opens events; ``enough`` says whether the cosignatures suffice that a checkpoint got, None
        where no witness is configured; ``remembered`` is what the witnesses know of a log.
        """
        self._engine = engine
        self._ledger = Ledger(folder, LogKeys(logs), locks, signing, files, remembered)
        self._clock = clock
        self._watch = watch or LogOnly()
        self._stating = Stating(engine, cipher, signing, node, self._watch.alarm)
        self._cosign, self._enough = cosign, enough
        self._node = node
        self._pace = pace or Pace()
        self._grove: Grove | None = None
        self._reach = Reach()
        self._unopened: set[str] = set()
        self._dropped = 0
        self._told: set[str] = set()
        self._failed_us: int | None = None
        self._looked_us = self._figured_us = 0
        self._spoke_us = clock()

    def place(self, connection: Connection, lane: str, count: int) -> Place:
        """Give ``count`` places to entries of a lane (``""``: to the archivist's own statements)."""
        series = series_of(lane, self._node)
        return place(connection, series, count, node=self._node, now_us=self._clock())

    def offer(self, placed: Place, leaves: Sequence[bytes], *, lane: str = "", last_n: int = 0) -> None:
        """Take leaves whose transaction has committed; ``last_n``: the last number of a spool lane there.

        For entries without a leaf (a spool of an older version) give no leaves and ``Place("", 0)``.
        """
        if self._grove is None:
            self._dropped += len(leaves)
            return
        if lane:
            self._reach.add(lane, placed.tree if leaves else "", placed.first + len(leaves), last_n)
        if not leaves:
            return
        tree = self._grove.trees.get(placed.tree)
        if tree is None:
            self._unopened.add(placed.tree)
            return
        try:
            tree.take(placed.first, leaves)
        except SekimoriError as error:
            self._fail(error)

    def step(self, *, force: bool = False) -> bool:
        """Do what is due; call it after each batch and in each round. Tells whether there is more to do.

        ``force`` publishes what waits without waiting for its time.
        """
        now_us = self._clock()
        more = False
        try:
            if self._grove is None:
                if not self._may_start(now_us):
                    return False
                self._grove = self._started(now_us)
            more = self._work(self._grove, now_us, force=force)
            if self._grove is not None:
                self._told.clear()
        except ClockError as error:
            self._tell(error)
        except (SekimoriError, OSError) as error:
            self._fail(error)
        except BaseException:
            # The database is busy: nobody knows what of a step was done. Files and rows will tell.
            self.release()
            raise
        finally:
            self._figure(now_us)
        return more

    def covered(self, lane: str) -> int:
        """Return up to which number of a spool lane a published (and witnessed) checkpoint covers."""
        if self._grove is not None and not self._reach.knows(lane):
            self._follow(lane)
        return self._reach.covered(lane)

    def close(self) -> None:
        """Publish what waits and let go of the trees; ``covered`` goes on answering."""
        try:
            while self._grove is not None and self.step(force=True):
                pass
        finally:
            self._let_go()

    def release(self) -> None:
        """Let go of everything as a process that dies does; nothing is believed to be safe any more."""
        self._let_go()
        self._reach.forget()

    # --- starting and failing ----------------------------------------------------------------------

    def _may_start(self, now_us: int) -> bool:
        return self._failed_us is None or self._pace.is_due(self._failed_us, self._pace.retry_us, now_us)

    def _started(self, now_us: int) -> Grove:
        """Take up every tree, or none: raises StateError or IntegrityError where a memory contradicts one."""
        with reading(self._engine) as connection:
            states = TreeRepo(connection, self._node).trees()
        super_log = open_super(self._ledger, now_us)
        self._reach.forget()
        grove = Grove(super_log, Tail(), self._reach, self._pace, self._cosign, self._enough)
        try:
            growing = [state.name for state in states if state.closed_us is None]
            grove.tail = read_tail(super_log.lane, growing)
            for state in states:
                self._open(grove, state, now_us)
        except BaseException:
            grove.release()
            raise
        self._looked_us = self._dropped = 0
        self._failed_us = None
        return grove

    def _open(self, grove: Grove, state: TreeState, now_us: int) -> None:
        try:
            tree = open_tree(self._ledger, state, grove.tail, self._leaves, now_us)
        except LeftAloneError as error:
            self._leave_alone(grove, state.name, error, error.size)
            return
        if tree is None:
            self._reach.is_safe(state.name, ENDLESS)
        else:
            grove.trees[state.name] = tree

    def _leave_alone(self, grove: Grove, name: str, error: IntegrityError, size: int) -> None:
        """Let one tree be; no more places are given in it, and the next one takes what comes."""
        self._watch.alarm(f"The tree {name} is left alone: {error}")
        with writing(self._engine) as connection:
            TreeRepo(connection, self._node).close(name, self._clock())
        tree = grove.trees.pop(name, None)
        if tree is not None:
            tree.lane.release()
        # What it holds is safe; what the database placed behind that waits for ``fork``.
        self._reach.is_safe(name, size)

    def _fail(self, error: Exception) -> None:
        self._tell(error)
        self.release()
        self._failed_us = self._clock()

    def _tell(self, error: Exception) -> None:
        """Give an alarm once, until all is well again."""
        sentence = f"The trees do not grow: {error}"
        # How far a clock is off changes with each look; that it is off does not.
        kind = type(error).__name__ if isinstance(error, ClockError) else sentence
        if kind not in self._told:
            self._told.add(kind)
            self._watch.alarm(sentence)

    def _let_go(self) -> None:
        if self._grove is not None:
            self._grove.release()
        self._grove = None
        self._unopened.clear()

    # --- growing -------------------------------------------------------------------------------------

    def _work(self, grove: Grove, now_us: int, *, force: bool) -> bool:
        grove.check_clock(now_us)
        more = False
        if force or self._pace.is_due(self._looked_us, self._pace.look_us, now_us):
            more = self._look(grove, now_us)
            self._looked_us = now_us
        if self._grove is None:
            return False  # a leaf that was found could not be taken: told already
        self._open_new(grove, now_us)
        for tree in list(grove.trees.values()):
            if tree.behind > 0:
                self._catch_up(grove, tree)
                more = True
        grove.publish(now_us, force=force)
        self._spoke_us = grove.spoke_us
        return more

    def _look(self, grove: Grove, now_us: int) -> bool:
        """Find what other processes left in the database, and see whether the quarter is over."""
        with reading(self._engine) as connection:
            unplaced = TreeRepo(connection, self._node).is_anything_unplaced()
            ordered = self._stating.is_anything_ordered(connection)
        if unplaced:
            with writing(self._engine) as connection:
                given = TreeRepo(connection, self._node).place_waiting(now_us, _AT_ONCE)
            for one in given:
                self.offer(one.place, one.leaves)
        if ordered:
            self._state(grove, now_us)
        for tree in [tree for tree in grove.trees.values() if not tree.ending]:
            if parse_name(tree.name).quarter < quarter_of(now_us):
                self._turn(tree, now_us)
        return unplaced

    def _state(self, grove: Grove, now_us: int) -> None:
        """Turn events into statements and leaves of the super-log; only then do they count as stated."""
        stated = self._stating.step(now_us)
        if stated.place is not None:
            self.offer(stated.place, stated.leaves)
        if stated.noted:
            grove.say(stated.noted, now_us)
            self._stating.done(stated)

    def _turn(self, tree: Tree, now_us: int) -> None:
        """Give no more places in a tree whose quarter is over."""
        with writing(self._engine) as connection:
            repo = TreeRepo(connection, self._node)
            repo.close(tree.name, now_us)
            state = repo.state(tree.name)
        tree.ending = True
        tree.target = max(tree.target, state.next_idx if state else 0)

    def _open_new(self, grove: Grove, now_us: int) -> None:
        if not self._unopened:
            return
        with reading(self._engine) as connection:
            states = TreeRepo(connection, self._node).trees()
        for state in states:
            if state.name in self._unopened and state.name not in grove.trees:
                self._open(grove, state, now_us)
        self._unopened.clear()

    def _catch_up(self, grove: Grove, tree: Tree) -> None:
        at = tree.lane.next_index
        try:
            tree.lane.append(self._leaves(tree.name, at, min(tree.target, at + _PAGE)))
        except IntegrityError as error:
            self._leave_alone(grove, tree.name, error, tree.lane.published_size)

    def _leaves(self, tree: str, start: int, stop: int) -> Sequence[bytes]:
        with reading(self._engine) as connection:
            return TreeRepo(connection, self._node).leaves(tree, start, stop)

    # --- what is safe, and how it stands -------------------------------------------------------------

    def _follow(self, lane: str) -> None:
        """Follow a spool lane from what the database knows of it."""
        with reading(self._engine) as connection:
            repo = TreeRepo(connection, self._node)
            if repo.is_anything_unplaced():
                return  # placed in one of the next rounds
            given = {state.name: state.next_idx for state in repo.trees()}
            last_n = repo.last_n(lane)
        self._reach.begin(lane, given, last_n)

    def _figure(self, now_us: int) -> None:
        if not self._pace.is_due(self._figured_us, self._pace.publish_us, now_us):
            return
        self._figured_us = now_us
        self._watch.ledger(
            Figures(
                checkpoint_age_seconds=max(0, now_us - self._spoke_us) / 1e6,
                leaves_waiting=(self._grove.waiting if self._grove else 0) + self._dropped,
                trees=len(self._grove.trees) if self._grove else 0,
            )
        )
