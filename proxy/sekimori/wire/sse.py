"""Streams of events: server-sent events and JSON arrays, cut anywhere by the network.

Both hold at most ``limit`` bytes of an unfinished event: how long an event is, is for the far end to choose.
Beyond that they set ``overflow`` and read no further; what was complete before stays read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

EVENT_LIMIT = 16 << 20
_MAX_DEPTH = 128
_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_STOP = re.compile(rb'["\\]')


class Event(NamedTuple):
    """One event: its type, and its data: of a server-sent event its data lines joined with newlines."""

    kind: str
    data: str | bytes


class SseDecoder:
    """Turns chunks, cut anywhere, into server-sent events (WHATWG HTML, 9.2.6)."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.overflow = False
        self._limit = limit
        self._line: list[bytes] = []  # the unfinished line
        self._partial = 0
        self._kind = ""
        self._data: list[bytes] = []
        self._held = 0  # bytes of the unfinished event, without its unfinished line
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the events it completes."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CRLF that the network cut
            self._after_cr = False
        if not chunk or self.overflow:
            return []
        if chunk[:6] == b"data: " and self._is_one_event(chunk):
            return [Event("message", chunk[6:-2].decode("utf-8", "replace"))]
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        # Split at LF alone: splitlines() would also cut at U+2028, legal inside JSON.
        lines = chunk.split(b"\n")
        last = lines.pop()
        events = self._lines(lines)
        if last and not self.overflow:
            self._line.append(last)
            self._partial += len(last)
            self.overflow = self._held + self._partial > self._limit
        return events

    def finish(self) -> list[Event]:
        """Return the event that the end of the stream left without its blank line."""
        return [] if self.overflow else self._lines([b"", b""])

    def _is_one_event(self, chunk: bytes) -> bool:
        """Tell a chunk that is one whole event of one line, as most are when they are sent one by one."""
        idle = not (self._line or self._data or self._kind or self._first)
        ends = len(chunk) - 2
        return (
            idle
            and ends <= self._limit
            and chunk.find(b"\n") == ends == chunk.find(b"\n\n", ends)
            and b"\r" not in chunk
        )

    def _lines(self, lines: list[bytes]) -> list[Event]:
        """Take whole lines; runs for every line of every stream, so the usual ones are read right here."""
        events: list[Event] = []
        if lines and (self._first or self._line):
            lines[0] = self._joined(lines[0])
        for line in lines:
            if not line:
                self._end_event(events)
            elif self._held + len(line) > self._limit:
                self.overflow = True
                break
            elif line[:6] == b"data: ":
                self._held += len(line)
                self._data.append(line[6:])
            else:
                self._take(line)
        return events

    def _joined(self, line: bytes) -> bytes:
        line = b"".join([*self._line, line])
        self._line, self._partial = [], 0
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _end_event(self, events: list[Event]) -> None:
        data = self._data
        if data:
            whole = data[0] if len(data) == 1 else b"\n".join(data)
            events.append(Event(self._kind or "message", whole.decode("utf-8", "replace")))
            self._data = []
        self._kind, self._held = "", 0

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._held += len(line)
            self._data.append(value)
        elif name == b"event":
            self._kind = value[:256].decode("utf-8", "replace")


class JsonScanner:
    """Turns chunks, cut anywhere, into the objects and arrays that stand ``depth`` deep, each as its text."""

    def __init__(self, *, limit: int = EVENT_LIMIT, depth: int = 0) -> None:
        self.overflow = False
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0  # scanned up to here: nothing is scanned twice
        self._start = -1  # where the element in progress begins
        self._depth = 0
        self._outside = depth
        self._in_string = False

    @property
    def idle(self) -> bool:
        """Whether nothing is in progress."""
        return self._depth == 0 and not self._in_string

    def finish(self) -> list[bytes]:
        """End the stream: nothing that is unfinished is given out."""
        return []

    def rest(self) -> bytes:
        """Give what is left of the element in progress."""
        return bytes(self._buffer[max(self._start, 0) :])

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
        if self.overflow:
            return False
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
        # Nothing so deep would be read, and every bracket of it would cost a step.
        self.overflow = self._depth > _MAX_DEPTH
        if self._depth == self._outside + 1:
            self._start = at

    def _close(self, elements: list[bytes]) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth == self._outside and self._start >= 0:
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


class JsonArrayDecoder(JsonScanner):
    """Turns chunks, cut anywhere, into the elements of a JSON array of objects, each as its own text."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        super().__init__(limit=limit, depth=1)
