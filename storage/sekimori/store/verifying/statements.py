"""The leaves of the archivist's own: each has its envelope and its leaf, and what it states is indexed by lane.

What ``stored`` and ``reencrypt`` statements say of the entries of a stretch is read again by whoever walks it:
all of it at once would fill the memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from sekimori.errors import IntegrityError
from sekimori.ledger.envelope import decode_envelope
from sekimori.ledger.tlog.keys import PublicKey
from sekimori.ledger.tlog.leaf import NAMESPACE, is_leaf_of, parse_leaf
from sekimori.store.statements import STORED
from sekimori.store.tables import STATEMENT
from sekimori.store.verifying.authority import Order
from sekimori.store.verifying.faults import Fault

REENCRYPT = "reencrypt"
_AT_ONCE = 500


class _Stored(msgspec.Struct, frozen=True, gc=False):
    """Of the envelope of a statement what it says of entries."""

    first: int = 0
    ct: list[str] = []


_STORED = msgspec.json.Decoder(_Stored)


@dataclass(slots=True)
class Stated:
    """Where the statements about each lane are: first number, last number, the statement's id.

    ``events`` holds kind and time of what was stated of each order.
    """

    by_lane: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    events: dict[str, tuple[str, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def about(self, lane: str, first: int, last: int) -> tuple[str, ...]:
        """Return the statements about some entries, in the order in which they were made."""
        return tuple(id_ for begin, end, id_ in self.by_lane.get(lane, ()) if begin <= last and end >= first)


class StatementCheck:
    """Reads every statement once; ``moved`` names trees that were given up, whose leaves found other places."""

    def __init__(
        self,
        connection: Connection,
        writers: Mapping[bytes, PublicKey],
        *,
        signatures: bool,
        moved: Collection[str] = (),
    ) -> None:
        self._connection = connection
        self._writers = writers
        self._signatures = signatures
        self._moved = moved

    def run(self) -> Stated:
        """Check all of them."""
        found = Stated()
        query = select(STATEMENT).order_by(STATEMENT.c.time_us, STATEMENT.c.tree, STATEMENT.c.idx)
        for row in self._connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            try:
                self._one(row, found)
            except IntegrityError as error:
                found.faults.append(Fault("statement", row.id, "altered", error.message))
        return found

    def _one(self, row: Any, found: Stated) -> None:
        fields: dict[str, Any] = dict(decode_envelope(row.envelope))
        if not is_leaf_of(row.leaf, row.envelope):
            raise IntegrityError("its leaf is not the leaf of its envelope")
        leaf = parse_leaf(row.leaf)
        writer = self._writers.get(leaf.key_hash)
        if writer is None:
            raise IntegrityError("its leaf was signed by a key that isn't known here")
        if self._signatures and not writer.signed(leaf.signature, NAMESPACE + leaf.checksum):
            raise IntegrityError("the signature of its leaf doesn't fit")
        if (fields.get("k"), fields.get("t")) != (row.kind, row.time_us):
            raise IntegrityError("its envelope is of another kind or time than it says")
        self._place(row, fields)
        event = fields.get("event")
        if isinstance(event, str):
            found.events[event] = (row.kind, row.time_us)
        if row.id != (event or f"{fields.get('lane')}/{fields.get('n')}"):
            raise IntegrityError("it has another name than it says")
        if row.kind in (STORED, REENCRYPT):
            first, hashes = fields.get("first"), fields.get("ct")
            if not isinstance(first, int) or not isinstance(hashes, list):
                raise IntegrityError("it does not say what was stored")
            stretch = (first, first + len(hashes) - 1, row.id)
            found.by_lane.setdefault(str(fields.get("of")), []).append(stretch)

    def _place(self, row: Any, fields: dict[str, Any]) -> None:
        said = (fields.get("lane"), fields.get("n"))
        if row.idx is not None and said != (row.tree, row.idx) and said[0] not in self._moved:
            raise IntegrityError("its envelope stands at another place than it says")


def hashes_of(connection: Connection, ids: Collection[str], first: int, last: int) -> dict[int, bytes]:
    """Return what these statements say of each number; of two about one, the later one counts."""
    found: dict[int, bytes] = {}
    envelopes: dict[str, bytes] = {}
    for some in batched(ids, _AT_ONCE):
        query = select(STATEMENT.c.id, STATEMENT.c.envelope).where(STATEMENT.c.id.in_(some))
        envelopes.update({row.id: row.envelope for row in connection.execute(query)})
    for id_ in ids:
        if id_ in envelopes:
            try:
                stated = _STORED.decode(envelopes[id_])  # that it is canonical was looked at before
                at = max(first, stated.first)
                here = stated.ct[at - stated.first : max(0, last + 1 - stated.first)]
                found.update(enumerate(map(bytes.fromhex, here), at))
            except ValueError:
                continue  # changed since then: the next check names it
    return found


def unfitting(
    orders: Collection[Order], stated: Mapping[str, tuple[str, int]], recorded: Collection[str]
) -> Iterator[Fault]:
    """Hold the orders of commands against the leaves that tell of them, both ways."""
    known = {order.id for order in orders}
    for order in orders:
        if order.placed and order.id not in stated and order.id not in recorded:
            yield Fault("event", order.id, "altered", "no leaf says what it says was stated")
        elif order.id in stated and stated[order.id] != (order.kind, order.time_us):
            yield Fault("event", order.id, "altered", "its leaf is of another kind or time")
    for id_ in sorted((set(recorded) | set(stated)) - known):
        yield Fault("event", id_, "missing", "a leaf tells of it")
