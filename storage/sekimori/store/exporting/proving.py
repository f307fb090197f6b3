"""The proofs of one record: under the checkpoints that the super-log tells of, else under those published now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from sekimori.errors import UsageError
from sekimori.ledger.tlog.trust import Trust
from sekimori.store.exporting.anchoring import (
    Anchor,
    Proven,
    Stamp,
    anchor_in,
    needed_of,
    oldest_stamp,
    supers,
)
from sekimori.store.exporting.export import no_leaf
from sekimori.store.exporting.exported import Auditing
from sekimori.store.exporting.logs import Leaf, Log, open_log, trust_in
from sekimori.store.exporting.rows import is_record, record_leaves
from sekimori.store.verifying.memories import Outside


@dataclass(frozen=True, slots=True)
class Stamped:
    """What a time-stamping authority's stamp says of a record: the proofs that lead to what was stamped."""

    stamp: Stamp
    policy: bytes
    words: Mapping[str, Proven]
    leaves: tuple[Proven, ...]


@dataclass(frozen=True, slots=True)
class Proofs:
    """All leaves of a record, and the policy under which their proofs are checked.

    ``words`` are the super-log's on each of their trees, under ``over``, the policy with the witnesses;
    ``checkpoints`` what they hold. All three are empty while the super-log has not told that far.
    """

    leaves: tuple[Proven, ...]
    policy: bytes
    words: Mapping[str, Proven] = field(default_factory=dict)
    over: bytes = b""
    checkpoints: Mapping[str, bytes] = field(default_factory=dict)
    witnesses: tuple[str, ...] = ()
    stamped: tuple[Stamped, ...] = ()


def prove(connection: Connection, outside: Outside, auditing: Auditing, rid: str) -> Proofs:
    """Return the proofs of a record; raises UsageError where it has no leaf, or not one that is here."""
    found = record_leaves(connection, rid)
    if not found:
        raise no_leaf(rid, known=is_record(connection, rid))
    tellers = supers(outside)  # before the trees: what is told of one, that one has
    logs = {tree: _log(outside, tree, leaf, rid) for tree, leaf in found}
    for tree, leaf in found:
        if leaf.index >= logs[tree].size:
            raise UsageError(
                f"No published checkpoint covers leaf {leaf.index} of the tree {tree} yet.",
                hint="Wait a second and ask again; sekimori ledger status shows how the trees stand.",
            )
    needed = needed_of(found)
    for over in tellers:
        anchor = anchor_in(over, logs, needed)
        if anchor is not None:
            return _anchored(anchor, found, logs, needed, auditing)
    trust = trust_in(list(logs.values()), auditing.witnesses, auditing.needed)
    leaves = (
        Proven(tree, leaf.index, leaf.envelope, logs[tree].prove(leaf, trust).pack()) for tree, leaf in found
    )
    return Proofs(tuple(leaves), trust.pack())


def _anchored(
    anchor: Anchor,
    found: Sequence[tuple[str, Leaf]],
    logs: Mapping[str, Log],
    needed: Mapping[str, int],
    auditing: Auditing,
) -> Proofs:
    told = anchor.told
    trust = trust_in([one.tree for one in told.values()], auditing.witnesses, auditing.needed)
    over = trust_in([anchor.over], auditing.witnesses, auditing.needed)
    stamps = (oldest_stamp(one, anchor.over, logs, needed) for one in auditing.stamps)
    return Proofs(
        leaves=tuple(anchor.leaf(tree, leaf, trust) for tree, leaf in found),
        policy=trust.pack(),
        words={tree: anchor.word(tree, over) for tree in sorted(told)},
        over=over.pack(),
        checkpoints={tree: told[tree].tree.data for tree in sorted(told)},
        witnesses=tuple(over.witnesses),
        stamped=tuple(_stamped(stamp, found) for stamp in stamps if stamp is not None),
    )


def _stamped(stamp: Stamp, found: Sequence[tuple[str, Leaf]]) -> Stamped:
    anchor = stamp.anchor
    trust = Trust((anchor.over.public, *(one.tree.public for one in anchor.told.values())))
    return Stamped(
        stamp,
        trust.pack(),
        {tree: anchor.word(tree, trust) for tree in sorted(anchor.told)},
        tuple(anchor.leaf(tree, leaf, trust) for tree, leaf in found),
    )


def _log(outside: Outside, tree: str, leaf: Leaf, rid: str) -> Log:
    log = open_log(outside, tree) if tree in outside.logs else None
    if log is None:
        raise UsageError(
            f"Leaf {leaf.index} of the tree {tree}, where record {rid} stands, is not published here.",
            hint="Ask on the machine whose gate wrote it, or wait a second.",
        )
    return log
