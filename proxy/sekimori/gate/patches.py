"""The few places where mitmproxy 12.2.3 itself has to behave differently. Each one has its own test.

The version is pinned (``docs/adr/0001-mitmproxy-pinned.md``); ``apply`` refuses any other, because
what is replaced here was read in that source.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import h11
import wsproto.events
from h11._readers import ChunkedReader
from mitmproxy import http, version
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer, mode_servers
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import HttpStream, _http1
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebSocketMessageInjected
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import Opcode

from sekimori.errors import StateError

PINNED = "12.2.3"
BACKLOG = 1024
_MAX_REQUEST_HEAD = 64 * 1024
_TOO_BIG = 1009

_REASONS = {
    400: "DENY_MALFORMED",
    413: "DENY_TOO_LARGE",
    431: "DENY_TOO_LARGE",
    502: "UPSTREAM_UNREACHABLE",
}


def apply(*, listener: socket.socket, max_message: int) -> None:
    """Install every patch; ``max_message`` bounds one WebSocket message in bytes."""
    if version.VERSION != PINNED:
        raise StateError(
            f"mitmproxy {version.VERSION} is installed, the gate is built on {PINNED}.",
            hint="Install the locked requirements.",
        )
    _listen_on(listener)
    _skip_type_checks()
    _limit_requests_only()
    _bound_request_heads()
    _drop_trailers()
    _name_errors()
    _close_websockets(max_message)


def _listen_on(listener: socket.socket) -> None:
    """Serve the inherited socket: a taken port is the supervisor's error, and a rolling stop loses nobody."""

    async def listen(self: Any, host: str, port: int) -> list[asyncio.Server]:  # noqa: ARG001
        return [await asyncio.start_server(self.handle_stream, sock=listener.dup(), backlog=BACKLOG)]

    mode_servers.AsyncioServerInstance.listen = listen  # type: ignore[method-assign, assignment]


def _skip_type_checks() -> None:
    """Drop the run-time type check of every message: 8-10 % of the gate's CPU, guards nothing on the wire."""
    http.MessageData.__post_init__ = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005


def _limit_requests_only() -> None:
    """``body_size_limit`` bounds uploads; an answer is never bounded, only its capture is."""
    original = HttpStream.check_body_size

    def check_body_size(self: HttpStream, request: bool) -> layer.CommandGenerator[bool]:  # noqa: FBT001
        if not request:
            return False
        return (yield from original(self, request))

    HttpStream.check_body_size = check_body_size  # type: ignore[method-assign]


def _bound_request_heads() -> None:
    """Close a client whose request head does not end: mitmproxy would buffer it for ever."""
    original = _http1.Http1Server.read_headers

    def read_headers(self: _http1.Http1Server, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        yield from original(self, event)
        if self.state == self.read_headers and len(self.buf) > _MAX_REQUEST_HEAD:
            yield commands.SendData(self.conn, _http1.make_error_response(431, "request head too large"))
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    _http1.Http1Server.read_headers = read_headers  # type: ignore[method-assign]


def _drop_trailers() -> None:
    """Read a chunked body to its end and drop its trailers: mitmproxy would hang on them (its issue 2474)."""

    class Reader(ChunkedReader):
        def __call__(self, buffer: Any) -> Any:
            event = super().__call__(buffer)
            return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event

    _http1.ChunkedReader = Reader  # type: ignore[attr-defined]


def _name_errors() -> None:
    """Give mitmproxy's own error answers the reason header that all refusals carry, and no version."""

    def make_error_response(status_code: int, message: str = "") -> bytes:
        reason = _REASONS.get(status_code, "GATE_ERROR")
        body = f"{reason}: {message[:300]}\n".encode("utf-8", "replace")
        response = http.Response.make(
            status_code,
            body,
            {
                "Connection": "close",
                "Content-Type": "text/plain; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Sekimori-Reason": reason,
            },
        )
        return bytes(http1.assemble_response(response))

    _http1.make_error_response = make_error_response


def _close_websockets(max_message: int) -> None:
    """Let the gate end a WebSocket with a close code, and bound an unfinished message."""
    original = websocket.WebsocketLayer.relay_messages

    def relay_messages(self: websocket.WebsocketLayer, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, WebSocketMessageInjected) and event.message.type is Opcode.CLOSE:
            code = int.from_bytes(event.message.content[:2])
            yield from _end(self, code, event.message.content[2:].decode("utf-8", "replace"))
            return
        yield from original(self, event)
        if any(sum(map(len, ws.frame_buf)) > max_message for ws in (self.client_ws, self.server_ws)):
            yield from _end(self, _TOO_BIG, "message too large")

    websocket.WebsocketLayer.relay_messages = relay_messages  # type: ignore[method-assign]


def _end(self: websocket.WebsocketLayer, code: int, reason: str) -> Iterator[commands.Command]:
    if self.flow.websocket is None or self._handle_event == self.done:
        return
    close = wsproto.events.CloseConnection(code, reason)
    self.flow.websocket.closed_by_client = False
    self.flow.websocket.close_code = code
    self.flow.websocket.close_reason = reason
    for ws in (self.server_ws, self.client_ws):
        if ws.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
            yield ws.send2(close)
        yield commands.CloseConnection(ws.conn)
    yield WebsocketEndHook(self.flow)
    self.flow.live = False
    self._handle_event = self.done
