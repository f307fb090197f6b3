"""All trees together: which there are, by the database, by the disk, by the super-log; and what each must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.seams import LaneState
from sekimori.store.placing import parse_name
from sekimori.store.tables import TREE
from sekimori.store.verifying.faults import Fault
from sekimori.store.verifying.memories import (
    Memory,
    Outside,
    expect_lock_store,
    is_super,
    read_memories,
)
from sekimori.store.verifying.superlog import SuperFound, check_super_log
from sekimori.store.verifying.trees import Claim, Resumed, TreeFound, TreeTask
from sekimori.store.verifying.verified import Verified


class Grove:
    """Knows every tree; ``remember`` before the database is read, ``tasks`` within its view, ``take`` after."""

    def __init__(self, outside: Outside | None, node: str, *, signatures: bool) -> None:
        self.faults: list[Fault] = []
        self.abandoned: set[str] = set()
        self.events: set[str] = set()
        self._outside = outside
        self._node = node
        self._signatures = signatures
        self._memories: dict[str, Memory] = {}
        self._super = SuperFound()
        self._trees: dict[str, Any] = {}
        self._found: dict[str, TreeFound] = {}

    def remember(self, writers: Mapping[bytes, PublicKey]) -> None:
        """Read files, lock store and super-log."""
        if self._outside is None:
            return
        expect_lock_store(self._outside)
        # The super-log first: what it heard of a tree, the tree has published.
        self._memories = read_memories(self._outside, supers=True)
        known = writers if self._signatures else None
        for name, memory in sorted(self._memories.items()):
            found = check_super_log(self._outside.shelf(name), memory, writers=known)
            self._super.merge(found)
            self.faults += found.faults
        self.abandoned = self._super.abandoned
        self.events = {one["event"] for one in self._super.stated if isinstance(one.get("event"), str)}
        # Whether one was given up is said by the one that follows it.
        for name in sorted(self._memories.keys() - self.abandoned):
            self._expect_files(name, self._memories[name])
        self._memories |= read_memories(self._outside, supers=False)

    def tasks(self, connection: Connection, since: Verified | None) -> Iterator[TreeTask]:
        """Yield what is to be checked of each tree."""
        rows = connection.execute(select(TREE)).mappings().all()
        # A name of another kind is named already (``shape``); here it could not even be sorted.
        self._trees = {row["name"]: row for row in rows if isinstance(row["name"], str)}
        for name, row in sorted(self._trees.items()):
            self._expect_name(name, row)
            here = self._is_here(row)
            memory = self._memories.get(name)
            begin = since.trees.get(name, Resumed()) if since else Resumed()
            published = _size(memory) if here else None
            claims = tuple(self._claims(name, memory)) if here else ()
            # Of another machine's tree its own super-log says that it was given up; here its row alone does.
            given_up = name in self.abandoned or (not here and row["closed_us"] is not None)
            yield TreeTask(name, published, claims, begin, given_up)
        if self._outside is not None:
            self._compare_names(self._outside)

    def take(self, found: TreeFound) -> None:
        """Remember what was found in a tree."""
        self._found[found.name] = found

    def rows(self) -> Iterator[tuple[str, int, int | None, str, bool]]:
        """Yield name, leaves, published size, root and whether the files are here, of each tree."""
        for name, found in sorted(self._found.items()):
            here = self._is_here(self._trees[name])
            memory = self._memories.get(name)
            yield name, found.leaves, _size(memory) if here else None, found.root.hex(), here

    def elsewhere(self) -> tuple[str, ...]:
        """Name the trees whose files lie on other machines."""
        return tuple(name for name, row in sorted(self._trees.items()) if not self._is_here(row))

    def ended(self) -> dict[str, Resumed]:
        """Say how far each tree was checked."""
        return {name: found.ended for name, found in self._found.items()}

    def _is_here(self, row: Any) -> bool:
        return self._outside is not None and row["node"] == self._node

    def _claims(self, name: str, memory: Memory | None) -> Iterator[Claim]:
        gone_on = name not in self.abandoned
        yield from (claim for claim in self._super.claims(name) if gone_on or claim.size <= _size(memory))
        if memory is None or not gone_on:
            return  # of one that was given up the super-log says what folder and lock store had
        if memory.published:
            yield Claim(memory.size, memory.published.checkpoint.root, "the published checkpoint")
        if memory.locked:
            yield Claim(memory.locked.head.size, memory.locked.head.root, "the lock store")
        self._expect_files(name, memory)

    def _expect_name(self, name: str, row: Any) -> None:
        """Name a tree whose row says another node or kind than its name does."""
        try:
            series = parse_name(name).series
        except IntegrityError as error:
            self.faults.append(Fault("tree", name, "altered", error.message))
            return
        if not f"{series}-".startswith(f"{row['kind']}-{row['node']}-"):
            self.faults.append(
                Fault("tree", name, "altered", "it is of another kind or node than its name says")
            )

    def _expect_files(self, name: str, memory: Memory) -> None:
        """Name a tree whose files are gone or whose checkpoint is not what its memories say."""
        locked = memory.locked
        if memory.fault:
            self.faults.append(Fault("tree", f"{name}/checkpoint", "altered", memory.fault))
        elif memory.published is None and locked is not None and (locked.published or memory.stale):
            detail = f"the lock store remembers {locked.head.size} leaves, nothing is published here"
            self.faults.append(Fault("tree", name, "missing", detail))
        elif locked is None and memory.size:
            self.faults.append(Fault("tree", name, "altered", "the lock store does not know it"))
        elif locked is not None and locked.state != LaneState.ABANDONED and memory.size > locked.head.size:
            detail = f"the lock store remembers {locked.head.size} leaves, {memory.size} are published"
            self.faults.append(Fault("tree", name, "altered", detail))
        elif locked is not None and locked.state != LaneState.ABANDONED and memory.stale:
            detail = f"the lock store remembers {locked.head.size} leaves, which its files lack"
            self.faults.append(Fault("tree", name, "missing", detail))
        for path in memory.keys:
            self.faults.append(
                Fault("tree", f"{name}/{path}", "altered", "it tells another key than the log's")
            )
        self._expect_newest(name, memory)

    def _expect_newest(self, name: str, memory: Memory) -> None:
        """Name a checkpoint that is older than what the super-log heard of it."""
        heard = max(self._super.notes.get(name, {0: b""}))
        if heard > memory.size and not memory.fault:
            detail = f"the super-log heard of {heard} leaves, {memory.size} are published"
            self.faults.append(Fault("tree", f"{name}/checkpoint", "altered", detail))

    def _compare_names(self, outside: Outside) -> None:
        """Hold the names that the database, the disk and the super-log know against each other."""
        ours = {name for name, row in self._trees.items() if self._is_here(row)}
        for name in sorted(set(self._super.opened) - ours):
            self.faults.append(
                Fault("tree", name, "missing", "the super-log opened it, the database has no row")
            )
        for name in sorted(outside.folders - ours - set(self._super.opened)):
            if not is_super(name):
                self.faults.append(Fault("tree", name, "extra", "nobody ever opened it"))
            elif name not in outside.logs:
                self.faults.append(Fault("tree", name, "extra", "no super-log of that name has a key here"))
        for name, public in self._super.opened.items():
            memory = self._memories.get(name)
            if memory is None or memory.public != public:
                self.faults.append(
                    Fault("tree", name, "altered", "its key is not the one that was announced")
                )


def _size(memory: Memory | None) -> int:
    return memory.size if memory else 0
