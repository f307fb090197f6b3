"""What others saw of a record: the super-log's word on each of its trees, under a checkpoint that they remember.

Witnesses cosign the super-log, and authorities stamp it. Its word on a tree holds that tree's checkpoint; so a
record's proof under that very checkpoint, and the word's under the one that was cosigned or stamped, together say
that the record was there when they saw it. Of the stamps the oldest that covers the record is taken: it says most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import Value, decode_envelope
from sekimori.ledger.outside.timestamps import DATA_SUFFIX, SUFFIX
from sekimori.ledger.tlog.checkpoint import open_checkpoint
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.ledger.tlog.trust import Trust
from sekimori.store.exporting.exported import Stamps
from sekimori.store.exporting.logs import Leaf, Log, open_log
from sekimori.store.verifying.memories import Outside, is_super

WORDS = ("checkpoint", "close")
"""Kinds of leaves in which a super-log says how far a tree got."""


@dataclass(frozen=True, slots=True)
class Proven:
    """One leaf, its envelope and its proof."""

    tree: str
    index: int
    envelope: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """A tree at the checkpoint that a super-log told of, and the leaf that tells it."""

    tree: Log
    word: Leaf


@dataclass(frozen=True, slots=True)
class Anchor:
    """One checkpoint of a super-log that others know, and what it says of a record's trees, by tree."""

    over: Log
    told: Mapping[str, Told]

    def word(self, tree: str, trust: Trust) -> Proven:
        """Prove the word on a tree."""
        leaf = self.told[tree].word
        return Proven(self.over.name, leaf.index, leaf.envelope, self.over.prove(leaf, trust).pack())

    def leaf(self, tree: str, leaf: Leaf, trust: Trust) -> Proven:
        """Prove a leaf of the record under the checkpoint that the word holds."""
        return Proven(tree, leaf.index, leaf.envelope, self.told[tree].tree.prove(leaf, trust).pack())


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp, what it stamps, and the CA that it is checked under; ``made`` is its day and time as it is named."""

    authority: str
    made: tuple[str, str]
    data: bytes = field(repr=False)
    stamp: bytes = field(repr=False)
    ca: bytes = field(repr=False)
    anchor: Anchor


def supers(outside: Outside) -> list[Log]:
    """Read the super-logs that have published something, the newest first."""
    names = [name for name in outside.logs if is_super(name)]
    names.sort(key=lambda name: (len(name), name), reverse=True)
    return [log for name in names if (log := open_log(outside, name)) is not None]


def anchor_in(over: Log, trees: Mapping[str, Log], needed: Mapping[str, int], size: int = 0) -> Anchor | None:
    """Find the newest words, among the first ``size`` leaves, that cover so many leaves of these trees.

    None where one of them is not covered: what is told of a tree only grows, so the newest word says it.
    """
    told: dict[str, Told] = {}
    for leaf, fields in said_of_trees(over, size or over.size):
        of = str(fields.get("of"))
        if fields["k"] not in WORDS or of not in needed or of in told:
            continue
        note = str(fields["note"]).encode()
        tree = trees[of].as_told(note)
        if tree.data != note or tree.size < needed[of]:
            return None
        told[of] = Told(tree, leaf)
        if len(told) == len(needed):
            return Anchor(over, told)
    return None


def oldest_stamp(
    stamps: Stamps, over: Log, trees: Mapping[str, Log], needed: Mapping[str, int]
) -> Stamp | None:
    """Find the oldest stamp of an authority that covers the record; None where it stamped none that does."""
    points = _stamped(stamps.folder, over)

    def covers(point: tuple[int, Path]) -> bool:
        return anchor_in(over, trees, needed, point[0]) is not None

    at = bisect_left(points, True, key=covers)
    if at == len(points):
        return None
    size, path = points[at]
    data = path.with_suffix(DATA_SUFFIX).read_bytes()
    anchor = anchor_in(over, trees, needed, size)
    then = over.as_told(data)
    if anchor is None or then.data != data:
        return None
    made = path.parent.name, path.stem.partition("-")[0]
    ca = stamps.ca_file.read_bytes()
    return Stamp(stamps.name, made, data, path.read_bytes(), ca, Anchor(then, anchor.told))


def _stamped(folder: Path, over: Log) -> list[tuple[int, Path]]:
    """Return the stamps of this log by the size that they stamp."""
    found = []
    for path in folder.glob(f"*/*{SUFFIX}"):
        try:
            data = path.with_suffix(DATA_SUFFIX).read_bytes()
            size = open_checkpoint(data, over.opened.log.verifier).checkpoint.size
        except (OSError, IntegrityError):
            continue  # of a super-log that was given up, or what it stamps is gone
        if 0 < size <= over.size:
            found.append((size, path))
    return sorted(found)


def said_of_trees(over: Log, stop: int) -> Iterator[tuple[Leaf, dict[str, Value]]]:
    """Yield the first ``stop`` leaves of a super-log with what their envelopes say, the newest first."""
    while stop:
        start = (stop - 1) // WIDTH * WIDTH
        leaves = over.shelf.leaves(over.size, start, stop)
        envelopes = over.shelf.envelopes(over.size, start, stop)
        for index in range(stop - 1, start - 1, -1):
            envelope = envelopes[index - start]
            yield Leaf(index, leaves[index - start], envelope), decode_envelope(envelope)
        stop = start


def needed_of(leaves: Sequence[tuple[str, Leaf]]) -> dict[str, int]:
    """Say how many leaves of each tree must be covered."""
    needed: dict[str, int] = {}
    for tree, leaf in leaves:
        needed[tree] = max(needed.get(tree, 0), leaf.index + 1)
    return needed
