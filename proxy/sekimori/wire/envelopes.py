"""The envelopes of Connect, gRPC and gRPC-web: a flag byte, a length of four bytes, a message.

A message may be compressed on its own; the end of a Connect stream is a JSON message of its own, that of
a gRPC-web stream a block of trailers. Sources: the Connect protocol reference; gRPC's PROTOCOL-HTTP2 and
PROTOCOL-WEB.
"""

from __future__ import annotations

import binascii
import re

import msgspec

from sekimori.errors import WireError
from sekimori.wire.encoding import DEFAULT_LIMIT, decode
from sekimori.wire.protobuf import read_message
from sekimori.wire.sse import EVENT_LIMIT, Event

END = "end"
_HEAD = 5
_MOST = 1 << 16  # envelopes of one body: empty ones cost far more time than bytes
_COMPRESSED, _CONNECT_END, _TRAILERS = 0x01, 0x02, 0x80
_TYPE = re.compile(
    r"application/(?:connect\+|grpc-web-text\+?|grpc-web\+?|grpc\+?)(json|proto|protobuf)?|application/grpc"
)
_CODINGS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_PADDED = re.compile(rb"(?<==)(?=[^=])")


def is_enveloped(media_type: str) -> bool:
    """Tell whether a body of this type is a row of envelopes."""
    return _TYPE.fullmatch(media_type) is not None


class EnvelopeDecoder:
    """Turns chunks, cut anywhere, into messages; those of protobuf as the JSON of what they hold.

    At most ``limit`` bytes of an unfinished envelope are held, and at most ``total`` come out of all.
    """

    def __init__(self, media_type: str, *, limit: int = EVENT_LIMIT, total: int = DEFAULT_LIMIT) -> None:
        self.fault = ""
        self._json = media_type.endswith("json")
        self._connect = media_type.startswith("application/connect")
        self._base64 = "-text" in media_type
        self._quantum = b""
        self._limit = limit
        self._room = total
        self._buffer = bytearray()
        self._count = 0

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read; ``fault`` tells why."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the messages it completes."""
        events: list[Event] = []
        if self.fault:
            return events
        self._buffer += self._plain(chunk) if self._base64 else chunk
        at = 0
        try:
            while (size := self._size(at)) >= 0 and at + _HEAD + size <= len(self._buffer):
                self._message(self._buffer[at], bytes(self._buffer[at + _HEAD : at + _HEAD + size]), events)
                at += _HEAD + size
        except WireError as fault:
            self.fault = str(fault)
        del self._buffer[: len(self._buffer) if self.fault else at]
        return events

    def finish(self) -> list[Event]:
        """Note an envelope that the stream left unfinished."""
        if (self._buffer or self._quantum) and not self.fault:
            self.fault = "the stream ends within an envelope"
        return []

    def _plain(self, chunk: bytes) -> bytes:
        """Decode base64, in whole quanta; each piece of it may have been padded on its own."""
        chunk = self._quantum + chunk.translate(None, b"\r\n ")
        whole = len(chunk) - len(chunk) % 4
        self._quantum = chunk[whole:]
        try:
            return b"".join(binascii.a2b_base64(piece) for piece in _PADDED.split(chunk[:whole]))
        except binascii.Error:
            self.fault = "the body is no base64"
            return b""

    def _size(self, at: int) -> int:
        """Read the length in the envelope that begins here; -1 while it is not there."""
        if len(self._buffer) < at + _HEAD:
            return -1
        size = int.from_bytes(self._buffer[at + 1 : at + _HEAD])
        if size > self._limit:
            raise WireError("an event is too large")
        if self._buffer[at] & ~(_COMPRESSED | _CONNECT_END | _TRAILERS):
            raise WireError("an envelope has unknown flags")
        return size

    def _message(self, flags: int, payload: bytes, events: list[Event]) -> None:
        self._count += 1
        if self._count > _MOST:
            raise WireError("there are too many envelopes")
        if flags & _COMPRESSED:
            payload = _decompressed(payload, self._room)
        self._room -= len(payload)
        if self._room < 0:
            raise WireError("the envelopes hold too much")
        if flags & _TRAILERS:
            events.append(Event(END, msgspec.json.encode(_trailers(payload))))
        elif flags & _CONNECT_END and self._connect:
            events.append(Event(END, payload))
        elif self._json:
            events.append(Event("message", payload))
        else:
            events.append(Event("message", msgspec.json.encode(read_message(payload))))


def _decompressed(payload: bytes, room: int) -> bytes:
    coding = next((name for mark, name in _CODINGS if payload.startswith(mark)), "br")
    return decode(payload, coding, limit=max(room, 1)).body if payload else b""


def _trailers(payload: bytes) -> dict[str, str]:
    lines = payload.decode("utf-8", "replace").split("\r\n")
    pairs = [line.partition(":") for line in lines if ":" in line]
    return {name.strip().lower(): value.strip() for name, _, value in pairs[:64]}
