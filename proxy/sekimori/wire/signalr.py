"""SignalR's JSON hub protocol: messages of JSON, each ended by the record separator 0x1E."""

from __future__ import annotations

from sekimori.wire.sse import EVENT_LIMIT, Event

SEPARATOR = b"\x1e"


class SignalRDecoder:
    """Turns chunks, cut anywhere, into messages; at most ``limit`` bytes of an unfinished one are held."""

    def __init__(self, *, limit: int = EVENT_LIMIT) -> None:
        self.fault = ""
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0

    @property
    def overflow(self) -> bool:
        """Whether nothing more is read; ``fault`` tells why."""
        return bool(self.fault)

    def feed(self, chunk: bytes) -> list[Event]:
        """Add a chunk and return the messages it completes."""
        events: list[Event] = []
        *ended, rest = chunk.split(SEPARATOR)
        for piece in ended:
            self._hold(piece)
            self._end(events)
        self._hold(rest)
        return events

    def finish(self) -> list[Event]:
        """Return the message that the end left without its separator."""
        events: list[Event] = []
        self._end(events)
        return events

    def _hold(self, piece: bytes) -> None:
        if piece and not self.fault:
            self._held.append(piece)
            self._size += len(piece)
            if self._size > self._limit:
                self.fault, self._held = "a message is too large", []

    def _end(self, events: list[Event]) -> None:
        message, self._held, self._size = b"".join(self._held), [], 0
        if message.strip() and not self.fault:
            events.append(Event("message", message))
