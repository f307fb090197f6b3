"""The service that both proxies forward to: as cheap as Python makes it, so that the cores are the proxies'.

Speaks HTTP/1.1 over TLS from one thread a connection: canned chat completions; server-sent events whose
``sent`` is the instant they left, on a clock that all processes of a machine share; bytes without end.
Prints its port as JSON and serves until standard input closes.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb"\r\nx-bench-chunks: *(\d+)", re.IGNORECASE)
_PAUSE = re.compile(rb"\r\nx-bench-pause: *([\d.]+)", re.IGNORECASE)
_BLOCK = bytes(range(256)) * 256

_TEXT = "予算の要約です。来年度の増額は承認されました。" * 8
_MESSAGE = {"role": "assistant", "content": _TEXT}
_ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700},
    },
    ensure_ascii=False,
).encode()
_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_ANSWER),
    _ANSWER,
)
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","sent":%d,'
    '"choices":[{"index":0,"delta":{"content":"要約の一部です。"},"finish_reason":null}]}'
)


def main() -> None:
    """Serve the certificate given as the only argument."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(sys.argv[1]))
    context.set_alpn_protocols(["http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    threading.Thread(target=_accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=_serve, args=(plain, context), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with plain, context.wrap_socket(plain, server_side=True) as connection:
            while head := _read_request(connection):
                _answer(connection, head)
    except OSError:
        return  # the proxy closed the connection: its right


def _read_request(connection: ssl.SSLSocket) -> bytes:
    """Return a request's head once its body has arrived too, or nothing when the peer leaves."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head = data[: end + 2]
    length = _LENGTH.search(head)
    missing = (int(length.group(1)) if length else 0) - (len(data) - end - 4)
    while missing > 0:
        missing -= len(connection.recv(65536)) or missing
    return head


def _answer(connection: ssl.SSLSocket, head: bytes) -> None:
    target = head.split(b" ", 2)[1]
    chunks = _CHUNKS.search(head)
    if target.startswith(b"/bytes/"):
        _send_bytes(connection, int(target[7:]))
    elif chunks:
        pause = _PAUSE.search(head)
        _send_events(connection, int(chunks.group(1)), float(pause.group(1)) if pause else 0.0)
    else:
        connection.sendall(_WHOLE)


def _send_bytes(connection: ssl.SSLSocket, size: int) -> None:
    connection.sendall(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % size
    )
    whole, rest = divmod(size, len(_BLOCK))
    for _ in range(whole):
        connection.sendall(_BLOCK)
    connection.sendall(_BLOCK[:rest])


def _send_events(connection: ssl.SSLSocket, count: int, pause: float) -> None:
    connection.sendall(_STREAM)
    for number in range(count):
        if number and pause:
            time.sleep(pause)
        connection.sendall(_chunk((_EVENT % time.monotonic_ns()).encode()))
    connection.sendall(_chunk(b"[DONE]") + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


if __name__ == "__main__":
    main()
