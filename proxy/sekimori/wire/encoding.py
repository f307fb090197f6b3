"""Content codings taken off as the bytes arrive: gzip, deflate (both kinds), br and zstd, each bounded.

The bound is on what comes out: 10 KB of input can ask for 10 GB. Whoever sent the bytes is not trusted to
have named the coding rightly: bytes that don't carry the coding's mark are passed through as they are,
because recorders and proxies decode bodies and leave the header. Such a body, and one that two decoders might
take for different texts, is not ``sure``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # ships no types
import zstandard

from sekimori.errors import WireError

MAX_CODINGS = 4
DEFAULT_LIMIT = 64 << 20
# What shows whether a body carries the mark of its coding: as much of it however the network cut it.
_SHOWS = re.compile(rb"(?:\s*+\S){8}")
_HELD = 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x50\x2a\x4d\x18"
_ZSTD_WINDOW = 1 << 23  # RFC 9659: a decoder on the web supports windows up to 8 MB, and no more
_ZSTD_STEP = 128  # python-zstandard can't bound a call's output: 4 bytes of input make at most 128 KB of it
_PLAIN = re.compile(rb"\s*+(?:\{\s*+[\"}]|\[\s*+[\[{\"\]]|data:|event:|id:|: |<[!?a-zA-Z])")
_STEP = 1 << 18


class _Codec(Protocol):
    """One compressed stream of one coding; ``ended`` once its end mark was read."""

    ended: bool

    def feed(self, chunk: bytes, emit: Callable[[bytes], None]) -> bytes:
        """Decode a chunk piecewise into ``emit``; return what stands behind the end of the stream."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)
        self.ended = False

    def feed(self, chunk: bytes, emit: Callable[[bytes], None]) -> bytes:
        try:
            while chunk:
                emit(self._stream.decompress(chunk, _STEP))
                chunk = self._stream.unconsumed_tail
        except zlib.error as fault:
            raise WireError(f"the body is not what its coding says: {fault}") from fault
        # Output may be pending although all input is consumed.
        while (more := self._stream.decompress(b"", _STEP)) if not self._stream.eof else b"":
            emit(more)
        self.ended = self._stream.eof
        return self._stream.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self.ended = False

    def feed(self, chunk: bytes, emit: Callable[[bytes], None]) -> bytes:
        try:
            piece = self._stream.process(chunk, output_buffer_limit=_STEP)
            # can_accept_more_data() is true as soon as the input is taken in, with output still to come.
            while piece:
                emit(piece)
                piece = self._stream.process(b"", output_buffer_limit=_STEP)
        except brotli.error as fault:
            raise WireError(f"the body is not what its coding says: {fault}") from fault
        self.ended = self._stream.is_finished()
        return b""


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.ended = False

    def feed(self, chunk: bytes, emit: Callable[[bytes], None]) -> bytes:
        try:
            for at in range(0, len(chunk), _ZSTD_STEP):
                emit(self._stream.decompress(chunk[at : at + _ZSTD_STEP]))
                if self._stream.eof:
                    self.ended = True
                    return self._stream.unused_data + chunk[at + _ZSTD_STEP :]
        except zstandard.ZstdError as fault:
            raise WireError(f"the body is not what its coding says: {fault}") from fault
        return b""


class _Layer:
    """One coding of a body: looks for its mark, then decodes stream after stream."""

    def __init__(self, coding: str, emit: Callable[[bytes], None]) -> None:
        self._coding = coding
        self._emit = emit
        self._held = b""
        self._codec: _Codec | None = None
        self._plain = False
        self._over = False
        self.sure = True

    def feed(self, chunk: bytes) -> None:
        """Decode a chunk into ``emit``."""
        if self._codec is not None:
            self._decode(chunk)
        elif self._plain:
            self._emit(chunk)
        else:
            self._held += chunk
            if len(self._held) >= _HELD or _SHOWS.match(self._held):
                self._decide()

    def finish(self) -> bool:
        """End the layer; tell whether its stream was complete."""
        if self._held:
            self._decide()
        return self._codec is None or self._over or self._codec.ended

    def _decide(self) -> None:
        chunk, self._held = self._held, b""
        shown = _SHOWS.match(chunk, 0, _HELD)
        if _PLAIN.match(shown[0] if shown else chunk[:_HELD]) or not _MARKED[self._coding](chunk):
            self._plain, self.sure = True, False
            self._emit(chunk)
        else:
            self._codec = _codec(self._coding, chunk)
            self._decode(chunk)

    def _decode(self, chunk: bytes) -> None:
        while chunk and self._codec is not None and not self._over:
            if self._codec.ended:
                # A second member, or garbage: decoders differ in whether they read it.
                self.sure = False
                if self._coding == "br":
                    # Its decoder refuses what stands behind the end in the same chunk; so do we in the next.
                    raise WireError("the body is not what its coding says: it goes on behind its end")
                self._codec = _codec(self._coding, chunk)
                self._over = not _MARKED[self._coding](chunk)
                continue
            chunk = self._codec.feed(chunk, self._emit)


def _codec(coding: str, start: bytes) -> _Codec:
    if coding == "gzip":
        return _Zlib(31)
    if coding == "deflate":
        return _Zlib(15 if _zlib_header(start) else -15)
    return _Brotli() if coding == "br" else _Zstd()


def _zlib_header(start: bytes) -> bool:
    return len(start) > 1 and start[0] & 15 == 8 and int.from_bytes(start[:2]) % 31 == 0  # RFC 1950, 2.2


_MARKED: dict[str, Callable[[bytes], bool]] = {
    "gzip": lambda start: start[:2] == _GZIP[: len(start)],
    "zstd": lambda start: start[:4] in (_ZSTD[: len(start)], _ZSTD_SKIPPABLE),
    "br": lambda _start: True,
    "deflate": lambda _start: True,
}


class ContentDecoder:
    """Takes the codings of a Content-Encoding field off a body that arrives in chunks.

    ``feed`` raises WireError for an unknown or broken coding and where more than ``limit`` bytes come out.
    ``sure`` is false where another decoder might read another text, ``complete`` where the body ended early.
    """

    def __init__(self, content_encoding: str, *, limit: int = DEFAULT_LIMIT) -> None:
        self._room = limit
        self._limit = limit
        self._out: list[bytes] = []
        self._layers: list[_Layer] = []
        self.complete = True
        emit: Callable[[bytes], None] = self._collect
        for coding in codings(content_encoding):
            layer = _Layer(coding, emit)
            self._layers.append(layer)
            emit = layer.feed
        self._first = emit

    @property
    def sure(self) -> bool:
        """Whether every decoder reads the same text from this body."""
        return all(layer.sure for layer in self._layers)

    def feed(self, chunk: bytes) -> bytes:
        """Add a chunk and return what it decodes to."""
        if not self._layers and len(chunk) <= self._room:
            self._room -= len(chunk)
            return chunk
        self._first(chunk)
        return self.taken()

    def finish(self) -> bytes:
        """Return what was held back, and settle ``complete``."""
        for layer in reversed(self._layers):
            self.complete = layer.finish() and self.complete
        return self.taken()

    def _collect(self, piece: bytes) -> None:
        room, self._room = self._room, self._room - len(piece)
        self._out.append(piece[:room])
        if self._room < 0:
            self._room = 0
            raise WireError(f"the decoded body is larger than {self._limit} bytes")

    def taken(self) -> bytes:
        """Return what was decoded and not yet returned: after a fault, what came before it."""
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)


def codings(content_encoding: str) -> list[str]:
    """List the codings of a Content-Encoding field as they were applied, identity left out."""
    if not content_encoding:
        return []
    names = [name.strip().lower().removeprefix("x-") for name in content_encoding.split(",")]
    names = [name for name in names if name and name != "identity"]
    if len(names) > MAX_CODINGS or any(name not in _MARKED for name in names):
        raise WireError(f"the content coding {content_encoding[:64]!r} is not known")
    return names


_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,256})?\r\n")


def dechunked(body: bytes) -> bytes:
    """Take the chunked transfer coding off a whole body that a recorder left it on; any other stays as it is.

    Nothing short of all chunks, to the last and empty one, is taken for the coding (RFC 9112, 7.1).
    """
    pieces: list[bytes] = []
    at = 0
    while (mark := _CHUNK.match(body, at)) is not None:
        size, at = int(mark[1], 16), mark.end()
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[at : at + size])
        at += size
        if body[at : at + 2] != b"\r\n":
            break
        at += 2
    return body


@dataclass(frozen=True, slots=True)
class Decoded:
    """A whole body without its codings; ``sure`` as for ContentDecoder, false also where it stops short."""

    body: bytes
    sure: bool = True


def decode(body: bytes, content_encoding: str, *, limit: int = DEFAULT_LIMIT) -> Decoded:
    """Take all codings off a whole body; raises WireError where that fails or exceeds ``limit`` bytes."""
    if not content_encoding:
        return Decoded(body)
    decoder = ContentDecoder(content_encoding, limit=limit)
    plain = decoder.feed(body) + decoder.finish()
    sure = decoder.sure and decoder.complete
    if sure and "deflate" in content_encoding.lower():
        sure = _one_kind_of_deflate(body)
    return Decoded(plain, sure)


def _one_kind_of_deflate(body: bytes) -> bool:
    """Tell that a zlib stream is no raw deflate stream as well: one can be made that is both."""
    if not _zlib_header(body):
        return True
    try:
        return not zlib.decompressobj(-15).decompress(body, 1)
    except zlib.error:
        return True
