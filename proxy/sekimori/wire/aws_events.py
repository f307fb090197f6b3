"""The event stream encoding of AWS (application/vnd.amazon.eventstream), cut anywhere by the network.

A message is: total length, length of the headers, CRC-32 of these eight bytes, headers, payload, CRC-32 of
all that. Both checksums are checked: behind a wrong one no boundary can be trusted, and nothing is read.
Source: the Smithy specification, "Amazon Event Stream specification".
"""

from __future__ import annotations

import struct
from zlib import crc32

from sekimori.wire.sse import EVENT_LIMIT, Event

EVENT_STREAM = "application/vnd.amazon.eventstream"
_PRELUDE = 12
_NUMBERS = struct.Struct(">III")
_SMALLEST = 16
_MAX_HEADERS = 128 << 10  # the specification's bound
# Sizes of the values of header types that have one: bool true, bool false, byte, short, int, long, timestamp,
# uuid. Types 6 and 7, bytes and string, begin with their length.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_STRING = 7
_BYTES = 6
_MAX_FIELDS = 64
_MAX_SEEN = 32


def begins_message(start: bytes) -> bool:
    """Tell whether bytes begin with the prelude of a message; nothing else is likely to have its checksum."""
    return len(start) >= _PRELUDE and crc32(start[:8]) == int.from_bytes(start[8:_PRELUDE])


class AwsEventDecoder:
    """Turns chunks into the events that messages carry.

    The kind of an event is its ``:event-type``; of an exception or error it is ``exception:`` and its type.
    At most ``limit`` bytes of an unfinished message are held.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.fault = ""
        self._limit = limit
        self._buffer = bytearray()
        self._size = 0  # of the message that the buffer begins with, once its prelude is there
        self._seen: dict[bytes, dict[str, str]] = {}

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the events it completes."""
        events: list[Event] = []
        if self.fault:
            return events
        buffer = self._buffer
        buffer += chunk
        at, end = 0, len(buffer)
        while end - at >= (self._size or _PRELUDE):
            if not self._size:
                self._begin(at)
            else:
                message = bytes(buffer[at : at + self._size])
                at += self._size
                self._size = 0
                self._message(message, events)
            if self.fault:
                at = end
        del buffer[:at]
        return events

    def finish(self) -> list[Event]:
        """Note a message that the stream left unfinished."""
        if self._buffer and not self.fault:
            self.fault = "the stream ends within a message"
        return []

    def _begin(self, at: int) -> None:
        """Read how long the message is that begins here."""
        size, fields, checksum = _NUMBERS.unpack_from(self._buffer, at)
        if crc32(self._buffer[at : at + 8]) != checksum:
            self.fault = "a message has a wrong checksum"
        elif size < _SMALLEST or fields > min(size - _SMALLEST, _MAX_HEADERS):
            self.fault = "a message has an impossible length"
        elif size > self._limit:
            self.fault = "an event is too large"
        else:
            self._size = size

    def _message(self, message: bytes, events: list[Event]) -> None:
        if crc32(memoryview(message)[:-4]) != int.from_bytes(message[-4:]):
            self.fault = "a message has a wrong checksum"
            return
        ends = _PRELUDE + int.from_bytes(message[4:8])
        fields = self._fields(message[_PRELUDE:ends])
        if fields is None:
            self.fault = "a message has broken headers"
            return
        kind = fields.get(":event-type", "")
        if fields.get(":message-type") in ("exception", "error"):
            kind = "exception:" + (fields.get(":exception-type") or fields.get(":error-code", ""))
            if fields.get(":message-type") == "error":
                events.append(Event(kind, fields.get(":error-message", "").encode()))
                return
        events.append(Event(kind, message[ends:-4]))

    def _fields(self, raw: bytes) -> dict[str, str] | None:
        """Read the headers of a message, or remember them: most messages of a stream have the same."""
        found = self._seen.get(raw)
        if found is None:
            found = _fields(raw)
            if found is not None and len(self._seen) < _MAX_SEEN and len(raw) < 1024:
                self._seen[raw] = found
        return found


def _fields(raw: bytes) -> dict[str, str] | None:
    """Read the headers of a message, strings only; ``None`` where they don't fit their length."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(raw):
        name_ends = at + 1 + raw[at]
        if name_ends >= len(raw) or len(fields) >= _MAX_FIELDS:
            return None
        name, kind, at = raw[at + 1 : name_ends], raw[name_ends], name_ends + 1
        size = _SIZES.get(kind)
        if size is None:
            if kind not in (_BYTES, _STRING) or at + 2 > len(raw):
                return None
            size, at = int.from_bytes(raw[at : at + 2]), at + 2
        if at + size > len(raw):
            return None
        if kind == _STRING:
            fields[name.decode("utf-8", "replace")] = raw[at : at + size].decode("utf-8", "replace")
        at += size
    return fields
