"""The manifest of one stored body: what of it was there before, and what is new. Pure.

A manifest is MessagePack ``[version, size, check, previous, depth, operations, how, pack]``. Its operations,
one after the other, give the pieces of the body:

* ``[0, start, count]``: pieces of the body that ``previous`` names, by their position there
* ``[1, length…]``: new turns, one after the other from the pack
* ``[2, length…]``: new pieces between turns, likewise
* ``[3, address]``: a large turn, stored by itself
* ``[4, address]``: a large piece between turns, likewise

``check`` is the start of the body's SHA-256: what is rebuilt is compared with it, which finds a mistake of
ours; who altered something is for the seal and the commitments to tell. The pack is compressed
with the end of the previous body as its dictionary (``how`` 1) or kept as it is (0). The bytes of a manifest
hold text: they are sealed like any content.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple, cast

import msgspec
import zstandard

from sekimori.errors import IntegrityError

VERSION = 1
CHECK_BYTES = 8
LARGE_BYTES = 16 * 1024
"""A piece of this size is stored by itself and found by its address from any conversation."""

DICTIONARY_BYTES = 64 * 1024
MAX_BODY_BYTES = 1 << 30

COPY, TURNS, GLUE, LARGE_TURN, LARGE_GLUE = range(5)

_FRESH = (TURNS, GLUE)

_PLAIN, _ZSTD = 0, 1
_LEVEL, _LEVEL_WITH_DICTIONARY = 3, 6
"""Measured: after 64 KiB of the conversation, level 6 saves an eighth and costs 20 µs more."""
_SMALLEST_DICTIONARY = 8

Operation = tuple[int | bytes, ...]

_LOCAL = threading.local()


class Piece(NamedTuple):
    """A piece of a body, the record that stored it, and its address where it is stored by itself."""

    data: bytes
    owner: str
    turn: bool
    address: bytes = b""


class Manifest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is kept of one body."""

    version: int
    size: int
    check: bytes
    previous: str
    depth: int
    operations: tuple[Operation, ...]
    how: int
    pack: bytes


class Alone(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The same of a body that stores no piece by itself: all operands are numbers."""

    version: int
    size: int
    check: bytes
    previous: str
    depth: int
    operations: tuple[tuple[int, ...], ...]
    how: int
    pack: bytes


_DECODER = msgspec.msgpack.Decoder(Manifest)
_ALONE = msgspec.msgpack.Decoder(Alone)


def encode(manifest: Manifest) -> bytes:
    """Return the bytes to seal."""
    return msgspec.msgpack.encode(manifest)


def decode(data: bytes) -> Manifest:
    """Read a manifest back; raises IntegrityError when it isn't one of this version."""
    try:
        manifest = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("Stored text has no manifest that can be read.") from error
    if manifest.version != VERSION or not 0 <= manifest.size <= MAX_BODY_BYTES:
        raise IntegrityError("Stored text has a manifest of an unknown version.")
    if not all(_is_operation(step) for step in manifest.operations):
        raise IntegrityError("Stored text has a manifest with an unknown operation.")
    return manifest


def decode_alone(data: bytes) -> Alone | None:
    """Read a manifest back if it refers to nothing else; None where it may, or can't be read."""
    try:
        manifest = _ALONE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if manifest.previous or manifest.version != VERSION or not 0 <= manifest.size <= MAX_BODY_BYTES:
        return None
    for step in manifest.operations:
        if not step or step[0] not in _FRESH:
            return None
    return manifest


def dictionary_of(pieces: Sequence[Piece]) -> bytes:
    """Return what a following body's pack is compressed with: the last of the small turns."""
    taken: list[bytes] = []
    length = 0
    for piece in reversed(pieces):
        if piece.turn and len(piece.data) < LARGE_BYTES:
            taken.append(piece.data)
            length += len(piece.data)
            if length >= DICTIONARY_BYTES:
                break
    return b"".join(reversed(taken))[-DICTIONARY_BYTES:]


def pack(plain: bytes, dictionary: bytes) -> tuple[int, bytes]:
    """Return how the new pieces are packed, and the pack."""
    packed = _compressor(dictionary).compress(plain)
    return (_ZSTD, packed) if len(packed) < len(plain) else (_PLAIN, plain)


def unpack(how: int, packed: bytes, dictionary: bytes, size: int) -> bytes:
    """Return the new pieces; raises IntegrityError unless they have that size."""
    try:
        if how == _PLAIN:
            plain = packed
        elif how == _ZSTD and 0 < size <= MAX_BODY_BYTES:
            plain = _opener(dictionary).decompress(packed, max_output_size=size)
        else:
            raise IntegrityError("Stored text is packed in an unknown way.")
    except zstandard.ZstdError as error:
        raise IntegrityError("Stored text can't be unpacked.") from error
    if len(plain) != size:
        raise IntegrityError("Stored text is not as long as its manifest says.")
    return plain


def _is_operation(step: Operation) -> bool:
    if step and step[0] in (LARGE_TURN, LARGE_GLUE):
        return len(step) == 2 and isinstance(step[1], bytes)
    return bool(step) and step[0] in (COPY, TURNS, GLUE) and all(isinstance(each, int) for each in step)


def _compressor(dictionary: bytes) -> zstandard.ZstdCompressor:
    if dictionary:
        return _new_compressor(_LEVEL_WITH_DICTIONARY, dictionary)
    # Making one costs more than a short text does, and none may be shared by threads.
    if not hasattr(_LOCAL, "compressor"):
        _LOCAL.compressor = _new_compressor(_LEVEL, b"")
    return cast("zstandard.ZstdCompressor", _LOCAL.compressor)


def _new_compressor(level: int, dictionary: bytes) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(
        level=level,
        dict_data=_dictionary(dictionary),
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )


def _opener(dictionary: bytes) -> zstandard.ZstdDecompressor:
    if len(dictionary) >= _SMALLEST_DICTIONARY:
        return zstandard.ZstdDecompressor(dict_data=_dictionary(dictionary))
    # Making one costs more than a small text does; no two threads may share it.
    if not hasattr(_LOCAL, "opener"):
        _LOCAL.opener = zstandard.ZstdDecompressor()
    opener: zstandard.ZstdDecompressor = _LOCAL.opener
    return opener


def _dictionary(data: bytes) -> zstandard.ZstdCompressionDict | None:
    if len(data) < _SMALLEST_DICTIONARY:
        return None
    return zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
