"""Whether the writer of a spool lane holds a key that this installation knows, asked when its entries are stored.

Checking every leaf would take half of the archivist's core (one takes some 100 us, an entry 120). It need not: all
frames of a segment are sealed under one key, which its writer drew and the archivist alone can open, so they
are one writer's. Of each segment that a batch touches the first leaf is checked, of the batch its last, and of the
others one in ``EVERY``, drawn at random: that is for a writer who turned, since an outsider has no first leaf.
``verify --signatures`` checks all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.leaf import check_leaf
from sekimori.ledger.walk import Item

EVERY = 64
"""Of how many leaves one is checked beside the first of a segment and the last of a batch."""


def expect_signed(
    lane: str,
    batch: Sequence[Item],
    writers: Mapping[bytes, PublicKey],
    pick: Callable[[int], int],
) -> None:
    """Raise IntegrityError unless what is looked at was signed by a known writer; ``pick(n)`` draws from 0 to n-1."""
    for at in _looked_at(batch, pick):
        item = batch[at]
        if not item.leaf:
            continue  # from a release before leaves; the caller knows whether that may be
        try:
            check_leaf(item.leaf, writers)
        except IntegrityError as error:
            raise IntegrityError(
                f"Entry {item.n} of lane {lane} was signed by nobody who may write here: {error.message}",
                hint="Find out who wrote it; a gate of this installation signs with its own key.",
            ) from error


def _looked_at(batch: Sequence[Item], pick: Callable[[int], int]) -> list[int]:
    segments = [item.position.segment for item in batch]
    firsts = [at for at, segment in enumerate(segments) if at == 0 or segment != segments[at - 1]]
    drawn = [start + pick(EVERY) for start in range(0, len(batch), EVERY)]
    return sorted({*firsts, *(at for at in drawn if at < len(batch)), len(batch) - 1})
