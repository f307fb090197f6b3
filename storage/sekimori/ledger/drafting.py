"""A manifest in the making: pieces are copied, referred to or added, in the order of the body."""

from __future__ import annotations

from sekimori.ledger.manifest import (
    CHECK_BYTES,
    COPY,
    GLUE,
    LARGE_GLUE,
    LARGE_TURN,
    TURNS,
    VERSION,
    Manifest,
    Piece,
    dictionary_of,
    pack,
)
from sekimori.ledger.rebuild import Body


class Draft:
    """What one record stores of its body, and what it refers to."""

    def __init__(self, rid: str, previous: str = "", body: Body | None = None) -> None:
        self.rid = rid
        self.pieces: list[Piece] = []
        self.large: dict[bytes, bytes] = {}
        self._previous = previous
        self._before = body
        self._steps: list[tuple[int, list[int | bytes]]] = []
        self._copied: list[int] = []
        self._fresh: list[bytes] = []
        self._owners: set[str] = set()

    @property
    def links(self) -> frozenset[str]:
        """Return the records that this one refers to."""
        return frozenset(self._owners | {self._previous}) - {"", self.rid}

    def copy(self, at: int) -> None:
        """Take a piece of the previous body."""
        if self._before is None:
            raise ValueError("there is no previous body")
        if self._steps and self._steps[-1][0] == COPY and sum(self._copied) == at:
            self._copied[1] += 1
        else:
            self._end_run()
            self._copied = [at, 1]
            self._steps.append((COPY, []))
        self.pieces.append(self._before.pieces[at])

    def add(self, piece: Piece) -> None:
        """Add a new piece to the pack."""
        kind = TURNS if piece.turn else GLUE
        self._end_run()
        if not self._steps or self._steps[-1][0] != kind:
            self._steps.append((kind, []))
        self._steps[-1][1].append(len(piece.data))
        self._fresh.append(piece.data)
        self.pieces.append(Piece(piece.data, self.rid, piece.turn))

    def refer(self, piece: Piece) -> None:
        """Refer to a piece that is stored by itself; the record's own is stored with it."""
        self._end_run()
        if piece.owner == self.rid:
            self.large[piece.address] = piece.data
        self._owners.add(piece.owner)
        self._steps.append((LARGE_TURN if piece.turn else LARGE_GLUE, [piece.address]))
        self.pieces.append(piece)

    def manifest(self, sha256: bytes) -> Manifest:
        """Return the manifest of the finished body."""
        self._end_run()
        dictionary = dictionary_of(self._before.pieces) if self._before else b""
        how, packed = pack(b"".join(self._fresh), dictionary)
        return Manifest(
            version=VERSION,
            size=sum(len(piece.data) for piece in self.pieces),
            check=sha256[:CHECK_BYTES],
            previous=self._previous,
            depth=self._before.depth + 1 if self._before else 0,
            operations=tuple((kind, *rest) for kind, rest in self._steps),
            how=how,
            pack=packed,
        )

    def _end_run(self) -> None:
        if self._copied:
            self._steps[-1] = (COPY, list(self._copied))
            self._copied = []
