"""A ledger to experiment with: a real database, rows that stand for entries, a tree keeper over them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from sekimori.ledger.tlog.audit import TreeAudit
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint
from sekimori.ledger.tlog.disk import LocalTree
from sekimori.ledger.tlog.keys import KeySigner
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.tlog.lockstore import SqliteLockStore
from sekimori.ledger.tlog.note import NoteSignature
from sekimori.ledger.tlog.seams import Cosign, TreeFiles, no_witness
from sekimori.ledger.tlog.shelf import Shelf
from sekimori.store.bulk import insert_rows
from sekimori.store.engine import reading, writing
from sekimori.store.grove import Pace
from sekimori.store.lanes import LaneRepo
from sekimori.store.logkeys import LogKeys
from sekimori.store.placing import Place
from sekimori.store.postgres import Parts
from sekimori.store.tables import ENTRY, STATEMENT, TREE
from sekimori.store.trees import Figures, TreeKeeper
from sekimori.vault.content import ContentCipher
from support.tlog import MemoryLocks

START_US = 1_795_204_800_000_000
STORE_KEY = bytes(range(32))
GATE = LeafSigner(KeySigner(bytes(range(32, 64))))
ARCHIVE = LeafSigner(KeySigner(bytes(range(64, 96))))
LANE = "w0-abc"


class Clock:
    """A clock that is set by hand."""

    def __init__(self, at_us: int = START_US) -> None:
        self.at_us = at_us

    def __call__(self) -> int:
        return self.at_us

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at_us += int(seconds * 1_000_000)


class Heard:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.alarms: list[str] = []
        self.figures = Figures()

    def alarm(self, sentence: str) -> None:
        self.alarms.append(sentence)

    def ledger(self, figures: Figures) -> None:
        self.figures = figures


class Bench:
    """One node's ledger; ``keeper`` is replaced by ``restart``, as by a process that starts again."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        *,
        keys: Path,
        locks: SqliteLockStore | MemoryLocks,
        files: TreeFiles | None = None,
        cosign: Cosign = no_witness,
        enough: bool = False,
        node: str = "1",
        pace: Pace | None = None,
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.keys = LogKeys(keys)
        self.locks = locks
        self.files = files
        self.cosign = cosign
        self.enough = enough
        self.node = node
        self.pace = pace or Pace()
        self.clock = Clock()
        self.heard = Heard()
        self.cipher = ContentCipher(STORE_KEY)
        self.stored: dict[str, int] = {}
        self.keeper = self.new_keeper()

    def new_keeper(self) -> TreeKeeper:
        """Return a keeper that remembers nothing."""
        return TreeKeeper(
            self.engine,
            folder=self.folder,
            logs=self.keys.folder,
            locks=self.locks,
            signing=ARCHIVE,
            cipher=self.cipher,
            clock=self.clock,
            watch=self.heard,
            cosign=self.cosign,
            enough=_any if self.enough else None,
            node=self.node,
            files=self.files,
            pace=self.pace,
        )

    def restart(self) -> None:
        """Let go of everything and start again."""
        self.keeper.close()
        self.keeper = self.new_keeper()

    def store(self, count: int, *, lane: str = LANE, offered: bool = True) -> Place:
        """Store entries as the archivist does: in one transaction, and then offer them."""
        first = self.stored.get(lane, 0) + 1
        Parts(self.engine).ready([self.clock()])
        with writing(self.engine) as connection:
            LaneRepo(connection, self.cipher).open(lane, self.clock(), node=self.node)
            place = self.keeper.place(connection, lane, count)
            rows = [self.row(lane, first + n, place.tree, place.first + n) for n in range(count)]
            insert_rows(connection, ENTRY, rows)
        self.stored[lane] = first + count - 1
        if offered:
            self.keeper.offer(place, [row["leaf"] for row in rows], lane=lane, last_n=self.stored[lane])
        return place

    def left(self, count: int, *, lane: str = "readings-1") -> None:
        """Store entries as another process does, which gives no places."""
        first = self.stored.get(lane, 0) + 1
        Parts(self.engine).ready([self.clock()])
        with writing(self.engine) as connection:
            LaneRepo(connection, self.cipher).open(lane, self.clock())
            insert_rows(connection, ENTRY, [self.row(lane, first + n, "", None) for n in range(count)])
        self.stored[lane] = first + count - 1

    def row(self, lane: str, n: int, tree: str, idx: int | None) -> dict[str, Any]:
        """Return a row whose leaf tells it from every other."""
        envelope = f'{{"k":"intent","lane":"{lane}","n":{n},"v":1}}'.encode()
        return {
            "lane": lane,
            "n": n,
            "rid": f"{lane}/{n}",
            "kind": "intent",
            "time_us": self.clock(),
            "sealed": b"",
            "envelope": envelope,
            "leaf": GATE.sign(envelope),
            "tree": tree,
            "idx": idx,
        }

    def settle(self, seconds: float = 1.1, rounds: int = 4) -> None:
        """Let the keeper work until all is published."""
        for _ in range(rounds):
            self.clock.sleep(seconds)
            while self.keeper.step():
                pass

    def tree(self, name: str) -> tuple[bytes, ...]:
        """Return the published leaves of a tree."""
        return published_leaves(self.folder, self.keys, name, self.files)

    def super_log(self, name: str = "super") -> list[bytes]:
        """Return the published envelopes of the super-log."""
        size = len(self.tree(name))
        return list(Shelf(self.folder / name, self.files or LocalTree()).envelopes(size, 0, size))

    def placed(self, name: str) -> tuple[bytes, ...]:
        """Return the leaves that the database has placed in a tree."""
        return placed_leaves(self.engine, name)

    def trees(self) -> list[str]:
        """Return the names of all trees in the database."""
        with reading(self.engine) as connection:
            return list(connection.execute(select(TREE.c.name).order_by(TREE.c.name)).scalars())

    def check(self) -> None:
        """Every row stands in its tree, at its place, once; nothing else does."""
        for name in self.trees():
            assert self.tree(name) == self.placed(name), name

    def close(self) -> None:
        """Let go of everything but the database."""
        self.keeper.close()
        if isinstance(self.locks, SqliteLockStore):
            self.locks.close()


def published_leaves(
    ledger: Path, keys: LogKeys, name: str, files: TreeFiles | None = None
) -> tuple[bytes, ...]:
    """Return the leaves of a tree, every file of it checked against its signed checkpoint."""
    signer = keys.find(name)
    assert signer is not None
    shelf = Shelf(ledger / name, files or LocalTree())
    checkpoint = open_checkpoint(shelf.get("checkpoint"), log_verifier(signer.public)).checkpoint
    audit = TreeAudit(checkpoint.size, checkpoint.root, shelf.tile)
    leaves = tuple(leaf for _, leaf in audit.leaves())
    assert audit.faults == []
    return leaves


def placed_leaves(engine: Engine, name: str) -> tuple[bytes, ...]:
    """Return the leaves that the database has placed in a tree: from 0 on, each place once."""
    found: list[tuple[int, bytes]] = []
    with reading(engine) as connection:
        for table in (ENTRY, STATEMENT):
            query = select(table.c.idx, table.c.leaf).where(table.c.tree == name)
            found += [(row.idx, row.leaf) for row in connection.execute(query)]
    assert [idx for idx, _ in sorted(found)] == list(range(len(found)))
    return tuple(leaf for _, leaf in sorted(found))


def _any(signatures: Sequence[NoteSignature]) -> bool:
    return bool(signatures)


def dice(seed: int) -> random.Random:
    """Return chance that can be repeated."""
    return random.Random(seed)
