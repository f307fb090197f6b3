"""A table of keys and what belongs to each, in one run of bytes that is read where it lies.

``keys(u32) values(u32) bits(u8)``, then ``first``: for each value of the first ``bits`` bits of a digest
where its keys begin, ``digests``: 16 bytes a key (BLAKE2b), in order, ``starts``: where the values of each
key begin, and ``values``; numbers are u32, little endian. A lookup touches a few of them, however many
there are, and nothing is decoded before it is asked for.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable
from itertools import accumulate

_DIGEST = 16
_HEAD = struct.Struct("<IIB")
_ONE = struct.Struct("<I")
_TWO = struct.Struct("<II")
_WIDTH = 4
_MOST_BITS = 24


def digest(key: str) -> bytes:
    """Give what stands for a key."""
    return hashlib.blake2b(key.encode(), digest_size=_DIGEST).digest()


def write_postings(pairs: Iterable[tuple[str, int]]) -> bytes:
    """Write a table of keys, each with its values in ascending order."""
    found = sorted({(digest(key), value) for key, value in pairs})
    digests, starts, values = bytearray(), array("I"), array("I")
    previous = b""
    for key, value in found:
        if key != previous:
            digests += key
            starts.append(len(values))
            previous = key
        values.append(value)
    count = len(starts)
    starts.append(len(values))
    bits = min(max(count.bit_length() - 1, 0), _MOST_BITS)
    first = _first(bytes(digests), count, bits)
    return b"".join(
        (
            _HEAD.pack(count, len(values), bits),
            _packed(first),
            bytes(digests),
            _packed(starts),
            _packed(values),
        )
    )


def _first(digests: bytes, count: int, bits: int) -> array[int]:
    counted = array("I", bytes(_WIDTH * ((1 << bits) + 1)))
    shift = 8 * _WIDTH - bits
    # All heads at once: the standing is written again at each acknowledgement of anybody.
    for head in struct.unpack(f">{count * _DIGEST // _WIDTH}I", digests)[:: _DIGEST // _WIDTH]:
        counted[(head >> shift) + 1] += 1
    return array("I", accumulate(counted))


def _bucket(head: bytes, bits: int) -> int:
    return int.from_bytes(head[:_WIDTH], "big") >> (8 * _WIDTH - bits)


def _packed(numbers: array[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


class Postings:
    """Reads a table in ``data`` at ``offset``; ``ValueError`` if it does not fit in ``length`` bytes."""

    __slots__ = ("_bits", "_count", "_data", "_digests", "_first", "_starts", "_values")

    def __init__(self, data: bytes | bytearray, offset: int, length: int) -> None:
        if length < _HEAD.size or offset + length > len(data):
            raise ValueError("a table ends before it began")
        self._count, values, self._bits = _HEAD.unpack_from(data, offset)
        if self._bits > _MOST_BITS:
            raise ValueError("a table has too many buckets")
        self._data = data
        self._first = offset + _HEAD.size
        self._digests = self._first + _WIDTH * ((1 << self._bits) + 1)
        self._starts = self._digests + _DIGEST * self._count
        self._values = self._starts + _WIDTH * (self._count + 1)
        if self._values + _WIDTH * values != offset + length:
            raise ValueError("a table is not as long as it says")

    def find(self, key: str) -> tuple[int, ...]:
        """Give the values of ``key``, ascending; none if it is not there."""
        wanted, data = digest(key), self._data
        low, high = _TWO.unpack_from(data, self._first + _WIDTH * _bucket(wanted, self._bits))
        for number in range(low, min(high, self._count)):
            at = self._digests + _DIGEST * number
            if data[at : at + _DIGEST] == wanted:
                return self._of(number)
        return ()

    def _of(self, number: int) -> tuple[int, ...]:
        start, end = _TWO.unpack_from(self._data, self._starts + _WIDTH * number)
        return struct.unpack_from(f"<{max(end - start, 0)}I", self._data, self._values + _WIDTH * start)


class Blobs:
    """Things one behind the other, each found by its number: ``count(u32) ends(u32 each) things``."""

    __slots__ = ("_data", "_ends", "_things", "count")

    def __init__(self, data: bytes | bytearray, offset: int, length: int) -> None:
        if length < _WIDTH or offset + length > len(data):
            raise ValueError("a list ends before it began")
        self.count = int(_ONE.unpack_from(data, offset)[0])
        self._data = data
        self._ends = offset + _WIDTH
        self._things = self._ends + _WIDTH * self.count
        last = _ONE.unpack_from(data, self._things - _WIDTH)[0] if self.count else 0
        if self._things + last != offset + length:
            raise ValueError("a list is not as long as it says")

    def __getitem__(self, number: int) -> memoryview:
        if not 0 <= number < self.count:
            raise IndexError(number)
        start = _ONE.unpack_from(self._data, self._ends + _WIDTH * (number - 1))[0] if number else 0
        end = _ONE.unpack_from(self._data, self._ends + _WIDTH * number)[0]
        return memoryview(self._data)[self._things + start : self._things + end]


def write_blobs(things: Iterable[bytes]) -> bytes:
    """Write things so that ``Blobs`` finds them."""
    ends, kept, total = array("I"), [], 0
    for thing in things:
        total += len(thing)
        ends.append(total)
        kept.append(thing)
    return b"".join((_ONE.pack(len(ends)), _packed(ends), *kept))
