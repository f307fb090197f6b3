"""The super-log: every leaf from its files, and what it says of the trees, of erasures and of retention.

Its envelopes lie in its own folder, not in the database. It is read before the database: whatever it says of
a tree, the database has already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import decode_envelope
from sekimori.ledger.tlog.audit import TreeAudit
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, parse_checkpoint
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.leaf import check_leaf, is_leaf_of
from sekimori.ledger.tlog.note import parse_note
from sekimori.ledger.tlog.shelf import Shelf
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.store.verifying.faults import Fault
from sekimori.store.verifying.memories import Memory
from sekimori.store.verifying.trees import Claim


@dataclass(slots=True)
class SuperFound:
    """What the super-log says: trees that were opened and how far they got, and what else it states."""

    size: int = 0
    opened: dict[str, bytes] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    abandoned: set[str] = field(default_factory=set)
    notes: dict[str, dict[int, bytes]] = field(default_factory=dict)
    stated: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def merge(self, other: SuperFound) -> None:
        """Add what another super-log says, which goes on where this one was given up."""
        self.size += other.size
        self.opened.update(other.opened)
        self.ended |= other.ended
        self.abandoned |= other.abandoned
        for tree, notes in other.notes.items():
            self.notes.setdefault(tree, {}).update(notes)
        self.stated += other.stated

    def claims(self, tree: str) -> Iterator[Claim]:
        """Yield what was said of a tree, each size once."""
        for size, root in self.notes.get(tree, {}).items():
            yield Claim(size, root, "the super-log")


def check_super_log(
    shelf: Shelf, memory: Memory, *, writers: Mapping[bytes, PublicKey] | None = None
) -> SuperFound:
    """Check all of the super-log that is published; with ``writers`` the signatures in it, too."""
    return _Reader(shelf, memory, writers).run()


class _Reader:
    def __init__(self, shelf: Shelf, memory: Memory, writers: Mapping[bytes, PublicKey] | None) -> None:
        self._shelf = shelf
        self._memory = memory
        self._writers = writers
        self._found = SuperFound(size=memory.size)

    def run(self) -> SuperFound:
        """Read leaf by leaf."""
        if self._memory.fault:
            self._fault("checkpoint", self._memory.fault)
        if self._memory.published is None:
            return self._found
        checkpoint = self._memory.published.checkpoint
        audit = TreeAudit(checkpoint.size, checkpoint.root, self._shelf.tile)
        envelopes: tuple[bytes, ...] = ()
        for index, leaf in audit.leaves():
            if index % WIDTH == 0 or not envelopes:
                envelopes = self._envelopes(index // WIDTH * WIDTH, checkpoint.size)
            self._leaf(index, leaf, envelopes[index % WIDTH] if index % WIDTH < len(envelopes) else b"")
        for fault in audit.faults:
            self._fault(fault.path if fault.leaf is None else fault.leaf, fault.what)
        return self._found

    def _envelopes(self, start: int, size: int) -> tuple[bytes, ...]:
        try:
            return self._shelf.envelopes(size, start, min(start + WIDTH, size))
        except IntegrityError as error:
            self._fault(start, error.message)
            return ()

    def _leaf(self, index: int, leaf: bytes, envelope: bytes) -> None:
        if not is_leaf_of(leaf, envelope):
            self._fault(index, "the leaf speaks of another envelope")
            return
        try:
            if self._writers is not None:
                check_leaf(leaf, self._writers)
            fields: dict[str, Any] = dict(decode_envelope(envelope))
            if (fields.get("lane"), fields.get("n")) != (self._memory.name, index):
                raise IntegrityError("its envelope stands at another place than it says")
            self._take(fields)
        except (IntegrityError, KeyError, ValueError, AttributeError, TypeError) as error:
            self._fault(index, error.message if isinstance(error, IntegrityError) else "it makes no sense")

    def _take(self, fields: dict[str, Any]) -> None:
        found, kind = self._found, fields["k"]
        match kind:
            case "open":
                found.opened[fields["of"]] = bytes.fromhex(fields["key"])
            case "checkpoint" | "close":
                self._note(fields["of"], fields["note"].encode())
                if kind == "close":
                    found.ended.add(fields["of"])
            case "abandon":
                found.abandoned.add(fields["of"])
            case _:
                found.stated.append(fields)

    def _note(self, tree: str, note: bytes) -> None:
        public = self._found.opened.get(tree)
        if public is None:
            raise IntegrityError(f"it speaks of the tree {tree}, which was never opened")
        if self._writers is not None:
            checkpoint = open_checkpoint(note, log_verifier(public)).checkpoint
        else:
            checkpoint = parse_checkpoint(parse_note(note).text)
        known = self._found.notes.setdefault(tree, {}).setdefault(checkpoint.size, checkpoint.root)
        if known != checkpoint.root:
            raise IntegrityError(f"the tree {tree} had two roots for {checkpoint.size} leaves")

    def _fault(self, where: int | str, detail: str) -> None:
        self._found.faults.append(Fault("tree", f"{self._memory.name}/{where}", "altered", detail))
