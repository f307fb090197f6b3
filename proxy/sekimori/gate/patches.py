"""The few places where mitmproxy 12.2.3 itself has to behave differently. Each one has its own test.

The version is pinned (``docs/adr/0001-mitmproxy-pinned.md``); ``apply`` refuses any other, because
what is replaced here was read in that source.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
import socket
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import h11
import wsproto.events
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http, version
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, context, events, layer, mode_servers, server
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import HttpStream, _http1, _http2
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    HttpEvent,
    RequestData,
    RequestHeaders,
    ResponseData,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebSocketMessageInjected
from mitmproxy.utils import asyncio_utils
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import Opcode

from sekimori.addons.exchange import DROPPED, HOPELESS, OVERLOADED
from sekimori.addons.uploads import LARGE, Uploads
from sekimori.errors import StateError, where
from sekimori.gate import serving

PINNED = "12.2.3"
BACKLOG = 1024
_MAX_HEAD = 128 * 1024
_KEPT_OF_HOPELESS = 256 * 1024
_DROPPED_LIMIT = 64 * 1024 * 1024
_REFUSED = frozenset({HOPELESS, OVERLOADED})
_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] (1\d\d)")
_MAX_FRAGMENTS = 4096
_TOO_BIG = 1009

_REASONS = {
    400: "DENY_MALFORMED",
    413: "DENY_TOO_LARGE",
    431: "DENY_TOO_LARGE",
    502: "UPSTREAM_UNREACHABLE",
}


def apply(*, listener: socket.socket, max_message: int, uploads: Uploads) -> None:
    """Install every patch; ``max_message`` bounds one WebSocket message in bytes, ``uploads`` all bodies."""
    if version.VERSION != PINNED:
        raise StateError(
            f"mitmproxy {version.VERSION} is installed, the gate is built on {PINNED}.",
            hint="Install the locked requirements.",
        )
    _listen_on(listener)
    _skip_type_checks()
    _fork_directly()
    serving.install()
    _limit_requests_only()
    _bound_heads()
    _skip_informational()
    _discard_hopeless_bodies()
    _bound_all_bodies(uploads)
    _join_head_and_body()
    _find_headers_directly()
    _close_after_a_crash()
    _drop_trailers()
    _name_errors()
    _close_websockets(max_message)


def _listen_on(listener: socket.socket) -> None:
    """Serve the inherited socket: a taken port is the supervisor's error, and a rolling stop loses nobody."""

    async def listen(self: Any, host: str, port: int) -> list[asyncio.Server]:  # noqa: ARG001
        return [await asyncio.start_server(self.handle_stream, sock=listener.dup(), backlog=BACKLOG)]

    mode_servers.AsyncioServerInstance.listen = listen  # type: ignore[method-assign, assignment]


def _skip_type_checks() -> None:
    """Drop what only helps a debugger; the type check of every message alone costs 8-10 % of the CPU."""
    http.MessageData.__post_init__ = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    # Names and times on every task, for mitmproxy's own debugger; a task is made for each hook.
    asyncio_utils.set_task_debug_info = lambda *_, **__: None


def _fork_directly() -> None:
    """Copy a context without the server, with its UUID, that ``Context()`` makes only to be replaced."""

    def fork(self: context.Context) -> context.Context:
        copy = context.Context.__new__(context.Context)
        copy.client, copy.options, copy.server = self.client, self.options, self.server
        copy.layers = self.layers.copy()
        return copy

    context.Context.fork = fork  # type: ignore[method-assign]


def _limit_requests_only() -> None:
    """``body_size_limit`` bounds uploads; an answer is never bounded, only its capture is."""
    original = HttpStream.check_body_size

    def check_body_size(self: HttpStream, request: bool) -> layer.CommandGenerator[bool]:  # noqa: FBT001
        if not request:
            return False
        return (yield from original(self, request))

    HttpStream.check_body_size = check_body_size  # type: ignore[method-assign]


def _bound_heads() -> None:
    """Close a peer whose head, chunk line or trailer does not end: mitmproxy and h11 buffer it for ever."""
    original = _http1.Http1Connection._handle_event  # noqa: SLF001

    def bounded(self: _http1.Http1Connection, event: events.Event) -> layer.CommandGenerator[None]:
        yield from original(self, event)
        # Bodies are taken out of the buffer as they come; what stays is a line without an end, or pipelining.
        if len(self.buf) > _MAX_HEAD and self.state not in (self.passthrough, self.done):
            yield from _too_long(self)

    def handle_event(self: _http1.Http1Connection, event: events.Event) -> layer.CommandGenerator[None]:
        # Without a generator of ours in between as long as little is buffered: it would cost every event.
        return bounded(self, event) if len(self.buf) > _MAX_HEAD // 2 else original(self, event)

    _http1.Http1Connection._handle_event = handle_event  # type: ignore[method-assign]  # noqa: SLF001


def _too_long(self: _http1.Http1Connection) -> layer.CommandGenerator[None]:
    waiting = self.state == self.read_headers and isinstance(self, _http1.Http1Server)
    self.buf = ReceiveBuffer()
    self.state = self.done
    if waiting:
        yield commands.SendData(self.conn, _http1.make_error_response(431, "request head too large"))
    elif self.stream_id is not None:
        error = self.ReceiveProtocolError(
            self.stream_id, "a line of the peer does not end", self.ReceiveProtocolError.code
        )
        yield ReceiveHttp(error)
    yield commands.CloseConnection(self.conn)


def _skip_informational() -> None:
    """Pass over 1xx answers but 101: mitmproxy would take one for the final answer."""
    original = _http1.Http1Client.read_headers

    def read_headers(self: _http1.Http1Client, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        while self.request and (match := _INFORMATIONAL.match(bytes(self.buf))):
            if match[1] == b"101":
                break
            if self.buf.maybe_extract_lines() is None:
                return
        yield from original(self, event)

    _http1.Http1Client.read_headers = read_headers  # type: ignore[method-assign]


def _discard_hopeless_bodies() -> None:
    """Keep nothing of a large body whose request is refused whatever it says; it is still read to its end."""
    original = HttpStream.state_consume_request_body

    def consume(self: HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        refused = self.flow.response is not None or not _REFUSED.isdisjoint(self.flow.metadata)
        return discarding(self, event) if refused else original(self, event)

    def discarding(self: HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        yield from original(self, event)
        if isinstance(event, RequestData) and len(self.request_body_buf) > _KEPT_OF_HOPELESS:
            dropped = self.flow.metadata.get(DROPPED, 0) + len(self.request_body_buf)
            self.flow.metadata[DROPPED] = dropped
            self.request_body_buf.clear()
            if dropped > _DROPPED_LIMIT:
                yield commands.CloseConnection(self.context.client)

    HttpStream.state_consume_request_body = consume  # type: ignore[method-assign]


def _bound_all_bodies(uploads: Uploads) -> None:
    """Refuse a large body while all large ones together fill what the worker may hold; it is read and dropped."""
    original = HttpStream.state_consume_request_body

    def consume(self: HttpStream, event: events.Event) -> layer.CommandGenerator[None]:
        if len(self.request_body_buf) > LARGE and _REFUSED.isdisjoint(self.flow.metadata):
            uploads.grew(self.flow, len(self.request_body_buf))
        going_on: layer.CommandGenerator[None] = original(self, event)
        return going_on

    HttpStream.state_consume_request_body = consume  # type: ignore[method-assign]


def _join_head_and_body() -> None:
    """Send a whole message's head together with its body: one TLS record and one system call instead of two."""
    for kind, head, data in (
        (_http1.Http1Server, ResponseHeaders, ResponseData),
        (_http1.Http1Client, RequestHeaders, RequestData),
    ):
        kind.send = _joining(kind.send, head, data)  # type: ignore[method-assign, assignment]


_Send = Callable[[Any, HttpEvent], layer.CommandGenerator[None]]


def _joining(original: _Send, head: type[HttpEvent], data: type[HttpEvent]) -> _Send:
    def send(self: Any, event: HttpEvent) -> layer.CommandGenerator[None]:
        kind = type(event)
        if kind is head and _is_whole(event):
            return hold(self, event)
        if kind is data and "held_head" in vars(self):
            return join(self, event)
        return original(self, event)

    def hold(self: Any, event: HttpEvent) -> layer.CommandGenerator[None]:
        for command in original(self, event):
            if not isinstance(command, commands.SendData):
                yield command
                continue
            self.held_head = command.data

    def join(self: Any, event: HttpEvent) -> layer.CommandGenerator[None]:
        held = vars(self).pop("held_head")
        for command in original(self, event):
            if held and isinstance(command, commands.SendData):
                command.data = held + command.data
                held = b""
            yield command

    return send


def _is_whole(event: Any) -> bool:
    """Tell that a message's body follows its head at once: it was not streamed, and there is one."""
    message = event.response if isinstance(event, ResponseHeaders) else event.request
    return not event.end_stream and not message.stream and bool(message.raw_content)


def _find_headers_directly() -> None:
    """Look a header up in one pass; mitmproxy takes six calls for it, and an exception where there is none."""

    def key_of(name: str | bytes) -> bytes:
        return _header_key(name) if isinstance(name, str) else name.lower()

    def get(self: http.Headers, name: str | bytes, default: Any = None) -> Any:
        wanted = key_of(name)
        found = [value for key, value in self.fields if key.lower() == wanted]
        if not found:
            return default
        return b", ".join(found).decode("utf-8", "surrogateescape")

    def contains(self: http.Headers, name: object) -> bool:
        if not isinstance(name, str | bytes):
            return False
        wanted = key_of(name)
        return any(key.lower() == wanted for key, _ in self.fields)

    http.Headers.get = get  # type: ignore[method-assign, assignment]
    http.Headers.__contains__ = contains  # type: ignore[method-assign, assignment]


@lru_cache(maxsize=256)
def _header_key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape").lower()


def _close_after_a_crash() -> None:
    """End a connection whose layers failed, and keep what it carried out of the log."""
    original = server.ConnectionHandler.log

    def log(self: Any, message: str, level: int = logging.INFO, exc_info: Any = None) -> None:
        if exc_info is None or exc_info is False:
            original(self, message, level)
            return
        error = exc_info[1] if isinstance(exc_info, tuple) else sys.exception()
        original(self, f"{message} {where(error)}", level)
        if self.client in self.transports:
            self.close_connection(self.client)

    server.ConnectionHandler.log = log  # type: ignore[method-assign]


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

    def format_error(status_code: int, message: str) -> bytes:
        return html.escape(f"{_REASONS.get(status_code, 'GATE_ERROR')}: {message[:300]}").encode()

    _http1.make_error_response = make_error_response
    _http2.format_error = format_error  # type: ignore[attr-defined]
    version.MITMPROXY = "Sekimori"


def _close_websockets(max_message: int) -> None:
    """Let the gate end a WebSocket with a close code, and bound an unfinished message."""
    original = websocket.WebsocketLayer.relay_messages

    def relay_messages(self: websocket.WebsocketLayer, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, WebSocketMessageInjected) and event.message.type is Opcode.CLOSE:
            code = int.from_bytes(event.message.content[:2])
            yield from _end(self, code, event.message.content[2:].decode("utf-8", "replace"))
            return
        yield from original(self, event)
        # Empty fragments weigh nothing and would still pile up.
        if any(
            len(ws.frame_buf) > _MAX_FRAGMENTS or sum(map(len, ws.frame_buf)) > max_message
            for ws in (self.client_ws, self.server_ws)
        ):
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
