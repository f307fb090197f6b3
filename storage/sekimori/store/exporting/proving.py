"""The proofs of one record, under the checkpoints that are published now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from sekimori.errors import UsageError
from sekimori.ledger.tlog.trust import Trust
from sekimori.store.exporting.export import no_leaf
from sekimori.store.exporting.exported import Auditing
from sekimori.store.exporting.logs import Leaf, Log, open_log, trust_in
from sekimori.store.exporting.rows import is_record, record_leaves
from sekimori.store.verifying.memories import Outside


@dataclass(frozen=True, slots=True)
class Proven:
    """One leaf of a record, its envelope and its proof."""

    tree: str
    index: int
    envelope: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Proofs:
    """All leaves of a record, and the policy under which their proofs are checked."""

    leaves: tuple[Proven, ...]
    policy: bytes


def prove(connection: Connection, outside: Outside, auditing: Auditing, rid: str) -> Proofs:
    """Return the proofs of a record; raises UsageError where it has no leaf, or not one that is here."""
    found = record_leaves(connection, rid)
    if not found:
        raise no_leaf(rid, known=is_record(connection, rid))
    logs = {tree: _log(outside, tree, leaf, rid) for tree, leaf in found}
    for tree, leaf in found:
        if leaf.index >= logs[tree].size:
            raise UsageError(
                f"No published checkpoint covers leaf {leaf.index} of the tree {tree} yet.",
                hint="Wait a second and ask again; sekimori ledger status shows how the trees stand.",
            )
    trust: Trust = trust_in(list(logs.values()), auditing.witnesses, auditing.needed)
    leaves = (
        Proven(tree, leaf.index, leaf.envelope, logs[tree].prove(leaf, trust).pack()) for tree, leaf in found
    )
    return Proofs(tuple(leaves), trust.pack())


def _log(outside: Outside, tree: str, leaf: Leaf, rid: str) -> Log:
    log = open_log(outside, tree) if tree in outside.logs else None
    if log is None:
        raise UsageError(
            f"Leaf {leaf.index} of the tree {tree}, where record {rid} stands, is not published here.",
            hint="Ask on the machine whose gate wrote it, or wait a second.",
        )
    return log
