"""Stored bodies are rebuilt here, from the oldest record that they refer back to, and checked.

Nothing here knows keys, tables or who may read: ``TextRows`` hands out opened bytes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sekimori.errors import IntegrityError
from sekimori.ledger.manifest import (
    CHECK_BYTES,
    COPY,
    GLUE,
    LARGE_GLUE,
    LARGE_TURN,
    MAX_BODY_BYTES,
    TURNS,
    Manifest,
    Operation,
    Piece,
    decode,
    decode_alone,
    dictionary_of,
    unpack,
)

_PIECE_BYTES = 200
"""What remembering a piece costs beside its bytes."""


class TextMissingError(IntegrityError):
    """The text of a record can't be rebuilt: something that it refers to was erased or is lost."""

    def __init__(self, rid: str) -> None:
        super().__init__(f"The text of record {rid} is erased or lost.")
        self.rid = rid


class TextRows(Protocol):
    """Whoever stores manifests, large pieces, anchors and links; what it hands out is opened already."""

    def manifest(self, rid: str) -> bytes | None:
        """Return a record's manifest, None where it was erased."""
        ...

    def large(self, address: bytes) -> bytes | None:
        """Return a large piece, None where it was erased."""
        ...

    def owners(self, addresses: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records store the large pieces of these addresses."""
        ...

    def anchored(self, anchors: Collection[bytes]) -> Mapping[bytes, str]:
        """Return which records left these anchors."""
        ...

    def linked(self, rid: str) -> Collection[str]:
        """Return the records that refer to this one."""
        ...


@dataclass(frozen=True, slots=True)
class Body:
    """A body in its pieces; ``links`` are the records that it refers to itself.

    ``addresses`` are those of the pieces under the key ``keyed``, where they were needed before.
    """

    pieces: tuple[Piece, ...]
    depth: int
    links: frozenset[str]
    keyed: bytes = b""
    addresses: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Return how many bytes the body has."""
        return sum(len(piece.data) for piece in self.pieces)


class Rebuilder:
    """Rebuilds bodies and remembers the latest, as far as the memory that it may use goes."""

    def __init__(self, rows: TextRows, cache_bytes: int) -> None:
        self._rows = rows
        self._limit = cache_bytes
        self._known: OrderedDict[str, Body] = OrderedDict()
        self._used = 0

    def body(self, rid: str) -> Body:
        """Return a body; raises TextMissingError where text it refers to is gone."""
        known = self._recall(rid)
        if known is not None:
            return known
        chain, body = self._chain(rid)
        for name, manifest in reversed(chain):
            body = self._expanded(rid, name, manifest, body)
        if body is None:
            raise TextMissingError(rid)
        self.remember(rid, body)
        return body

    def remember(self, rid: str, body: Body) -> None:
        """Keep a body at hand; the ones not asked for longest make room."""
        self._drop(rid)
        self._known[rid] = body
        self._used += _cost(body)
        while self._used > self._limit:
            self._drop(next(iter(self._known)))

    def forget(self) -> None:
        """Keep nothing."""
        self._known.clear()
        self._used = 0

    def _recall(self, rid: str) -> Body | None:
        known = self._known.get(rid)
        if known is not None:
            self._known.move_to_end(rid)
        return known

    def _drop(self, rid: str) -> None:
        body = self._known.pop(rid, None)
        if body is not None:
            self._used -= _cost(body)

    def _chain(self, rid: str) -> tuple[list[tuple[str, Manifest]], Body | None]:
        """Return the manifests back to one that refers to nothing, or to a body that is known."""
        chain: list[tuple[str, Manifest]] = []
        at = rid
        while at:
            body = self._recall(at)
            if body is not None:
                return chain, body
            data = self._rows.manifest(at)
            if data is None:
                raise TextMissingError(rid)
            manifest = decode(data)
            if chain and manifest.depth >= chain[-1][1].depth:
                raise IntegrityError(f"The manifests behind record {rid} run in a circle.")
            chain.append((at, manifest))
            at = manifest.previous
        return chain, None

    def _expanded(self, wanted: str, rid: str, manifest: Manifest, previous: Body | None) -> Body:
        before = previous.pieces if previous else ()
        addresses = {step[1] for step in manifest.operations if step[0] in (LARGE_TURN, LARGE_GLUE)}
        owners = self._rows.owners(addresses) if addresses else {}  # type: ignore[arg-type]
        large = {address: self._rows.large(address) for address in owners}
        if addresses - owners.keys() or None in large.values():
            raise TextMissingError(wanted)
        whole = {address: (data or b"", owners[address]) for address, data in large.items()}
        try:
            pieces = tuple(_pieces(rid, manifest, before, whole))
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise IntegrityError(f"The manifest of record {rid} makes no sense.") from error
        _check(rid, manifest, pieces)
        links = {manifest.previous, *owners.values()} - {rid, ""}
        return Body(pieces, manifest.depth, frozenset(links))


def standing_alone(data: bytes) -> bytes | None:
    """Return the body of a manifest that refers to nothing else, None where it does.

    No pieces are made and nothing is hashed: for whoever holds the body against its commitment.
    """
    manifest = decode_alone(data)
    return None if manifest is None else unpack(manifest.how, manifest.pack, b"", manifest.size)


def with_addresses(body: Body, key: bytes, addresses: Sequence[bytes]) -> Body:
    """Return the body with what its pieces are found by under a key."""
    return replace(body, keyed=key, addresses=tuple(addresses))


def _pieces(
    rid: str, manifest: Manifest, before: Sequence[Piece], whole: Mapping[bytes, tuple[bytes, str]]
) -> Iterator[Piece]:
    lengths = [step[1:] for step in manifest.operations if step[0] in (TURNS, GLUE)]
    fresh = unpack(
        manifest.how,
        manifest.pack,
        dictionary_of(before),
        sum(_whole_number(length) for some in lengths for length in some),
    )
    at = left = 0
    for step in manifest.operations:
        for piece in _step(rid, step, before, whole, fresh, at):
            left += len(piece.data)
            if left > manifest.size:
                raise ValueError("more pieces than the body has")
            at += len(piece.data) if step[0] in (TURNS, GLUE) else 0
            yield piece


def _step(
    rid: str,
    step: Operation,
    before: Sequence[Piece],
    whole: Mapping[bytes, tuple[bytes, str]],
    fresh: bytes,
    at: int,
) -> Iterator[Piece]:
    kind, *rest = step
    if kind == COPY:
        start, count = (_whole_number(number) for number in rest)
        if start + count > len(before):
            raise ValueError("pieces that the previous body doesn't have")
        yield from before[start : start + count]
    elif kind in (TURNS, GLUE):
        for length in map(_whole_number, rest):
            yield Piece(fresh[at : at + length], rid, kind == TURNS)
            at += length
    elif kind in (LARGE_TURN, LARGE_GLUE):
        (address,) = rest
        data, owner = whole[address]  # type: ignore[index]
        yield Piece(data, owner, kind == LARGE_TURN, address)  # type: ignore[arg-type]
    else:
        raise ValueError("an unknown operation")


def _whole_number(value: int | bytes) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAX_BODY_BYTES:
        raise ValueError("not a length")
    return value


def _check(rid: str, manifest: Manifest, pieces: Sequence[Piece]) -> None:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.data)
    if digest.digest()[:CHECK_BYTES] != manifest.check:
        raise IntegrityError(f"The text of record {rid} is not what was written.")


def _cost(body: Body) -> int:
    return body.size + _PIECE_BYTES * len(body.pieces)
