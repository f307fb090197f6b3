"""The places of mitmproxy that are replaced, each beside what the original does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import wsproto.events
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http, options, version
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import commands, context, events, mode_servers, server
from mitmproxy.proxy.layers import websocket
from mitmproxy.proxy.layers.http import HttpStream, _http1, _http2
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.proxy.layers.websocket import WebSocketMessageInjected
from mitmproxy.test import tflow
from mitmproxy.utils import asyncio_utils
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from sekimori.addons.exchange import Budget
from sekimori.addons.uploads import Uploads
from sekimori.errors import StateError
from sekimori.gate import patches

_REPLACED = (
    (mode_servers.AsyncioServerInstance, "listen"),
    (http.MessageData, "__post_init__"),
    (HttpStream, "check_body_size"),
    (_http1.Http1Connection, "_handle_event"),
    (_http1.Http1Client, "read_headers"),
    (HttpStream, "state_consume_request_body"),
    (server.ConnectionHandler, "log"),
    (_http2, "format_error"),
    (version, "MITMPROXY"),
    (mode_servers.ProxyConnectionHandler, "handle_hook"),
    (mode_servers.ProxyConnectionHandler, "server_event"),
    (mode_servers.ProxyConnectionHandler, "drain_writers"),
    (context.Context, "fork"),
    (asyncio_utils, "set_task_debug_info"),
    (_http1, "make_error_response"),
    (_http1, "ChunkedReader"),
    (websocket.WebsocketLayer, "relay_messages"),
    (_http1.Http1Server, "send"),
    (_http1.Http1Client, "send"),
    (http.Headers, "get"),
    (http.Headers, "__contains__"),
)


@pytest.fixture
def original() -> Iterator[None]:
    """Put everything back afterwards."""
    kept = [(place, name, getattr(place, name)) for place, name in _REPLACED]
    yield
    for place, name, value in kept:
        setattr(place, name, value)


@pytest.fixture
def patched(original: None) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        patches.apply(listener=listener, max_message=1000, uploads=Uploads(Budget(1 << 20)))
        yield listener


def proxy_context() -> context.Context:
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0)
    client.state = client.state.OPEN
    made = context.Context(client, options.Options())
    made.server = Server(address=("example.jp", 443))
    made.server.state = made.client.state
    return made


def sent(commands_: Any) -> bytes:
    return b"".join(command.data for command in commands_ if isinstance(command, commands.SendData))


def closed(commands_: Any) -> bool:
    return any(isinstance(command, commands.CloseConnection) for command in commands_)


def test_another_version_of_mitmproxy_is_refused(original, monkeypatch):
    monkeypatch.setattr(version, "VERSION", "12.3.1")
    with socket.socket() as listener, pytest.raises(StateError, match=r"12\.3\.1"):
        patches.apply(listener=listener, max_message=1, uploads=Uploads(Budget(1)))


async def test_the_inherited_socket_is_served(patched):
    class Instance:
        async def handle_stream(self, reader: Any, writer: Any) -> None:
            writer.write(b"served")
            writer.close()

    servers = await mode_servers.AsyncioServerInstance.listen(Instance(), "ignored", 1)  # type: ignore[arg-type]
    reader, writer = await asyncio.open_connection(*patched.getsockname())
    assert await reader.read() == b"served"
    writer.close()
    servers[0].close()
    assert patched.fileno() >= 0, "the supervisor's socket outlives a worker's server"


def feed(layer: Any, data: bytes) -> list[Any]:
    return list(layer.handle_event(events.DataReceived(layer.conn, data)))


def endless(side: _http1.Http1Server) -> list[Any]:
    list(side.handle_event(events.Start()))
    out = feed(side, b"GET / HTTP/1.1\r\n")
    for _ in range(20):
        out += feed(side, b"X-Header: " + b"a" * 8000 + b"\r\n")
    return out


@pytest.mark.parametrize(
    "tail", [b"5;" + b"a" * 9000, b"0\r\n" + b"X-T: b\r\n" * 1000], ids=["chunk line", "trailers"]
)
def test_a_chunk_line_or_trailer_without_an_end_is_closed(patched, tail):
    side = _http1.Http1Server(proxy_context())
    list(side.handle_event(events.Start()))
    out = feed(side, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + tail)
    for _ in range(20):
        out += feed(side, tail[-9000:].removeprefix(b"0\r\n"))
    assert closed(out)
    assert len(side.buf) < 200_000


def answer_of(data: bytes) -> list[Any]:
    side = _http1.Http1Client(proxy_context())
    list(side.handle_event(events.Start()))
    request = http.Request.make("GET", "https://example.jp/")
    list(side.handle_event(RequestHeaders(1, request, end_stream=True)))
    list(side.handle_event(RequestEndOfMessage(1)))
    out: list[Any] = []
    for number in range(len(data)):
        out += feed(side, data[number : number + 1])
    return [command.event for command in out if hasattr(command, "event")]


def test_informational_answers_are_passed_over(patched):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    found = answer_of(early + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert [event.response.status_code for event in found if hasattr(event, "response")] == [200]


def test_a_peer_whose_answer_head_does_not_end_is_closed(patched):
    found = answer_of(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 140_000)
    assert [type(event).__name__ for event in found] == ["ResponseProtocolError"]


def test_a_request_head_without_an_end_is_answered_and_closed(patched):
    out = endless(_http1.Http1Server(proxy_context()))
    assert sent(out).startswith(b"HTTP/1.1 431")
    assert closed(out)


def test_mitmproxy_alone_would_buffer_such_a_head_for_ever():
    assert not endless(_http1.Http1Server(proxy_context()))


_TRAILED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Trailer: x\r\n\r\n"


def test_a_chunked_body_with_trailers_is_read_to_its_end_without_them(patched):
    side = _http1.Http1Server(proxy_context())
    list(side.handle_event(events.Start()))
    out = [type(command.event).__name__ for command in feed(side, _TRAILED) if hasattr(command, "event")]
    assert out == ["RequestHeaders", "RequestData", "RequestEndOfMessage"]


def test_mitmproxy_alone_would_fail_on_trailers():
    side = _http1.Http1Server(proxy_context())
    list(side.handle_event(events.Start()))
    with pytest.raises(NotImplementedError):
        feed(side, _TRAILED)


@pytest.mark.parametrize(("status", "reason"), [(400, "DENY_MALFORMED"), (413, "DENY_TOO_LARGE")])
def test_errors_of_mitmproxy_itself_carry_a_reason_and_no_version(patched, status, reason):
    answer = _http1.make_error_response(status, "why <b>")
    assert f"X-Sekimori-Reason: {reason}".encode() in answer
    assert b"mitmproxy" not in answer.lower()
    assert b"text/plain" in answer


def sockets() -> tuple[websocket.WebsocketLayer, http.HTTPFlow]:
    flow = tflow.twebsocketflow()
    flow.websocket = WebSocketData()
    assert flow.response is not None
    flow.response.headers.pop("Sec-WebSocket-Extensions", None)
    layer = websocket.WebsocketLayer(proxy_context(), flow)
    list(layer.handle_event(events.Start()))
    hook = layer._paused
    assert hook is not None
    list(layer.handle_event(events.HookCompleted(hook.command)))  # type: ignore[arg-type]
    return layer, flow


def test_the_gate_can_end_a_websocket_with_a_close_code(patched):
    layer, flow = sockets()
    message = WebSocketMessage(Opcode.CLOSE, False, (1008).to_bytes(2, "big") + "拒否".encode())
    out = list(layer.handle_event(WebSocketMessageInjected(flow, message)))
    frames = [command.data for command in out if isinstance(command, commands.SendData)]
    assert len(frames) == 2
    peer = wsproto.connection.Connection(wsproto.ConnectionType.CLIENT)
    peer.receive_data(frames[1])
    close = next(iter(peer.events()))
    assert isinstance(close, wsproto.events.CloseConnection)
    assert (close.code, close.reason) == (1008, "拒否")
    assert closed(out)


def test_a_message_without_an_end_is_closed(patched):
    layer, _ = sockets()
    client = wsproto.connection.Connection(wsproto.ConnectionType.CLIENT)
    out: list[Any] = []
    for _ in range(5):
        data = client.send(wsproto.events.BytesMessage(b"x" * 400, message_finished=False))
        out += layer.handle_event(events.DataReceived(layer.context.client, data))
    assert closed(out)


def chunks(side: Any, *happened: Any) -> list[bytes]:
    out = [command for event in happened for command in side.handle_event(event)]
    return [command.data for command in out if isinstance(command, commands.SendData)]


def server_side() -> _http1.Http1Server:
    side = _http1.Http1Server(proxy_context())
    list(side.handle_event(events.Start()))
    feed(side, b"GET / HTTP/1.1\r\nHost: example.jp\r\n\r\n")
    return side


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param({"Content-Length": "5"}, b"whole", id="length"),
        pytest.param({"Transfer-Encoding": "chunked"}, b"5\r\nwhole\r\n", id="chunked"),
    ],
)
def test_a_whole_answer_leaves_in_one_piece(patched, fields, body):
    answer = http.Response.make(200, b"whole", fields)
    answer.headers.pop("content-length", None) if "Transfer-Encoding" in fields else None
    sent_ = chunks(server_side(), ResponseHeaders(1, answer, end_stream=False), ResponseData(1, b"whole"))

    assert len(sent_) == 1
    assert sent_[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent_[0].endswith(b"\r\n\r\n" + body)


def test_a_whole_request_leaves_in_one_piece(patched):
    side = _http1.Http1Client(proxy_context())
    list(side.handle_event(events.Start()))
    request = http.Request.make("POST", "https://example.jp/", b"whole")

    sent_ = chunks(side, RequestHeaders(1, request, end_stream=False), RequestData(1, b"whole"))

    assert len(sent_) == 1
    assert sent_[0].endswith(b"\r\n\r\nwhole")


def test_a_streamed_answers_head_does_not_wait_for_its_body(patched):
    answer = http.Response.make(200, b"", {"Transfer-Encoding": "chunked"})
    answer.stream = True
    side = server_side()

    assert len(chunks(side, ResponseHeaders(1, answer, end_stream=False))) == 1
    assert chunks(side, ResponseData(1, b"first")) == [b"5\r\nfirst\r\n"]


def test_an_answer_without_a_body_leaves_at_once(patched):
    answer = http.Response.make(204, b"")
    assert len(chunks(server_side(), ResponseHeaders(1, answer, end_stream=True))) == 1


_NAMES = st.sampled_from(["Host", "host", "X-A", "x-a", "Content-Length", "Ünknown", ""])


@given(
    fields=st.lists(st.tuples(_NAMES.map(lambda name: name.encode()), st.binary(max_size=8)), max_size=6),
    name=_NAMES,
    as_bytes=st.booleans(),
)
def test_a_header_is_found_as_mitmproxy_finds_it(fields, name, as_bytes):
    headers, wanted = http.Headers(fields), name.encode() if as_bytes else name
    before = (MutableMapping.get(headers, wanted, "none"), MutableMapping.__contains__(headers, wanted))
    kept = {each: getattr(http.Headers, each) for each in ("get", "__contains__")}
    try:
        patches._find_headers_directly()
        assert (headers.get(wanted, "none"), wanted in headers) == before
        assert 5 not in headers
    finally:
        for each, original_ in kept.items():
            setattr(http.Headers, each, original_)


class Handler(mode_servers.ProxyConnectionHandler):
    """A connection whose layer says what a test tells it to."""

    def __init__(self, said: list[commands.Command], addons: Any) -> None:
        made = proxy_context()
        made.options.add_option("tcp_timeout", int, 60, "")
        server.ConnectionHandler.__init__(self, made)
        self.master = type("Master", (), {"addons": addons})()
        self.heard: list[events.Event] = []
        self.said = said
        self.layer = self  # type: ignore[assignment]

    def handle_event(self, event: events.Event) -> Any:
        self.heard.append(event)
        said, self.said = self.said, []
        yield from said


class Addons:
    """Runs hooks at once, or makes them wait."""

    def __init__(self, waits: asyncio.Event | None = None) -> None:
        self.waits = waits

    def start(self, hook: commands.StartHook) -> Any:
        return self.waits.wait() if self.waits else None


def blocking_hook() -> commands.StartHook:
    hook = HttpRequestHook(tflow.tflow())
    hook.blocking = True
    return hook


async def test_a_hook_that_needs_no_waiting_is_answered_in_the_same_go(patched):
    handler = Handler([blocking_hook()], Addons())
    await handler.server_event(events.Start())
    assert [type(event) for event in handler.heard] == [events.Start, events.HookCompleted]


async def test_a_hook_that_waits_holds_up_nothing_else(patched):
    waits = asyncio.Event()
    handler = Handler([blocking_hook()], Addons(waits))
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    await handler.server_event(events.Start())
    await handler.server_event(events.Start())
    assert [type(event) for event in handler.heard] == [events.Start, events.Start]
    assert not handler.timeout_watchdog.can_timeout.is_set(), "a connection that waits for us is not idle"

    waits.set()
    await asyncio.sleep(0.01)
    assert isinstance(handler.heard[-1], events.HookCompleted)
    assert handler.timeout_watchdog.can_timeout.is_set()


async def test_a_layer_that_fails_ends_its_connection(patched, caplog):
    handler = Handler([object()], Addons())  # type: ignore[list-item]
    closed_: list[Any] = []
    handler.transports[handler.client] = server.ConnectionIO()
    handler.close_connection = lambda connection, half_close=False: closed_.append(connection)  # type: ignore[method-assign]
    await handler.server_event(events.Start())
    assert closed_ == [handler.client]
    assert "crashed" in caplog.text


async def test_data_for_a_connection_that_is_closed_already_goes_nowhere(patched):
    handler = Handler([], Addons())
    handler.said = [commands.SendData(handler.client, b"late"), commands.CloseConnection(handler.client)]
    await handler.server_event(events.Start())
    assert handler.heard


def test_a_context_is_forked_as_mitmproxy_forks_it(original):
    made = proxy_context()
    made.layers.append(object())  # type: ignore[arg-type]
    before = vars(made.fork())
    patches._fork_directly()
    fork = made.fork()
    assert type(fork) is context.Context
    assert vars(fork) == before
    fork.layers.append(object())  # type: ignore[arg-type]
    assert len(made.layers) == 1, "the layers are the fork's own"


class Slow(asyncio.Protocol):
    """A peer that reads nothing until it is told to."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.pause_reading()


async def slow_peers() -> tuple[asyncio.Server, list[Slow]]:
    peers: list[Slow] = []

    def peer() -> Slow:
        peers.append(Slow())
        return peers[-1]

    return await asyncio.get_running_loop().create_server(peer, "127.0.0.1", 0), peers


async def test_whoever_reads_slowly_is_waited_for(patched):
    listening, peers = await slow_peers()
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    handler = Handler([], Addons())
    handler.transports[handler.client] = server.ConnectionIO(reader=reader, writer=writer)
    async with asyncio.timeout(30):
        await handler.drain_writers()  # nothing is written: nobody waits

        writer.write(bytes(64 * 1024 * 1024))
        draining = asyncio.ensure_future(handler.drain_writers())
        await asyncio.sleep(0.2)
        assert not draining.done()
        peers[0].transport.resume_reading()
        await draining
    writer.transport.abort()
    peers[0].transport.abort()
    listening.close()
    await asyncio.sleep(0.01)


async def test_a_peer_that_is_lost_ends_whoever_would_write_to_it(patched):
    listening, peers = await slow_peers()
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    handler = Handler([], Addons())
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    handler.transports[handler.client] = server.ConnectionIO(handler=waiting, reader=reader, writer=writer)
    writer.transport.abort()
    await handler.drain_writers()
    with pytest.raises(asyncio.CancelledError, match="Error sending data"):
        await waiting
    peers[0].transport.abort()
    listening.close()
    await asyncio.sleep(0.01)
