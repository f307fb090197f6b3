"""Which leaves of a batch the archivist checks before it stores them."""

from __future__ import annotations

import pytest

from sekimori.errors import IntegrityError
from sekimori.ledger.lanes import Position
from sekimori.ledger.tlog.keys import KeySigner, known_writers
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.ledger.walk import Item
from sekimori.store.signed import EVERY, expect_signed
from support.evidence import asked

GATE, EVIL = KeySigner(bytes(range(32))), KeySigner(bytes(range(1, 33)))
WRITERS = known_writers([GATE.public])


def batch(
    count: int, *, forged: range = range(0), per_segment: int = 200, leaf: bytes | None = None
) -> list[Item]:
    """Return entries of which some were signed by the attacker."""
    found = []
    for n in range(count):
        envelope = str(n).encode()
        signer = LeafSigner(EVIL if n in forged else GATE)
        position = Position(1 + n // per_segment, 1, n, n + 1)
        signed = signer.sign(envelope) if leaf is None else leaf
        found.append(Item(position, n + 1, asked("r"), envelope, signed))
    return found


def never(count: int) -> int:
    """Draw what is looked at in any case."""
    return 0


@pytest.mark.req("MOU-2-7", "MOU-2-8")
@pytest.mark.parametrize(
    ("forged", "entry"),
    [
        pytest.param(range(500), 1, id="a whole lane"),
        pytest.param(range(200, 400), 201, id="one segment among the gate's"),
        pytest.param(range(499, 500), 500, id="the last"),
    ],
)
def test_a_segment_that_the_gate_did_not_write_is_refused(forged, entry):
    with pytest.raises(IntegrityError, match=f"Entry {entry} of lane w1-1 was signed by nobody who may"):
        expect_signed("w1-1", batch(500, forged=forged), WRITERS, never)


def test_a_single_leaf_is_found_when_it_is_drawn():
    items = batch(130, forged=range(70, 71))
    expect_signed("w1-1", items, WRITERS, never)
    with pytest.raises(IntegrityError, match="Entry 71"):
        expect_signed("w1-1", items, WRITERS, lambda count: min(count - 1, 70 - EVERY))


def test_a_batch_costs_a_handful_of_signatures():
    asked_for = []

    class Counting(dict):  # type: ignore[type-arg]
        def get(self, key, default=None):
            asked_for.append(key)
            return super().get(key, default)

    expect_signed("w1-1", batch(512), Counting(WRITERS), never)
    assert len(asked_for) == 512 // EVERY + 3  # the first of two more segments, and the last


def test_what_an_older_release_wrote_has_no_leaf_to_check():
    expect_signed("w1-1", batch(3, leaf=b""), WRITERS, never)
