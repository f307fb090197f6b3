"""The bytes of the spool, as docs/formats/spool.md gives them. Pure.

A segment is a clear header followed by frames. One frame is one commit: all the entries that one
fdatasync made durable, sealed together. That is why a damaged frame with a sound one after it can't be
the trace of a crash: the second was only written once the first was durable.

Numbers are big-endian. Whatever bytes come in, nothing but IntegrityError goes out.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError

VERSION = 2
READABLE = (1, 2)
"""Version 1 had entries without envelope and leaf."""

SEGMENT_MAGIC = b"SEKISPL"
FRAME_MAGIC = b"SKFR"

_FIXED = struct.Struct(">7sBHIQ")  # magic, version, header length, segment number, first n
_CRC = struct.Struct(">I")
_FRAME = struct.Struct(">4sIIIQI")  # magic, crc, sealed length, frame number, first n, count
_LENGTH = struct.Struct(">I")
_CRC_END = len(FRAME_MAGIC) + _CRC.size

FRAME_HEAD_BYTES = _FRAME.size
SEAL_BYTES = 16
MIN_FRAME_BYTES = FRAME_HEAD_BYTES + SEAL_BYTES
MAX_HEADER_BYTES = 4096
MAX_SEALED_BYTES = (1 << 31) - 1
"""What AES-GCM's usual implementations take in one piece."""

_PIECE, _KEPT = 5 * 1024, 64 * 1024

_LANE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """Which part of which lane a segment holds, and how it is sealed."""

    lane: str
    segment: int
    first_n: int
    preamble: bytes
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class FrameHead:
    """What stands in clear before a sealed commit."""

    crc: int
    length: int
    number: int
    first_n: int
    count: int

    @property
    def bound(self) -> bytes:
        """The bytes of the head that the seal binds."""
        return _FRAME.pack(FRAME_MAGIC, 0, self.length, self.number, self.first_n, self.count)[_CRC_END:]


def is_lane_name(name: str) -> bool:
    """Tell whether a name may be a lane's: it becomes a folder and goes into every header."""
    return _LANE.fullmatch(name) is not None


def pack_header(header: SegmentHeader) -> bytes:
    """Return the clear header of a segment."""
    tail = b"".join(bytes([len(part)]) + part for part in (header.lane.encode("ascii"), header.preamble))
    length = _FIXED.size + len(tail) + _CRC.size
    head = _FIXED.pack(SEGMENT_MAGIC, header.version, length, header.segment, header.first_n) + tail
    return head + _CRC.pack(zlib.crc32(head))


def unpack_header(data: bytes) -> tuple[SegmentHeader, bytes]:
    """Read a segment's header from its first bytes; return it and the exact bytes it took."""
    if len(data) < _FIXED.size or data[: len(SEGMENT_MAGIC)] != SEGMENT_MAGIC:
        raise IntegrityError("A spool segment doesn't begin like one.")
    _, version, length, segment, first_n = _FIXED.unpack_from(data)
    if version not in READABLE:
        raise IntegrityError(
            f"A spool segment has format version {version}, known here are 1 to {VERSION}.",
            hint="Read it with the release that wrote it.",
        )
    raw = data[:length]
    end = length - _CRC.size
    if len(raw) < length or end < _FIXED.size or _CRC.unpack_from(raw, end)[0] != zlib.crc32(raw[:end]):
        raise IntegrityError("The header of a spool segment is damaged.")
    lane, at = _part(raw[:end], _FIXED.size)
    preamble, at = _part(raw[:end], at)
    name = lane.decode("ascii", "replace")
    if at != end or not is_lane_name(name):
        raise IntegrityError("The header of a spool segment is not well formed.")
    return SegmentHeader(name, segment, first_n, preamble, version), raw


def context(header: bytes, bound: bytes) -> bytes:
    """Return what a frame's seal binds: its segment (and so its lane) and its own clear head."""
    return hashlib.sha256(header).digest() + bound


def new_head(sealed_length: int, number: int, first_n: int, count: int) -> FrameHead:
    """Return the head of a frame before its checksum is known."""
    return FrameHead(0, sealed_length, number, first_n, count)


def pack_frame(head: FrameHead, sealed: bytes) -> bytes:
    """Return the bytes of a frame, checksum filled in."""
    bound = head.bound
    return FRAME_MAGIC + _CRC.pack(_checksum(bound, sealed)) + bound + sealed


def unpack_frame_head(data: bytes) -> FrameHead | None:
    """Read the clear head of a frame; None where there is none."""
    if len(data) < FRAME_HEAD_BYTES or data[: len(FRAME_MAGIC)] != FRAME_MAGIC:
        return None
    head = FrameHead(*_FRAME.unpack_from(data)[1:])
    return head if SEAL_BYTES <= head.length <= MAX_SEALED_BYTES else None


def is_whole(head: FrameHead, sealed: bytes) -> bool:
    """Tell whether these are the bytes that the head was written for (a torn write, not malice)."""
    return len(sealed) == head.length and _checksum(head.bound, sealed) == head.crc


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Join a commit's entries, each behind its length."""
    return b"".join([piece for entry in entries for piece in (_LENGTH.pack(len(entry)), entry)])


def unpack_entries(plaintext: bytes, count: int) -> list[bytes]:
    """Split a commit again; raises IntegrityError unless it holds exactly ``count`` entries."""
    entries: list[bytes] = []
    at = 0
    while at < len(plaintext):
        entry, at = _sized(plaintext, at)
        entries.append(entry)
    if len(entries) != count:
        raise IntegrityError(f"A spool frame holds {len(entries)} entries, its head says {count}.")
    return entries


def _checksum(bound: bytes, sealed: bytes) -> int:
    """Return the CRC of a frame, in pieces for which zlib keeps the interpreter's lock (see ``mac``)."""
    crc = zlib.crc32(bound)
    if len(sealed) > _KEPT:
        return zlib.crc32(sealed, crc)
    view = memoryview(sealed)
    for at in range(0, len(sealed), _PIECE):
        crc = zlib.crc32(view[at : at + _PIECE], crc)
    return crc


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    if start > len(data):
        raise IntegrityError("An entry of a spool frame is cut.")
    end = start + _LENGTH.unpack_from(data, at)[0]
    if end > len(data):
        raise IntegrityError("An entry of a spool frame is cut.")
    return data[start:end], end


def _part(data: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(data) or at + 1 + data[at] > len(data):
        raise IntegrityError("The header of a spool segment is not well formed.")
    return data[at + 1 : at + 1 + data[at]], at + 1 + data[at]
