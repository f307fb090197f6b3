"""One segment file, read: its header, its frames, and what stands behind them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sekimori.errors import IntegrityError
from sekimori.ledger import frames
from sekimori.ledger.files import open_plain
from sekimori.ledger.frames import FrameHead, SegmentHeader
from sekimori.ledger.lanes import segment_path, written_bytes


@dataclass(frozen=True, slots=True)
class SealedCommit:
    """A whole frame that is not opened yet; ``end`` is where the next one starts."""

    head: FrameHead
    sealed: bytes
    end: int


class SegmentReader:
    """A context manager around the open file; believes nothing that isn't checksummed."""

    def __init__(self, lane_dir: Path, number: int) -> None:
        self.number = number
        self._path = segment_path(lane_dir, number)
        try:
            self._handle = open_plain(self._path)
        except FileNotFoundError as error:
            raise IntegrityError(f"Segment {number} of lane {lane_dir.name} is missing.") from error
        try:
            self.header, self.raw_header = self._read_header(lane_dir.name)
        except IntegrityError:
            os.close(self._handle)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def commit_at(self, offset: int) -> SealedCommit | None:
        """Return the frame that starts there, or None if no whole one does."""
        head = frames.unpack_frame_head(os.pread(self._handle, frames.FRAME_HEAD_BYTES, offset))
        start = offset + frames.FRAME_HEAD_BYTES
        # A damaged length must not make us reserve two gigabytes.
        if head is None or head.length > os.fstat(self._handle).st_size - start:
            return None
        sealed = os.pread(self._handle, head.length, start)
        return SealedCommit(head, sealed, start + head.length) if frames.is_whole(head, sealed) else None

    def rest(self, offset: int, *, growing: bool) -> bytes:
        """Return what stands from there on, without the zeros behind it.

        While a segment grows its end is searched for instead of reading all the zeros at every look.
        """
        end = written_bytes(self._handle) if growing else os.fstat(self._handle).st_size
        return os.pread(self._handle, max(0, end - offset), offset).rstrip(b"\0")

    def is_cut_at(self, offset: int) -> bool:
        """Tell whether the file ends there, without the zeros that stand behind what a dead writer wrote last."""
        return os.fstat(self._handle).st_size == offset

    def _read_header(self, lane: str) -> tuple[SegmentHeader, bytes]:
        header, raw = frames.unpack_header(os.pread(self._handle, frames.MAX_HEADER_BYTES, 0))
        if (header.lane, header.segment) != (lane, self.number):
            raise IntegrityError(
                f"{self._path.name} of lane {lane} is segment {header.segment} of lane {header.lane}."
            )
        return header, raw
