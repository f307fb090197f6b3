"""Framings that a streamed answer shows by itself, whichever dialect is spoken in it."""

from __future__ import annotations

import re

from sekimori.wire.aws_events import EVENT_STREAM, AwsEventDecoder, begins_message
from sekimori.wire.lines import JsonLinesDecoder
from sekimori.wire.sse import JsonArrayDecoder, SseDecoder

SHOWN = 12  # bytes, past white space, that tell the framings from each other: the prelude of an AWS message
_LINE_TYPES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/stream+json",
        "application/json-seq",
        "text/jsonl",
    }
)
_FIELD = re.compile(rb"(?:data|event|id|retry)?:")


def choose_framing(
    start: bytes, media_type: str, *, array: bool, lines: bool
) -> AwsEventDecoder | SseDecoder | JsonLinesDecoder | JsonArrayDecoder | None:
    """Choose the framing of an answer that begins so; ``None`` for a document, which is read at its end.

    ``array`` and ``lines`` tell that the dialect streams a JSON array, or one JSON text after another.
    """
    begin = start.lstrip().removeprefix(b"\xef\xbb\xbf").lstrip()
    mark = begin[:1]
    if media_type == EVENT_STREAM or begins_message(start):
        # Recorders and proxies change bodies and leave the type: a document must still be read.
        return AwsEventDecoder() if mark not in (b"{", b"[", b"") else None
    if _FIELD.match(begin) or (media_type == "text/event-stream" and mark not in (b"{", b"[", b"")):
        return SseDecoder()
    if array and mark == b"[":
        return JsonArrayDecoder()
    if mark in (b"{", b"\x1e") and (lines or media_type in _LINE_TYPES):
        return JsonLinesDecoder()
    return None
