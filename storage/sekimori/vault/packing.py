"""Compression of what is about to be sealed: once, and only where it helps."""

from __future__ import annotations

import zstandard

from sekimori.errors import IntegrityError

PLAIN, ZSTD = 0, 1
MAX_CONTENT_BYTES = 1 << 30

_LEVEL = 3
_WORTH_COMPRESSING = 256


def pack(plaintext: bytes) -> tuple[int, bytes]:
    """Return how the bytes are packed, and the packed bytes."""
    if len(plaintext) < _WORTH_COMPRESSING:
        return PLAIN, plaintext
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(plaintext)
    # Pictures and encoded bodies don't shrink: kept as they are, they open faster.
    return (ZSTD, packed) if len(packed) < len(plaintext) * 9 // 10 else (PLAIN, plaintext)


def unpack(how: int, packed: bytes) -> bytes:
    """Return what was packed; raises IntegrityError if nobody here packed it."""
    if how == PLAIN:
        return packed
    if how != ZSTD:
        raise IntegrityError("Stored content is packed in an unknown way.")
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MAX_CONTENT_BYTES:
            raise IntegrityError("Stored content claims to be larger than any content may be.")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise IntegrityError("Stored content can't be unpacked.") from error
