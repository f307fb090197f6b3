"""What the stand-in answers: pure functions from a request to a status, headers and chunks with pauses."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

type Chunk = tuple[float, bytes]

WORDS = ("会議", "の", "要約", "です", "。", " Done", ".")
TEXT = "".join(WORDS)


@dataclass(slots=True)
class Answer:
    """A response: with ``length`` it carries Content-Length, otherwise it is chunked."""

    status: int = 200
    content_type: str = "application/json"
    chunks: Iterator[Chunk] = field(default_factory=lambda: iter(()))
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


def whole(value: object, status: int = 200) -> Answer:
    """Answer with a JSON value and its length."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status=status, chunks=iter([(0.0, body)]), length=len(body))


def events(items: list[bytes], pause: float) -> Answer:
    """Answer with server-sent events, ``pause`` seconds apart."""
    return Answer(content_type="text/event-stream", chunks=((pause, item) for item in items))


def answer(method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
    """Choose the answer by path, as the real services do."""
    path, _, query = target.partition("?")
    options = dict(part.partition("=")[::2] for part in query.split("&") if part)
    for suffix, make in _ROUTES:
        if path.endswith(suffix) or (suffix.endswith("*") and suffix[:-1] in path):
            return make(path, options, headers, body)
    return whole({"path": path, "method": method, "host": headers.get("host", "")})


def _json(body: bytes, headers: dict[str, str]) -> dict[str, object]:
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    value = json.loads(body or b"{}")
    return value if isinstance(value, dict) else {}


def _pause(headers: dict[str, str]) -> float:
    return float(headers.get("x-standin-pause", "0.01"))


def _chat(_path: str, _options: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
    asked = _json(body, headers)
    model = str(asked.get("model", ""))
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    base = {"id": "chatcmpl-1", "created": 1, "model": model}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": TEXT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return whole({**base, "object": "chat.completion", "choices": [choice], "usage": usage})
    count = int(headers.get("x-standin-words", "0"))
    words = WORDS if not count else tuple(f"w{i} " for i in range(count))
    items = [
        {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
        for word in words
    ]
    items.append(
        {
            **base,
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": usage,
        }
    )
    lines = [b"data: " + json.dumps(item, ensure_ascii=False).encode() + b"\n\n" for item in items]
    return events([*lines, b"data: [DONE]\n\n"], _pause(headers))


def _responses(_path: str, _options: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
    asked = _json(body, headers)
    content = {"type": "output_text", "text": TEXT, "annotations": []}
    message = {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }
    final = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": asked.get("model", ""),
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 5,
            "output_tokens": 7,
            "total_tokens": 12,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }
    if not asked.get("stream"):
        return whole(final)
    items = [_named("response.created", {"type": "response.created", "response": {**final, "output": []}})]
    items += [
        _named(
            "response.output_text.delta",
            {
                "type": "response.output_text.delta",
                "item_id": "m1",
                "output_index": 0,
                "content_index": 0,
                "delta": word,
                "sequence_number": number,
                "logprobs": [],
            },
        )
        for number, word in enumerate(WORDS)
    ]
    items.append(_named("response.completed", {"type": "response.completed", "response": final}))
    return events(items, _pause(headers))


def _messages(_path: str, _options: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
    asked = _json(body, headers)
    usage = {"input_tokens": 5, "output_tokens": 7}
    base = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", ""),
        "stop_sequence": None,
    }
    if not asked.get("stream"):
        content = [{"type": "text", "text": TEXT}]
        return whole({**base, "content": content, "stop_reason": "end_turn", "usage": usage})
    start = {**base, "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 0}}
    items = [
        _named("message_start", {"type": "message_start", "message": start}),
        _named(
            "content_block_start",
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
    ]
    items += [
        _named(
            "content_block_delta",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}},
        )
        for word in WORDS
    ]
    items += [
        _named("content_block_stop", {"type": "content_block_stop", "index": 0}),
        _named(
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 7},
            },
        ),
        _named("message_stop", {"type": "message_stop"}),
    ]
    return events(items, _pause(headers))


def _gemini(path: str, options: dict[str, str], headers: dict[str, str], _body: bytes) -> Answer:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    if ":streamGenerateContent" not in path:
        candidate = {"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP"}
        return whole({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x"})
    parts = [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": word}]}}], "usageMetadata": usage}
        for word in WORDS
    ]
    encoded = [json.dumps(part, ensure_ascii=False).encode() for part in parts]
    if options.get("alt") == "sse":
        return events([b"data: " + item + b"\r\n\r\n" for item in encoded], _pause(headers))
    joined = b"[" + b",\r\n".join(encoded) + b"]"
    return Answer(chunks=iter([(0.0, joined[:40]), (_pause(headers), joined[40:])]))


def _models(_path: str, _options: dict[str, str], _headers: dict[str, str], _body: bytes) -> Answer:
    return whole(
        {"object": "list", "data": [{"id": "gpt-x", "object": "model", "created": 1, "owned_by": "x"}]}
    )


def _big(_path: str, options: dict[str, str], headers: dict[str, str], _body: bytes) -> Answer:
    size = int(options.get("size", headers.get("x-standin-size", "1000000")))
    block = bytes(range(256)) * 256
    full, rest = divmod(size, len(block))
    chunks = ((0.0, block if number < full else block[:rest]) for number in range(full + bool(rest)))
    return Answer(content_type="application/octet-stream", chunks=chunks, length=size)


def _zipped(path: str, options: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
    inner = b"".join(chunk for _, chunk in _chat(path, options, headers, body).chunks)
    packed = gzip.compress(inner)
    return Answer(chunks=iter([(0.0, packed)]), length=len(packed), headers={"content-encoding": "gzip"})


def _named(name: str, value: object) -> bytes:
    data = json.dumps(value, ensure_ascii=False).encode()
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


type Make = Callable[[str, dict[str, str], dict[str, str], bytes], Answer]

_ROUTES: tuple[tuple[str, Make], ...] = (
    ("/zipped/chat/completions", _zipped),
    ("/big/chat/completions", _big),
    ("/chat/completions", _chat),
    ("/v1/responses", _responses),
    ("/v1/messages", _messages),
    (":*", _gemini),
    ("/v1/models", _models),
    ("/big", _big),
)
