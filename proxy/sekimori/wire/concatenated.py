"""JSON texts one after another, with or without a line break, a length or a mark between them.

Serves objects that abut, JSON lines, and the frames of Google's web services: ``)]}'``, then again and again
a decimal length and a JSON text. The length (in UTF-16 units) is not needed, and clients disagree on whether
it counts the line break: a JSON text tells its own end.
"""

from __future__ import annotations

import re

from sekimori.wire.sse import EVENT_LIMIT, Event

_STRUCTURE = re.compile(rb'["{}\[\]]')
_OPENING = re.compile(rb"[{\[]")
_STRING_STOP = re.compile(rb'["\\]')
_PREFIX = re.compile(rb"[0-9a-zA-Z]{1,4}:(?!//)")


class JsonTextsDecoder:
    """Turns chunks, cut anywhere, into objects and arrays; what stands between them is passed over.

    At most ``limit`` bytes of an unfinished text are held.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.fault = ""
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0  # scanned up to here: nothing is scanned twice
        self._began = 0  # where the text in progress begins
        self._depth = 0
        self._in_string = False

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read; ``fault`` tells why."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the texts it completes."""
        events: list[Event] = []
        if not self.fault:
            self._buffer += chunk
            while (end := self._next()) >= 0:
                self._take(end, events)
            self._drop()
        return events

    def finish(self) -> list[Event]:
        """Note a text that the stream left unfinished."""
        if self._depth and not self.fault:
            self.fault = "the stream ends within a JSON text"
        return []

    def _next(self) -> int:
        """Go on to the end of a text; -1 where it is not there yet."""
        while True:
            pattern = _STRING_STOP if self._in_string else _STRUCTURE if self._depth else _OPENING
            match = pattern.search(self._buffer, self._at)
            if match is None:
                self._at = max(self._at, len(self._buffer))
                return -1
            mark = match[0]
            if not self._depth:
                self._began = match.start()
            # The byte behind a backslash may not be there yet: search() may start beyond the end.
            self._at = match.end() + (mark == b"\\")
            if mark == b'"':
                self._in_string = not self._in_string
            elif mark in b"{[":
                self._depth += 1
            elif mark in b"}]":
                self._depth -= 1
                if not self._depth:
                    return self._at

    def _take(self, end: int, events: list[Event]) -> None:
        if end - self._began > self._limit:
            self.fault = "an event is too large"
        elif not self.fault:
            events.append(Event("message", bytes(self._buffer[self._began : end])))

    def _drop(self) -> None:
        """Forget what stands between texts, and refuse a text that grows too long."""
        done = self._began if self._depth else min(self._at, len(self._buffer))
        del self._buffer[:done]
        self._at -= done
        self._began = 0
        if len(self._buffer) > self._limit:
            self.fault = "an event is too large"
            self._buffer.clear()


class PrefixedLinesDecoder:
    """Turns chunks into lines of JSON, each behind a short mark and a colon: the mark is the event's kind."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.fault = ""
        self._limit = limit
        self._line: list[bytes] = []
        self._held = 0

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read; ``fault`` tells why."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the lines it completes."""
        events: list[Event] = []
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._hold(piece)
            self._end(events)
        self._hold(rest)
        return events

    def finish(self) -> list[Event]:
        """Return the line that the end of the stream left without its break."""
        events: list[Event] = []
        self._end(events)
        return events

    def _hold(self, piece: bytes) -> None:
        if not self.fault:
            self._line.append(piece)
            self._held += len(piece)
            if self._held > self._limit:
                self.fault, self._line = "an event is too large", []

    def _end(self, events: list[Event]) -> None:
        line, self._line, self._held = b"".join(self._line).strip(), [], 0
        if not line or self.fault:
            return
        mark = _PREFIX.match(line)
        kind = mark[0][:-1].decode() if mark else ""
        events.append(Event(kind, line[mark.end() :] if mark else line))
