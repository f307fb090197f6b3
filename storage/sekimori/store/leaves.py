"""Envelopes, leaves and places of one batch: as they came, or as the archivist gives them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from typing import NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from sekimori.ledger.evidence import envelope_of
from sekimori.ledger.record import Entry
from sekimori.ledger.tlog.leaf import LeafSigner
from sekimori.store.placing import Place
from sekimori.store.rows import Row, stored_hash
from sekimori.store.statements import MOST_ENTRIES, stored_statement


class Arrived(NamedTuple):
    """An entry, its number in its lane, and what its writer signed, where it did."""

    n: int
    entry: Entry
    envelope: bytes = b""
    leaf: bytes = b""


class Placed(NamedTuple):
    """Leaves that got their places; ``lane`` and ``last_n`` say of which entries they are."""

    place: Place
    leaves: Sequence[bytes]
    lane: str = ""
    last_n: int = 0


class Placing(Protocol):
    """Whoever gives places away: ``count`` in the tree of a lane, or of the archivist (``""``)."""

    def __call__(self, connection: Connection, lane: str, count: int) -> Place:
        """Return the first place."""
        ...


class Leaves:
    """Gives one transaction's entries what is missing of their evidence, and remembers what was placed."""

    def __init__(
        self, connection: Connection, signing: LeafSigner, placing: Placing | None, now_us: int
    ) -> None:
        self.placed: list[Placed] = []
        self._connection = connection
        self._signing = signing
        self._placing = placing
        self._now_us = now_us

    def evidence(self, lane: str, item: Arrived, key: bytes) -> tuple[bytes, bytes]:
        """Return envelope and leaf as they came, or those that the archivist signs for the entry."""
        if item.leaf:
            return item.envelope, item.leaf
        envelope = envelope_of(msgspec.structs.replace(item.entry, key=key), lane, item.n)
        return envelope, self._signing.sign(envelope)

    def place(self, lane: str, entries: Sequence[Row], contents: Sequence[Row | None]) -> list[Row]:
        """Give the entries' rows their places; return the statements that they are stored.

        Where nobody gives places away they stay without, until an archivist finds them.
        """
        if self._placing is None:
            for row in entries:
                row["tree"], row["idx"] = "", None
            return []
        place = self._placing(self._connection, lane, len(entries))
        for at, row in enumerate(entries, place.first):
            row["tree"], row["idx"] = place.tree, at
        self.placed.append(Placed(place, [row["leaf"] for row in entries], lane, entries[-1]["n"]))
        hashes = [
            stored_hash(row["sealed"], content["sealed"] if content else b"")
            for row, content in zip(entries, contents, strict=True)
        ]
        first_n: int = entries[0]["n"]
        parts = enumerate(batched(hashes, MOST_ENTRIES))
        return [
            self._stored(self._placing, lane, first_n + number * MOST_ENTRIES, some) for number, some in parts
        ]

    def _stored(self, placing: Placing, lane: str, first_n: int, hashes: Sequence[bytes]) -> Row:
        place = placing(self._connection, "", 1)
        row = stored_statement(place, lane, first_n, hashes, now_us=self._now_us, signing=self._signing)
        self.placed.append(Placed(place, [row["leaf"]]))
        return row
