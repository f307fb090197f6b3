"""Recorded exchanges of real services, where the folder with them is there (``SEKIMORI_SHARED`` names another).

What is given out is as on the wire except for the content coding, which is taken off here without any reader
of ours: some recorders took it off themselves and left the header field.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from sekimori.wire.model import Head, RequestReading, ResponseReading
from sekimori.wire.read import read_request, read_response

SHARED = Path(os.environ.get("SEKIMORI_SHARED") or Path(__file__).parents[2].parent / "shared")
TRAFFIC = SHARED / "traffic"
Fields = tuple[tuple[str, str], ...]

needs_traffic = pytest.mark.skipif(
    not TRAFFIC.is_dir(), reason="the recorded traffic is not beside this repository (SEKIMORI_SHARED)"
)
# The framing of the recording's own connection, which says nothing about the bytes that are given out.
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Message:
    """One side of a recorded exchange, content coding taken off."""

    headers: Fields
    body: bytes
    absent: bool = False

    def header(self, name: str) -> str:
        """Find a header field; empty where absent."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded exchange."""

    id: str
    provider: str
    kind: str
    method: str
    url: str
    status: int
    asked: Message
    answered: Message
    frames: tuple[tuple[str, bool, bytes], ...] = ()
    streaming: str = "none"

    @property
    def head(self) -> Head:
        """The head of the request."""
        url = urlsplit(self.url)
        path = url.path + (f"?{url.query}" if url.query else "")
        return Head(self.method, url.netloc, path, self.asked.headers)

    @property
    def succeeded(self) -> bool:
        """Tell whether the service answered with what it was asked for, and both sides were recorded."""
        return 200 <= self.status < 300 and not self.asked.absent and not self.answered.absent

    def read(self) -> tuple[RequestReading, ResponseReading]:
        """Read both sides with the readers under test."""
        request = read_request(self.head, self.asked.body)
        answered = self.answered
        return request, read_response(self.head, request, self.status, answered.headers, answered.body)


def providers() -> list[str]:
    """Name every file of recordings."""
    found = sorted(path.name.removesuffix(".jsonl.gz") for path in TRAFFIC.glob("*.jsonl.gz"))
    return [name for name in found if name != "_negative"]


@cache
def recorded(provider: str) -> tuple[Recorded, ...]:
    """Read the recordings of one provider; none where the folder is absent."""
    path = TRAFFIC / f"{provider}.jsonl.gz"
    if not path.is_file():
        return ()
    with gzip.open(path) as lines:
        return tuple(_recorded(json.loads(line)) for line in lines)


def every_recording() -> Iterator[Recorded]:
    """Yield the recordings of all providers, without those that are no AI traffic."""
    for provider in providers():
        yield from recorded(provider)


def _recorded(record: Any) -> Recorded:
    request, response = record["request"], record.get("response") or {}
    frames = tuple(
        (frame["direction"], frame.get("opcode") in ("text", 1), base64.b64decode(frame["payload_b64"]))
        for frame in record.get("frames") or []
    )
    return Recorded(
        id=record["id"],
        provider=record["provider"],
        kind=record["kind"],
        method=request["method"],
        url=request["url"],
        status=response.get("status") or 0,
        asked=_message(request),
        answered=_message(response),
        frames=frames,
        streaming=str(record.get("streaming")),
    )


def _message(side: Any) -> Message:
    fields = [(str(name), str(value)) for name, value in side.get("headers") or []]
    coding = next((value for name, value in fields if name.lower() == "content-encoding"), "")
    body = _plain(base64.b64decode(side.get("body_b64") or ""), coding.strip().lower())
    kept = tuple((name, value) for name, value in fields if name.lower() not in _FRAMING)
    return Message(kept, body, side.get("body_fidelity", "absent") == "absent")


def _dechunked(body: bytes) -> bytes:
    """Take off the chunks of HTTP, which one recorder left in its bodies."""
    parts, rest = [], body
    while match := re.match(rb"([0-9a-f]{1,8})\r\n", rest):
        size = int(match[1], 16)
        if rest[match.end() + size :][:2] != b"\r\n":
            return body
        parts.append(rest[match.end() : match.end() + size])
        rest = rest[match.end() + size + 2 :]
        if not size:
            return b"".join(parts)
    return body


def _plain(body: bytes, coding: str) -> bytes:
    body = _dechunked(body)
    try:
        if body[:2] == b"\x1f\x8b":
            return gzip.decompress(body)
        if body[:4] == b"\x28\xb5\x2f\xfd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
        if coding == "br":
            return bytes(brotli.decompress(body))
        if coding == "deflate":
            return zlib.decompress(body)
    except (brotli.error, zlib.error):
        return body
    return body
