"""An answer read while it streams through the gate: however the network cuts it, the reading is the same."""

from __future__ import annotations

import re
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.answer import Answer, error_text, problem_text
from sekimori.wire.dialects import DIALECTS
from sekimori.wire.encoding import DEFAULT_LIMIT, ContentDecoder
from sekimori.wire.jsontext import read_json
from sekimori.wire.model import Head, Headers, RequestReading, ResponseReading
from sekimori.wire.sse import JsonArrayDecoder, SseDecoder
from sekimori.wire.target import header, media_type

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_SHOWN = 8  # bytes, past white space, that tell an event stream from a document
_ENDS = frozenset({"[DONE]", ""})


class ResponseReader:
    """Reads an answer as it arrives; ``feed`` and ``finish`` never raise.

    At most ``limit`` decoded bytes are read; what comes after is skipped, and that is noted.
    """

    def __init__(
        self,
        head: Head,
        request: RequestReading,
        status: int,
        headers: Headers,
        *,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self._dialect = _BY_NAME.get(request.dialect)
        self._kind = request.kind
        self._status = status
        self._bodiless = head.method == "HEAD" or status in (204, 304)
        self._answer = Answer()
        self._stopped = False
        self._limit = limit
        self._read = 0
        self._start = b""
        self._whole: list[bytes] | None = None
        self._sse: SseDecoder | None = None
        self._array: JsonArrayDecoder | None = None
        self._type = media_type(header(headers, "content-type"))
        self._decoder: ContentDecoder | None = None
        try:
            self._decoder = ContentDecoder(header(headers, "content-encoding"), limit=limit)
        except WireError as fault:
            self._stop(str(fault))

    def feed(self, chunk: bytes) -> None:
        """Add a chunk as it came over the wire, still content-encoded."""
        if self._stopped or self._decoder is None:
            return
        try:
            self._take(self._decoder.feed(chunk))
        except WireError as fault:
            self._take_safely(self._decoder.taken(), str(fault))
        except Exception as fault:  # noqa: BLE001 - a reader's own mistake must not break the answer
            self._stop(f"reader: {type(fault).__name__}")

    def finish(self) -> ResponseReading:
        """Read what is left and return the answer."""
        try:
            self._end()
        except WireError as fault:
            self._answer.skip(f"body: {fault}")
        except Exception as fault:  # noqa: BLE001 - as above
            self._answer.skip(f"reader: {type(fault).__name__}")
        return self._answer.reading()

    def _take_safely(self, plain: bytes, why: str) -> None:
        """Read what was decoded before a fault, wherever the network had cut it."""
        try:
            self._take(plain)
        except WireError as fault:
            self._answer.skip(f"body: {fault}")
        self._stop(why)

    def _stop(self, why: str) -> None:
        self._stopped = True
        self._answer.skip(f"body: {why}")

    def _end(self) -> None:
        if self._decoder is not None and not self._stopped:
            self._take(self._decoder.finish())
        if self._start:
            self._choose()
        if self._sse is not None:
            self._events(self._sse.finish())
        elif self._array is None:
            self._document(b"".join(self._whole or []))
        if self._status >= 400 and not self._answer.error:
            self._answer.error = f"HTTP {self._status}"

    def _take(self, plain: bytes) -> None:
        if not plain:
            return
        if self._sse is not None:
            self._events(self._sse.feed(plain))
            if self._sse.overflow:
                self._stop("an event is too large")
        elif self._array is not None:
            for element in self._array.feed(plain):
                self._event(element)
            if self._array.overflow:
                self._stop("an event is too large")
        elif self._whole is not None:
            self._whole.append(plain)
        else:
            self._start += plain
            if len(self._start.lstrip()) >= _SHOWN or len(self._start) > 1 << 16:
                self._choose()

    def _choose(self) -> None:
        """Tell an event stream, an array of events and a document from each other by how they begin."""
        start, self._start = self._start, b""
        begin = start.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip()
        array = self._dialect is not None and self._dialect.array
        if _FIELD.match(begin) or (self._type == "text/event-stream" and begin[:1] not in b"{["):
            self._sse = SseDecoder()
        elif array and begin[:1] == b"[":
            self._array = JsonArrayDecoder()
        else:
            self._whole = []
        self._take(start)

    def _events(self, events: list[Any]) -> None:
        for event in events:
            data = event.data.strip()
            if data not in _ENDS:
                self._event(data)

    def _event(self, data: str | bytes) -> None:
        try:
            value = read_json(data)
        except WireError:
            self._answer.skip("an event that is no JSON text")
            return
        if self._dialect is not None and isinstance(value, dict):
            self._dialect.event(self._answer, value)

    def _document(self, body: bytes) -> None:
        if not body:
            self._answer.understood = self._bodiless
            return
        try:
            value = read_json(body)
        except WireError as fault:
            self._answer.skip(f"body: {fault}"[:120])
            return
        self._understand(value)

    def _understand(self, value: Any) -> None:
        answer = self._answer
        if self._dialect is not None:
            self._dialect.whole(answer, value)
        elif self._kind == "model-list":
            answer.understood = isinstance(value, (dict, list))
        if self._status >= 400 and not answer.error:
            answer.error = error_text(value) or problem_text(value)
            answer.understood = answer.understood or bool(answer.error)
        if not answer.understood:
            answer.skip("the answer is in no known form")
