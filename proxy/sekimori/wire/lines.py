"""JSON texts one after another, cut anywhere by the network: NDJSON, JSON lines, JSON sequences (RFC 7464).

A value to a line is the rule and costs one look; values that share a line or span several are found by their
brackets. At most ``limit`` bytes of an unfinished value are held.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sekimori.wire.sse import EVENT_LIMIT, JsonScanner

_DECODER = msgspec.json.Decoder()
_SEPARATORS = b" \t\r\n\x1e,"


class JsonLinesDecoder:
    """Turns chunks into values; what could not be read at once comes as its text, for the reader to try."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.overflow = False
        self._limit = limit
        self._line: list[bytes] = []
        self._held = 0
        self._scanner: JsonScanner | None = None  # of the value that spans lines

    def feed(self, chunk: bytes) -> list[Any]:
        """Add a chunk and return the values it completes."""
        values: list[Any] = []
        if self.overflow:
            return values
        lines = chunk.split(b"\n")
        last = lines.pop()
        for line in lines:
            self._end_line(line, values)
            if self.overflow:
                return values
        self._hold(last)
        return values

    def finish(self) -> list[Any]:
        """Return the value whose line the end of the stream ended."""
        values: list[Any] = []
        if self._line and not self.overflow:
            self._end_line(b"", values)
        if self._scanner is not None and not self.overflow:
            values.append(self._scanner.rest())
        return values

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._held += len(piece)
            self.overflow = self._held > self._limit

    def _end_line(self, piece: bytes, values: list[Any]) -> None:
        if self._line or len(piece) > self._limit:
            self._hold(piece)
            piece = b"".join(self._line)
            self._line, self._held = [], 0
        if not self.overflow:
            self._take(piece, values)

    def _take(self, line: bytes, values: list[Any]) -> None:
        if self._scanner is None:
            line = line.strip(_SEPARATORS)
            if not line:
                return
            try:
                values.append(_DECODER.decode(line))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                self._scan(line, values)
        else:
            self._scan(b"\n" + line, values)

    def _scan(self, line: bytes, values: list[Any]) -> None:
        if self._scanner is None:
            if line[:1] not in b"{[":
                values.append(line)
                return
            self._scanner = JsonScanner(limit=self._limit)
        values += self._scanner.feed(line)
        self.overflow = self._scanner.overflow
        if self._scanner.idle:
            self._scanner = None
