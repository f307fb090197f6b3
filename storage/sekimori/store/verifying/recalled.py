"""What witnesses remember of the super-log, held against what lies here: the older copy that nobody here can see.

They are asked before anything here is read, so what lies here can only be ahead of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint
from sekimori.ledger.tlog.shelf import read_edge
from sekimori.store.verifying.faults import Fault
from sekimori.store.verifying.memories import Memory, Outside, read_memories


@dataclass(frozen=True, slots=True)
class Recalled:
    """The checkpoint that one witness cosigned last, of the log with that name."""

    witness: str
    log: str
    checkpoint: Checkpoint


def contradicted(outside: Outside, recalled: Sequence[Recalled]) -> Iterator[Fault]:
    """Name each log that a witness remembers otherwise."""
    memories = read_memories(outside, supers=True) if recalled else {}
    for one in recalled:
        memory = memories[one.log]
        here = max(memory.size, memory.locked.head.size if memory.locked else 0)
        if one.checkpoint.size > here:
            detail = (
                f"a witness ({one.witness}) remembers {one.checkpoint.size} leaves, here are {here}: "
                "this is an older copy"
            )
            yield Fault("tree", one.log, "missing", detail)
        elif (why := _other_root(outside, memory, one)) is not None:
            yield Fault("tree", one.log, "altered", why)


def _other_root(outside: Outside, memory: Memory, one: Recalled) -> str | None:
    size = one.checkpoint.size
    try:
        root = read_edge(outside.shelf(memory.name), size).frontier().root()
    except (IntegrityError, OSError) as error:
        return f"what a witness ({one.witness}) remembers of {size} leaves can't be compared: {error}"
    if root == one.checkpoint.root:
        return None
    return f"a witness ({one.witness}) remembers another root for {size} leaves: this is another history"
