"""Merkle tree hashes, inclusion and consistency proofs: RFC 6962 section 2.1, RFC 9162 section 2.1. Pure.

A proof is made from the hashes of complete subtrees, asked for one by one: ``node(level, index)`` is the
hash over the leaves from ``index << level`` up to ``(index + 1) << level``. Where they lie is not known
here. What is checked here came from somebody else, so nothing but IntegrityError goes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from sekimori.errors import IntegrityError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
MAX_SIZE = (1 << 63) - 1

NodeReader = Callable[[int, int], bytes]

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry of the tree."""
    return _sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """Hash many entries of the tree."""
    return [_sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into their parent."""
    return _sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, level by level."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        parents = [_sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            parents.append(level[-1])
        level = parents
    return level[0]


def fold(nodes: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees that stand side by side, the largest first."""
    if not nodes:
        return EMPTY_ROOT
    hashed = nodes[-1]
    for node in reversed(nodes[:-1]):
        hashed = node_hash(node, hashed)
    return hashed


class Frontier:
    """The complete subtrees along the right edge: all that is needed to let a tree grow."""

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._nodes = list(nodes)
        if len(self._nodes) != size.bit_count():
            raise IntegrityError(
                f"A tree of {size} leaves doesn't have {len(self._nodes)} nodes at its edge."
            )

    def push(self, hashed: bytes) -> None:
        """Add the hash of one more leaf."""
        size = self.size
        while size & 1:
            hashed = _sha256(b"\x01" + self._nodes.pop() + hashed).digest()
            size >>= 1
        self._nodes.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        return fold(self._nodes)

    def copy(self) -> Frontier:
        """Return one that grows on its own."""
        return Frontier(self.size, self._nodes)


def edge_nodes(size: int) -> list[tuple[int, int]]:
    """Return level and index of the complete subtrees that make up a tree, the largest first."""
    return _cover(0, size)


def inclusion_path(index: int, size: int, node: NodeReader) -> tuple[bytes, ...]:
    """Return the proof that leaf ``index`` is in the tree of ``size`` leaves (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise IntegrityError(f"A tree of {size} leaves has no leaf {index}.")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        split = start + _split(stop - start)
        if index < split:
            path.append(_range(split, stop, node))
            stop = split
        else:
            path.append(_range(start, split, node))
            start = split
    return tuple(reversed(path))


def consistency_path(old: int, new: int, node: NodeReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of ``new`` leaves begins with that of ``old`` (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise IntegrityError(f"A tree of {new} leaves never had {old}.")
    if old in (0, new):
        return ()
    path: list[bytes] = []
    start, stop = 0, new
    while old != stop:
        split = start + _split(stop - start)
        if old <= split:
            path.append(_range(split, stop, node))
            stop = split
        else:
            path.append(_range(start, split, node))
            start = split
    if start:
        path.append(_range(start, stop, node))
    return tuple(reversed(path))


def check_inclusion(hashed: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise IntegrityError unless the leaf with this hash stands there (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise IntegrityError(f"A tree of {size} leaves has no leaf {index}.")
    first, last, computed = index, size - 1, hashed
    for sibling in path:
        if last == 0:
            raise IntegrityError("An inclusion proof is too long.")
        if first & 1 or first == last:
            computed = node_hash(sibling, computed)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise IntegrityError("An inclusion proof is too short.")
    if computed != root:
        raise IntegrityError(f"The leaf is not leaf {index} of the tree with that root.")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise IntegrityError unless the newer tree begins with the older (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new <= MAX_SIZE:
        raise IntegrityError(f"A tree of {new} leaves never had {old}.")
    if old in (0, new):
        same = old_root == (new_root if old == new else EMPTY_ROOT)
        if path or not same:
            raise IntegrityError("A consistency proof between equal or empty trees doesn't hold.")
        return
    computed = _climb(old, old_root, new, path)
    if computed != (old_root, new_root):
        raise IntegrityError(f"The tree of {new} leaves doesn't begin with that tree of {old}.")


def _climb(old: int, old_root: bytes, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the two roots that the proof leads to."""
    steps = [old_root, *path] if old.bit_count() == 1 else list(path)
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    if not steps:
        raise IntegrityError("A consistency proof is empty.")
    older = newer = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            raise IntegrityError("A consistency proof is too long.")
        if first & 1 or first == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise IntegrityError("A consistency proof is too short.")
    return older, newer


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _cover(start: int, stop: int) -> list[tuple[int, int]]:
    """Return the complete subtrees over a range whose start is aligned to its largest one."""
    nodes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _range(start: int, stop: int, node: NodeReader) -> bytes:
    return fold([node(level, index) for level, index in _cover(start, stop)])
