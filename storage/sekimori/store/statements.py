"""What the archivist itself says in its tree of what it stored: one ``stored`` statement a batch and lane.

Its envelope names the lane, the first entry's number there, and for each entry the hash of what lies in the
database. It is written in the transaction that stores the entries, at the place it gets in the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sekimori.errors import StateError
from sekimori.ledger.envelope import VERSION, encode_envelope
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.placing import Place

STORED = "stored"
MOST_ENTRIES = 512
"""So many hashes fit into an envelope, which holds at most 65,535 bytes."""


def stored_statement(
    place: Place, lane: str, first_n: int, hashes: Sequence[bytes], *, now_us: int, signing: LeafSigner
) -> dict[str, Any]:
    """Return the row of the statement that these entries of a lane, one after the other, are stored."""
    envelope = encode_envelope(
        {
            "ct": [stored.hex() for stored in hashes],
            "first": first_n,
            "k": STORED,
            "lane": place.tree,
            "n": place.first,
            "of": lane,
            "t": now_us,
            "v": VERSION,
        }
    )
    return {
        "id": f"{place.tree}/{place.first}",
        "tree": place.tree,
        "idx": place.first,
        "kind": STORED,
        "time_us": now_us,
        "envelope": envelope,
        "leaf": signing.sign(envelope),
    }


def required(signing: LeafSigner | None) -> LeafSigner:
    """Return the signer of whoever must have one."""
    if signing is None:
        raise StateError("Nobody here can sign what the archivist says.")
    return signing
