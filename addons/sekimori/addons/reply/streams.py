"""Refusals where an answer has already begun: an error event in a stream, a close on a WebSocket."""

from __future__ import annotations

import struct
from zlib import crc32

from sekimori.addons.reply.refusal import Refusal, message
from sekimori.addons.reply.shapes import (
    anthropic_error,
    encode,
    error_names,
    gemini_error,
    openai_error,
    problem,
)
from sekimori.addons.reply.text import header_token

# RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code.
_CLOSE_REASON_BYTES = 123
_POLICY_VIOLATION = 1008


def stream_event(refusal: Refusal, shape: str) -> bytes:
    """Return the event that tells a client in the middle of a stream that it ends here, and why.

    It begins with a blank line where the format allows one, since the stream may have been cut
    within an event: a half line must not swallow the error.
    """
    if shape == "openai":
        return b"\n\ndata: " + encode(openai_error(refusal)) + b"\n\n"
    if shape == "gemini":
        return b"\r\n\r\ndata: " + encode(gemini_error(refusal)) + b"\r\n\r\n"
    if shape == "anthropic":
        return b"\n\nevent: error\ndata: " + encode(anthropic_error(refusal)) + b"\n\n"
    if shape == "bedrock":
        return _event_stream_exception(refusal)
    return b"\n\nevent: error\ndata: " + encode(problem(refusal)) + b"\n\n"


def close_code(refusal: Refusal) -> tuple[int, bytes]:
    """Return the WebSocket close code and as much of the reason as a close frame holds."""
    code = refusal.code.value.encode("ascii")
    reason = code + b" " + header_token(refusal.reference) + b" " + refusal.text.ja.encode()
    return _POLICY_VIOLATION, _cut(reason, _CLOSE_REASON_BYTES)


def _cut(text: bytes, limit: int) -> bytes:
    return text[:limit].decode("utf-8", "ignore").encode() if len(text) > limit else text


def _event_stream_exception(refusal: Refusal) -> bytes:
    """Frame an exception as ``application/vnd.amazon.eventstream``.

    Total length, header length, CRC of both; headers; payload; CRC of everything before it.
    """
    kind = error_names(refusal.http_status).bedrock
    kind = kind[0].lower() + kind[1:]  # members of the stream's union start in lower case
    headers = b"".join(
        _event_stream_header(name, value)
        for name, value in (
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        )
    )
    return event_stream_frame(headers, encode({"message": message(refusal)}))


def event_stream_frame(headers: bytes, payload: bytes) -> bytes:
    """Put one message of an AWS event stream together."""
    prelude = struct.pack("!II", 12 + len(headers) + len(payload) + 4, len(headers))
    frame = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return frame + struct.pack("!I", crc32(frame))


def _event_stream_header(name: str, value: str) -> bytes:
    string_type = 7
    return (
        struct.pack("!B", len(name))
        + name.encode("ascii")
        + struct.pack("!BH", string_type, len(value))
        + value.encode("ascii")
    )
