"""The wire readers: what reading one long prompt costs, and what reading one long answer costs in total."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from figures import Figure, figure

from sekimori.wire.model import Head, RequestReading
from sekimori.wire.read import ResponseReader, read_request

_HEAD = Head("POST", "api.openai.com", "/v1/chat/completions", (("content-type", "application/json"),))
_STREAM = (("content-type", "text/event-stream"),)
_REQUEST_BYTES = 200_000
_EVENTS = 2_000
_REQUEST_MS, _STREAM_MS = 2.0, 10.0
_PER_CHUNK = 3  # events that usually arrive together


def read_chat(folder: Path, *, quick: bool) -> Figure:  # noqa: ARG001 - every benchmark is called alike
    """Milliseconds of reading a chat request of 200 KB: a conversation, half of it in Japanese."""
    body = _chat()
    assert read_request(_HEAD, body).parse == "parsed"
    taken = _timed(lambda: read_request(_HEAD, body), rounds=3 if quick else 41)
    return figure("wire_request", "ms", taken, bytes=len(body), within=_median(taken) <= _REQUEST_MS)


def read_stream(folder: Path, *, quick: bool) -> Figure:  # noqa: ARG001
    """Milliseconds of reading a streamed answer of 2,000 events, cut as the network cuts it."""
    asked = read_request(_HEAD, _chat())
    chunks = _answer()
    assert len(_read(asked, chunks)) > _EVENTS
    taken = _timed(lambda: _read(asked, chunks), rounds=3 if quick else 41)
    return figure("wire_stream", "ms", taken, events=_EVENTS, within=_median(taken) <= _STREAM_MS)


def _read(asked: RequestReading, chunks: list[bytes]) -> str:
    reader = ResponseReader(_HEAD, asked, 200, _STREAM)
    for chunk in chunks:
        reader.feed(chunk)
    return reader.finish().output


def _timed(work: Callable[[], object], *, rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        before = time.process_time()  # a reader waits for nothing: what else runs here is not its cost
        work()
        taken.append((time.process_time() - before) * 1e3)
    return taken


def _median(taken: list[float]) -> float:
    return sorted(taken)[len(taken) // 2]


def _chat() -> bytes:
    turns, size, number = [], 0, 0
    while size < _REQUEST_BYTES:
        text = (
            "会議の要点を三つにまとめてください。" if number % 2 else "Please sum up what was decided. "
        ) * 12
        turns.append({"role": "assistant" if number % 2 else "user", "content": text})
        size += len(json.dumps(turns[-1], ensure_ascii=False).encode()) + 2
        number += 1
    asked = {"model": "gpt-x", "stream": True, "messages": turns}
    return json.dumps(asked, ensure_ascii=False).encode()


def _answer() -> list[bytes]:
    events = [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-x",
            "choices": [
                {"index": 0, "delta": {"content": "はい " if at % 2 else " yes"}, "finish_reason": None}
            ],
        }
        for at in range(_EVENTS)
    ]
    texts = [b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events]
    texts.append(b"data: [DONE]\n\n")
    return [b"".join(texts[at : at + _PER_CHUNK]) for at in range(0, len(texts), _PER_CHUNK)]
