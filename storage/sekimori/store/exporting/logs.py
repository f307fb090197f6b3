"""One published log as it is handed out: the checkpoint of one moment, its files, and proofs under it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.envelope import Value, decode_envelope
from sekimori.ledger.tlog.checkpoint import Opened, log_verifier, open_checkpoint
from sekimori.ledger.tlog.keys import key_hash, ssh_line
from sekimori.ledger.tlog.leaf import is_leaf_of
from sekimori.ledger.tlog.merkle import check_inclusion, inclusion_path, leaf_hash
from sekimori.ledger.tlog.proof import Proof, make_proof
from sekimori.ledger.tlog.shelf import CHECKPOINT, PUBLIC, VKEY, Shelf, envelope_path, read_edge
from sekimori.ledger.tlog.tiles import WIDTH, TileNodes, bundles_of, pack_bundle, tiles_of
from sekimori.ledger.tlog.trust import Group, Trust
from sekimori.store.verifying.memories import Outside

_QUORUM = "quorum-rule"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf with its envelope, at its place."""

    index: int
    leaf: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Word:
    """What a super-log said last of a tree: the leaf, and the tree's checkpoint in it."""

    log: str
    index: int
    note: bytes

    @property
    def name(self) -> str:
        """Where its envelope and proof lie in an export."""
        return f"{self.log}/{self.index}"


@dataclass(frozen=True, slots=True)
class Log:
    """A log at one checkpoint; ``data`` is that checkpoint, byte for byte."""

    name: str
    public: bytes
    shelf: Shelf
    data: bytes
    opened: Opened
    nodes: TileNodes = field(compare=False)

    @property
    def size(self) -> int:
        """How many leaves the checkpoint covers."""
        return self.opened.checkpoint.size

    def prove(self, leaf: Leaf, trust: Trust) -> Proof:
        """Return the proof of a leaf; raises IntegrityError where leaf, envelope and files don't fit."""
        if not is_leaf_of(leaf.leaf, leaf.envelope):
            raise IntegrityError(f"Leaf {leaf.index} of the tree {self.name} is not that of its envelope.")
        path = inclusion_path(leaf.index, self.size, self.nodes)
        check_inclusion(leaf_hash(leaf.leaf), leaf.index, self.size, path, self.opened.checkpoint.root)
        return make_proof(leaf.leaf, leaf.index, path, self.opened, list(trust.witnesses.values()))

    def as_told(self, note: bytes) -> Log:
        """Return the log as a super-log told of it; as it is where that is no checkpoint of this very tree.

        Published checkpoints may be ahead of what witnesses saw through the super-log.
        """
        opened = open_checkpoint(note, self.opened.log.verifier)
        size = opened.checkpoint.size
        if (
            not 0 < size <= self.size
            or read_edge(self.shelf, size).frontier().root() != opened.checkpoint.root
        ):
            return self
        return Log(self.name, self.public, self.shelf, note, opened, self.shelf.nodes(size))

    def files(self, *, envelopes: bool) -> Iterator[tuple[str, bytes]]:
        """Yield every file of the log as it is at this checkpoint; a super-log has its ``envelopes``, too."""
        yield CHECKPOINT, self.data
        yield VKEY, f"{self.opened.log.verifier.vkey}\n".encode()
        yield PUBLIC, ssh_line(self.public).encode()
        for tile in (*tiles_of(self.size), *bundles_of(self.size)):
            yield tile.path, self.shelf.tile(tile)
        if envelopes:
            for tile in bundles_of(self.size):
                start = tile.index * WIDTH
                kept = self.shelf.envelopes(self.size, start, start + tile.width)
                yield envelope_path(tile), pack_bundle(kept)

    def own_leaves(self) -> Iterator[Leaf]:
        """Yield the leaves of a log that keeps its own envelopes."""
        for tile in bundles_of(self.size):
            start = tile.index * WIDTH
            stop = start + tile.width
            leaves = self.shelf.leaves(self.size, start, stop)
            envelopes = self.shelf.envelopes(self.size, start, stop)
            for index, (leaf, envelope) in enumerate(zip(leaves, envelopes, strict=True), start):
                yield Leaf(index, leaf, envelope)


def open_log(outside: Outside, name: str) -> Log | None:
    """Read a log as it is published now; None where it has published nothing yet."""
    public = outside.logs.get(name)
    if public is None:
        raise StateError(f"The key of the log {name} is not among the keys of this machine.")
    shelf = outside.shelf(name)
    try:
        data = shelf.files.read(shelf.folder / CHECKPOINT)
    except FileNotFoundError:
        return None
    opened = open_checkpoint(data, log_verifier(public), outside.witnesses)
    return Log(name, public, shelf, data, opened, shelf.nodes(opened.checkpoint.size))


@dataclass(slots=True)
class Heard:
    """What a super-log says of the trees: the newest word on each, and which were given up for which others."""

    words: dict[str, Word] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)

    def listen(self, super_log: Log) -> None:
        """Add what one super-log says."""
        for leaf in super_log.own_leaves():
            fields: dict[str, Value] = decode_envelope(leaf.envelope)
            of = str(fields.get("of"))
            if fields["k"] in ("checkpoint", "close"):
                self.words[of] = Word(super_log.name, leaf.index, str(fields["note"]).encode())
            elif fields["k"] == "abandon":
                self.given_up[of] = str(fields.get("next"))


def trust_in(logs: Sequence[Log], witnesses: dict[str, bytes], needed: int) -> Trust:
    """Return the policy under which proofs of these logs are checked.

    Witnesses stand in it where all of the logs carry what the quorum asks for; else each of their lines would
    be one that says nothing.
    """
    keys = tuple(log.public for log in logs)
    asked = Trust(keys, witnesses, *_quorum(witnesses, needed)) if witnesses else Trust(keys)
    for log in logs:
        cosigners = {key_hash(one.verifier.key.raw) for one in log.opened.witnesses}
        if not asked.is_quorum(cosigners):
            return Trust(keys)
    return asked


def _quorum(witnesses: dict[str, bytes], needed: int) -> tuple[dict[str, Group], str]:
    names = tuple(witnesses)
    if len(names) == 1:
        return {}, names[0]
    return {_QUORUM: Group(needed, names)}, _QUORUM
