"""An answer read while it streams through the gate: however the network cuts it, the reading is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sekimori.errors import WireError
from sekimori.wire.answer import Answer, error_text, problem_text
from sekimori.wire.dialects import DIALECTS
from sekimori.wire.dialects.dialect import Framing
from sekimori.wire.encoding import DEFAULT_LIMIT, ContentDecoder
from sekimori.wire.framing import SHOWN, choose_framing
from sekimori.wire.jsontext import read_fast, read_json
from sekimori.wire.lines import JsonLinesDecoder
from sekimori.wire.media import describe
from sekimori.wire.model import Head, Headers, RequestReading, ResponseReading
from sekimori.wire.sse import Event
from sekimori.wire.target import header, media_type

_BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
_ENDS = frozenset({"[DONE]", "", b""})
_SILENT = frozenset({"file", "batch", "state", "train"})  # kinds of which nothing need be said
_BYTES = frozenset({"audio", "image", "file"})  # kinds whose answers may be the thing itself


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
        self._framing: Framing | None = None
        self._verbatim = self._dialect is not None and self._dialect.verbatim
        self._headers = headers
        self._lines = False
        self._held: list[Any] | None = None
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
        if self._framing is not None:
            self._frames(self._framing.finish())
            self._check_framing(self._framing)
            if self._held:
                self._whole_value(self._held[0])
        else:
            self._document(b"".join(self._whole or []))
        if self._dialect is not None and self._dialect.finish is not None:
            self._dialect.finish(self._answer)
        if self._dialect is not None and self._dialect.heading is not None:
            self._dialect.heading(self._answer, self._headers)
        if self._status >= 400 and not self._answer.error:
            self._answer.error = f"HTTP {self._status}"

    def _take(self, plain: bytes) -> None:
        if not plain:
            return
        if self._framing is not None:
            self._frames(self._framing.feed(plain))
            self._check_framing(self._framing)
        elif self._whole is not None:
            self._whole.append(plain)
        else:
            self._start += plain
            if len(self._start.lstrip()) >= SHOWN or len(self._start) > 1 << 16:
                self._choose()

    def _choose(self) -> None:
        """Tell the framings and a document from each other by how they begin."""
        start, self._start = self._start, b""
        dialect = self._dialect
        if dialect is not None and dialect.framing is not None:
            begin = start.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip()
            self._framing = dialect.framing(begin, self._type)
        if self._framing is None:
            array, lines = (dialect.array, dialect.lines) if dialect is not None else (False, False)
            self._framing = choose_framing(start, self._type, array=array, lines=lines)
            self._lines = isinstance(self._framing, JsonLinesDecoder)
        self._whole = [] if self._framing is None else None
        self._take(start)

    def _check_framing(self, framing: Framing) -> None:
        if framing.overflow:
            self._stop(getattr(framing, "fault", "an event is too large"))

    def _frames(self, frames: Sequence[Any]) -> None:
        for frame in frames:
            if type(frame) is Event:
                self._event(frame)
            elif not self._lines or self._lone(frame):
                self._text(frame) if isinstance(frame, (str, bytes)) else self._give(frame, "")

    def _lone(self, frame: Any) -> bool:
        """Hold the first of several JSON texts back: if none follows, it is the whole answer and no event."""
        if self._held is None:
            self._held = [frame]
            return False
        if self._held:
            (first,) = self._held
            self._held = []
            self._frames([first])
        return True

    def _event(self, event: Event) -> None:
        data = event.data
        if self._verbatim:
            if data != "[DONE]":
                self._give(data, event.kind)
            return
        try:
            value = read_fast(data)
        except (ValueError, RecursionError):
            # What is no strict JSON text: the end mark, or nothing, or what a lax reader can still read.
            if data.strip() not in _ENDS:
                self._text(data, event.kind)
            return
        self._give(value, event.kind)

    def _text(self, data: str | bytes, name: str = "") -> None:
        try:
            value = read_json(data)
        except WireError:
            if self._dialect is None or self._dialect.named is None or isinstance(data, bytes):
                self._answer.skip("an event that is no JSON text")
                return
            value = data
        self._give(value, name)

    def _give(self, value: Any, name: str) -> None:
        dialect = self._dialect
        if dialect is None:
            return
        if dialect.named is not None:
            dialect.named(self._answer, name, value)
        elif type(value) is dict:
            dialect.event(self._answer, value)

    def _document(self, body: bytes) -> None:
        if self._kind == "not-ai":
            self._answer.understood = True  # a page is made of it: nothing in it was said by a model
            return
        if not body:
            self._answer.understood = self._bodiless or (self._kind in _SILENT and self._status < 300)
            return
        self._whole_value(body)

    def _whole_value(self, body: Any) -> None:
        try:
            value = read_json(body) if isinstance(body, (bytes, str)) else body
        except WireError as fault:
            raw = body if isinstance(body, bytes) else body.encode()
            self._content(raw, f"body: {fault}"[:120])
            return
        self._understand(value)

    def _content(self, body: bytes, why: str) -> None:
        """Read an answer that is no JSON: what was asked for may be a sound, a picture or a file."""
        answer = self._answer
        if self._dialect is not None and self._dialect.content is not None and self._status < 400:
            self._dialect.content(answer, body, self._type)
        elif self._kind in _BYTES and self._status < 400:
            answer.understood = True
            answer.attach(describe(body, declared=self._type)[0])
        elif self._status >= 400 and self._type == "text/plain":
            answer.error = body[:1000].decode("utf-8", "replace").strip()
            answer.understood = bool(answer.error)
        if not answer.understood:
            answer.skip(why)

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
