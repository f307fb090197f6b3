"""Conversations that are sent again with every turn are stored once.

A body is cut (``spans``) into pieces; a piece has a keyed address under the data key of its subject, class
and month, so equal pieces are found there and nowhere else. A record whose conversation was stored before
keeps a reference to that record and its own new pieces (``manifest``); a large piece is found from any
conversation under the same data key. What is read back is checked to be the exact bytes (``rebuild``).

::

    address = HMAC-SHA256(K, "chunk\\0" || piece), first 16 bytes      K = HKDF(data key, "addr")
    anchor  = HMAC-SHA256(K, "anchor\\0" || addresses of up to three turns in a row), first 16 bytes

A record leaves two anchors, at its last turn and three before (clients rewrite the newest turns), and the
next body of the conversation finds it by them, also when its oldest turns were dropped meanwhile.

Erasing a record takes its text away from every later record that refers to it. ``references`` tells those
that contain a turn of it from those that merely lean on it, and ``rebase`` makes the latter stand alone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import NamedTuple, Protocol

from sekimori.ledger.drafting import Draft
from sekimori.ledger.mac import hmac_sha256
from sekimori.ledger.manifest import LARGE_BYTES, Piece, encode
from sekimori.ledger.rebuild import Body, Rebuilder, TextMissingError, TextRows, with_addresses
from sekimori.ledger.spans import DEFAULT, Members, spans

ADDRESS_BYTES = 16
ANCHOR_BYTES = 8
MAX_DEPTH = 512
"""How many records a body may refer back through; then it is stored whole once more."""

CACHE_BYTES = 64 << 20

_WORTH_REFERRING = 256
_CANDIDATES = 3
_ANCHOR_TURNS = 3
_BACK = 4
_FIRST, _AT_ONCE = 8, 64
"""Anchors that are asked for at once: at first the newest few, where a conversation mostly goes on."""
_SEARCHED = 256
"""How far back from its newest turn a body looks for one that was stored before."""


class Stored(NamedTuple):
    """What to store of a body: the first two sealed under the record's key.

    ``large`` maps addresses to pieces that this record stores by themselves. An anchor that is there already
    stays with its record; ``links`` are the records that this one refers to.
    """

    manifest: bytes
    large: Mapping[bytes, bytes]
    anchors: tuple[bytes, ...]
    links: frozenset[str]


class Cut(NamedTuple):
    """A body in its pieces, what they are found by, and which of them are turns."""

    key: bytes
    pieces: tuple[Piece, ...]
    addresses: tuple[bytes, ...]
    turns: tuple[bytes, ...]

    def anchors(self) -> list[bytes]:
        """Return the anchors that are looked for first: asked for many bodies at once, they cost less."""
        newest = range(len(self.turns) - 1, max(len(self.turns) - _FIRST, 0) - 1, -1)
        return [_anchor(self.key, self.turns, at) for at in newest]

    def large(self) -> set[bytes]:
        """Return the addresses of pieces that may be stored by themselves."""
        return {
            address
            for piece, address in zip(self.pieces, self.addresses, strict=True)
            if len(piece.data) >= LARGE_BYTES
        }


class SharedTexts(TextRows, Protocol):
    """Rows of texts that also tell whose text is whose."""

    def address_key(self, rid: str) -> bytes | None:
        """Return what pieces are addressed with under the data key of a record; None where it was erased."""
        ...


class References(NamedTuple):
    """Who refers to a record: those that contain a turn of it, and those that have to be rebased."""

    containing: tuple[str, ...]
    leaning: tuple[str, ...]


class Deduper:
    """Stores and rebuilds bodies; for one thread.

    What ``store`` returns has to be in the rows before the next body is asked for, or a conversation
    whose turns come in one batch is not recognised.
    """

    def __init__(
        self, rows: SharedTexts, *, members: Members = DEFAULT, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._rows = rows
        self._members = members
        self._bodies = Rebuilder(rows, cache_bytes)

    def store(self, rid: str, body: bytes, address_key: bytes, *, sha256: bytes = b"") -> Stored:
        """Say what to store of a body; ``sha256`` saves hashing it once more where it is known."""
        return self.place(rid, self.cut(rid, body, address_key), sha256 or hashlib.sha256(body).digest())

    def cut(self, rid: str, body: bytes, address_key: bytes) -> Cut:
        """Cut a body: the first half of ``store``, which asks no rows."""
        pieces = tuple(Piece(body[at:end], rid, turn) for at, end, turn in spans(body, self._members))
        addresses = tuple(address_of(address_key, piece.data) for piece in pieces)
        turns = tuple(address for address, piece in zip(addresses, pieces, strict=True) if piece.turn)
        return Cut(address_key, pieces, addresses, turns)

    def place(self, rid: str, cut: Cut, sha256: bytes) -> Stored:
        """Say what to store of a body that was cut: the second half of ``store``."""
        key = cut.key
        found = self._find_previous(rid, cut.turns, set(cut.addresses), key)
        draft = self._draft(rid, cut.pieces, cut.addresses, found)
        manifest = draft.manifest(sha256)
        body = Body(tuple(draft.pieces), manifest.depth, draft.links, key, cut.addresses)
        self._bodies.remember(rid, body)
        return Stored(encode(manifest), draft.large, _kept(key, cut.turns), draft.links)

    def load(self, rid: str) -> bytes:
        """Return the exact body; raises TextMissingError where text it refers to is gone."""
        return b"".join(piece.data for piece in self._bodies.body(rid).pieces)

    def references(self, rid: str) -> References:
        """Say which later records would be touched by erasing this one."""
        containing = tuple(
            other
            for other in self._followers({rid})
            if any(piece.owner == rid and piece.turn for piece in self._bodies.body(other).pieces)
        )
        erased = {rid, *containing}
        leaning = tuple(other for other in self._followers(erased) if self._bodies.body(other).links & erased)
        return References(containing, leaning)

    def rebase(self, rids: Sequence[str], erased: Collection[str]) -> dict[str, Stored]:
        """Say what to store anew of records that lean on others which are about to be erased.

        The bytes stay the same and so do the addresses of large pieces, which get a living owner.
        """
        owners: dict[bytes, str] = {}
        stored = {rid: self._rebased(rid, erased, owners) for rid in rids}
        self.forget()
        return stored

    def forget(self) -> None:
        """Drop what is remembered: after an erasure, and when a transaction was rolled back."""
        self._bodies.forget()

    # --- writing ---------------------------------------------------------------------------------

    def _find_previous(
        self, rid: str, turns: Sequence[bytes], wanted: Collection[bytes], key: bytes
    ) -> tuple[str, Body] | None:
        """Return the stored body that shares the most recent turns with this one."""
        for candidate in self._candidates(key, turns):
            if candidate == rid:
                continue
            try:
                body = self._addressed(candidate, key)
            except TextMissingError:
                continue
            if body is None:
                continue
            pieces = zip(body.pieces, body.addresses, strict=True)
            shared = sum(len(piece.data) for piece, address in pieces if address in wanted)
            if body.depth < MAX_DEPTH and shared >= _WORTH_REFERRING:
                return candidate, body
        return None

    def _candidates(self, key: bytes, turns: Sequence[bytes]) -> Iterator[str]:
        """Yield who left an anchor at one of these turns, the newest first."""
        seen: set[str] = set()
        newest = range(len(turns) - 1, max(len(turns) - _SEARCHED, 0) - 1, -1)
        for some in (newest[:_FIRST], *batched(newest[_FIRST:], _AT_ONCE)):
            anchors = [_anchor(key, turns, at) for at in some]
            known = self._rows.anchored(anchors)
            for anchor in anchors:
                if anchor in known and known[anchor] not in seen:
                    seen.add(known[anchor])
                    yield known[anchor]
                    if len(seen) == _CANDIDATES:
                        return

    def _addressed(self, rid: str, key: bytes) -> Body | None:
        """Return a body with its addresses; None where it lies under another data key, whatever an anchor says.

        Anchors are evidence of nothing, so anybody may have written them: two people's texts must not hang together.
        """
        body = self._bodies.body(rid)
        if body.keyed != key:
            if self._rows.address_key(rid) != key:
                return None
            body = with_addresses(body, key, [address_of(key, piece.data) for piece in body.pieces])
            self._bodies.remember(rid, body)
        return body

    def _draft(
        self, rid: str, cut: Sequence[Piece], addresses: Sequence[bytes], found: tuple[str, Body] | None
    ) -> Draft:
        before = found[1].addresses if found else ()
        where = {address: at for at, address in enumerate(before)}
        large = {
            address
            for piece, address in zip(cut, addresses, strict=True)
            if len(piece.data) >= LARGE_BYTES and address not in where
        }
        owners = self._rows.owners(large) if large else {}
        draft = Draft(rid, *(found or ("", None)))
        following = 0
        for piece, address in zip(cut, addresses, strict=True):
            # Equal turns follow their order: "continue", "continue" are not one piece but two.
            at = following if before[following : following + 1] == (address,) else where.get(address)
            if at is not None:
                draft.copy(at)
                following = at + 1
            elif address in large:
                draft.refer(Piece(piece.data, owners.get(address, rid), piece.turn, address))
            else:
                draft.add(piece)
        return draft

    def _rebased(self, rid: str, erased: Collection[str], owners: dict[bytes, str]) -> Stored:
        draft = Draft(rid)
        digest = hashlib.sha256()
        for piece in self._bodies.body(rid).pieces:
            digest.update(piece.data)
            if not piece.address:
                draft.add(piece)
            elif piece.owner in erased:
                draft.refer(piece._replace(owner=owners.setdefault(piece.address, rid)))
            else:
                draft.refer(piece)
        return Stored(encode(draft.manifest(digest.digest())), draft.large, (), draft.links)

    def _followers(self, rids: Collection[str]) -> Iterator[str]:
        """Yield every record that refers to one of these, directly or through others."""
        seen = set(rids)
        waiting = deque(rids)
        while waiting:
            for rid in sorted(self._rows.linked(waiting.popleft())):
                if rid not in seen:
                    seen.add(rid)
                    waiting.append(rid)
                    yield rid


def address_of(key: bytes, piece: bytes) -> bytes:
    """Return what a piece is found by under one data key."""
    return hmac_sha256(key, b"chunk\0", piece)[:ADDRESS_BYTES]


def _anchor(key: bytes, turns: Sequence[bytes], at: int) -> bytes:
    """Return the anchor at one turn."""
    window = b"".join(turns[max(0, at + 1 - _ANCHOR_TURNS) : at + 1])
    return hmac_sha256(key, b"anchor\0", window)[:ANCHOR_BYTES]


def _kept(key: bytes, turns: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the anchor that a record leaves: further back in each longer body, so the longest is found."""
    count = len(turns)
    return (_anchor(key, turns, max(count - _BACK, count // 2)),) if turns else ()
