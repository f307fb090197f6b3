"""Streams of events: server-sent events and JSON arrays, cut anywhere by the network.

Both hold at most ``limit`` bytes of an unfinished event: how long an event is, is for the far end to choose.
Beyond that they set ``overflow`` and read no further; what was complete before stays read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EVENT_LIMIT = 16 << 20
_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_STOP = re.compile(rb'["\\]')


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its type and its data lines joined with newlines."""

    kind: str
    data: str


class SseDecoder:
    """Turns chunks, cut anywhere, into server-sent events (WHATWG HTML, 9.2.6)."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.overflow = False
        self._limit = limit
        self._line: list[bytes] = []
        self._held = 0  # bytes of the unfinished event, its unfinished line included
        self._kind = ""
        self._data: list[bytes] = []
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the events it completes."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CRLF that the network cut
            self._after_cr = False
        if not chunk or self.overflow:
            return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        # Split at LF alone: splitlines() would also cut at U+2028, legal inside JSON.
        lines = chunk.split(b"\n")
        last = lines.pop()
        events: list[Event] = []
        for line in lines:
            self._end_line(line, events)
        self._hold(last)
        return events

    def finish(self) -> list[Event]:
        """Return the event that the end of the stream left without its blank line."""
        events: list[Event] = []
        self._end_line(b"", events)
        self._end_line(b"", events)
        return events

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._held += len(piece)
            self.overflow = self.overflow or self._held > self._limit

    def _end_line(self, piece: bytes, events: list[Event]) -> None:
        self._hold(piece)
        line, self._line = b"".join(self._line), []
        if self.overflow:
            return
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            self._take(line)
        else:
            self._end_event(events)

    def _end_event(self, events: list[Event]) -> None:
        if self._data:
            events.append(Event(self._kind or "message", b"\n".join(self._data).decode("utf-8", "replace")))
        self._data, self._kind, self._held = [], "", 0

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            return
        self._held -= len(line)  # kept nowhere, or counted as nothing: comments may go on for ever
        if name == b"event":
            self._kind = value[:256].decode("utf-8", "replace")


class JsonArrayDecoder:
    """Turns chunks, cut anywhere, into the elements of a JSON array of objects, each as its own text."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.overflow = False
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0  # scanned up to here: nothing is scanned twice
        self._start = -1  # where the element in progress begins
        self._depth = 0
        self._in_string = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk and return the elements it completes."""
        elements: list[bytes] = []
        if not self.overflow:
            self._buffer += chunk
            while self._step(elements):
                pass
            self._drop()
        return elements

    def _step(self, elements: list[bytes]) -> bool:
        """Go to the next byte that matters; tell whether there is one."""
        pattern = _STRING_STOP if self._in_string else _STRUCTURE
        match = pattern.search(self._buffer, self._at)
        if match is None:
            self._at = max(self._at, len(self._buffer))
            return False
        at, mark = match.start(), match[0]
        if mark == b"\\":
            # The escaped byte may not be there yet: search() is content with a start beyond the end.
            self._at = at + 2
            return True
        self._at = at + 1
        if mark == b'"':
            self._in_string = not self._in_string
        elif mark in b"{[":
            self._open(at)
        else:
            self._close(elements)
        return True

    def _open(self, at: int) -> None:
        self._depth += 1
        if self._depth == 2:
            self._start = at

    def _close(self, elements: list[bytes]) -> None:
        self._depth -= 1
        if self._depth == 1 and self._start >= 0:
            element = bytes(self._buffer[self._start : self._at])
            self._start = -1
            if len(element) > self._limit:
                self.overflow = True
            elif not self.overflow:
                elements.append(element)

    def _drop(self) -> None:
        """Forget what was scanned and belongs to no element in progress."""
        done = self._start if self._start >= 0 else min(self._at, len(self._buffer))
        del self._buffer[:done]
        self._at -= done
        self._start = 0 if self._start >= 0 else -1
        self.overflow = self.overflow or len(self._buffer) > self._limit
