"""The stand-in's sockets: HTTP/1.1 and WebSockets, and HTTP/2 where the client asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import wsproto
import wsproto.events

from support.standin.answers import Answer, answer

_LIMIT = 256 * 1024 * 1024


@dataclass(slots=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    version: str


@dataclass(slots=True)
class Standin:
    """One server; ``seen`` grows with each request, ``accepted`` with each connection."""

    certificate: Path | None
    on_request: Callable[[Seen], None] = lambda _: None
    remember: bool = True
    accepted: int = 0
    seen: list[Seen] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    http2: bool = True
    port: int = 0
    _listener: socket.socket | None = None
    _accepting: asyncio.Task[None] | None = None
    _busy: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen and return the port."""
        context = None
        if self.certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate)
            context.set_alpn_protocols(["h2", "http/1.1"] if self.http2 else ["http/1.1"])
        self._listener = socket.create_server((host, port), backlog=1024)
        self._listener.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener, context))
        self.port = self._listener.getsockname()[1]
        return self.port

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            # Counted before any handshake: a bare connection is contact, too.
            self.accepted += 1
            task = loop.create_task(self._greet(connection, context))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _greet(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader, self._serve)
        with contextlib.suppress(OSError, ssl.SSLError):
            await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)

    async def stop(self) -> None:
        """Stop listening and drop what is open."""
        if self._accepting is not None and self._listener is not None:
            self._accepting.cancel()
            self._listener.close()
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            tls = writer.get_extra_info("ssl_object")
            if tls is not None and tls.selected_alpn_protocol() == "h2":
                await _Http2(self, reader, writer).run()
            else:
                while await self._one(reader, writer):
                    pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._busy.discard(task)
            writer.close()

    def note(self, seen: Seen) -> None:
        """Remember a request before it is answered."""
        if self.remember:
            self.seen.append(seen)
        self.on_request(seen)

    # --- HTTP/1.1 ----------------------------------------------------------------------------

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        body = await _read_body(reader, headers)
        self.note(Seen(method, target, headers, body, version))
        if headers.get("upgrade", "").lower() == "websocket":
            await self._websocket(head, reader, writer)
            return False
        await _write_h1(writer, answer(method, target, headers, body), head_only=method == "HEAD")
        return headers.get("connection", "").lower() != "close"

    async def _websocket(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        connection.receive_data(head)
        text = ""
        while True:
            for event in connection.events():
                match event:
                    case wsproto.events.Request():
                        writer.write(connection.send(wsproto.events.AcceptConnection()))
                    case wsproto.events.TextMessage():
                        text += event.data
                        if event.message_finished:
                            self.frames.append(text.encode())
                            for reply in _realtime(text):
                                writer.write(connection.send(wsproto.events.TextMessage(reply)))
                            text = ""
                    case wsproto.events.CloseConnection():
                        writer.write(connection.send(event.response()))
                        await writer.drain()
                        return
                    case wsproto.events.Ping():
                        writer.write(connection.send(event.response()))
            await writer.drain()
            data = await reader.read(65536)
            connection.receive_data(data or None)
            if not data:
                return


def _realtime(text: str) -> list[str]:
    """Answer like OpenAI's realtime service where the message is of its kind, otherwise echo."""
    try:
        event = json.loads(text)
    except ValueError:
        return ["echo: " + text]
    kind = event.get("type") if isinstance(event, dict) else None
    if kind == "response.create":
        deltas = [json.dumps({"type": "response.output_text.delta", "delta": word}) for word in ("は", "い")]
        return [*deltas, json.dumps({"type": "response.done", "response": {"status": "completed"}})]
    if isinstance(kind, str) and kind.startswith(("conversation.", "session.", "input_audio")):
        return [json.dumps({"type": kind.replace(".create", ".created")})]
    return ["echo: " + text]


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        parts: list[bytes] = []
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            data = await reader.readexactly(size + 2)
            if not size:
                return b"".join(parts)
            parts.append(data[:-2])
    return await reader.readexactly(int(headers.get("content-length", "0")))


async def _write_h1(writer: asyncio.StreamWriter, reply: Answer, *, head_only: bool) -> None:
    framing = f"content-length: {reply.length}" if reply.length is not None else "transfer-encoding: chunked"
    extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    head = f"HTTP/1.1 {reply.status} X\r\ncontent-type: {reply.content_type}\r\n{framing}\r\n{extra}\r\n".encode()
    if head_only:
        writer.write(head)
        await writer.drain()
        return
    if reply.length is not None and reply.length < 65536:
        writer.write(head + b"".join(chunk for _, chunk in reply.chunks))
        await writer.drain()
        return
    writer.write(head)
    for pause, chunk in reply.chunks:
        if pause:
            await asyncio.sleep(pause)
        writer.write(chunk if reply.length is not None else b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await writer.drain()
    if reply.length is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


class _Http2:
    """One HTTP/2 connection of the stand-in."""

    def __init__(self, server: Standin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the client leaves."""
        self._h2.initiate_connection()
        self._flush()
        try:
            while data := await self._reader.read(65536):
                for event in self._h2.receive_data(data):
                    self._handle(event)
                self._flush()
        finally:
            for task in self._tasks:
                task.cancel()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                assert event.headers is not None
                assert event.stream_id is not None
                headers = {str(name): str(value) for name, value in event.headers}
                self._requests[event.stream_id] = (headers, bytearray())
            case h2.events.DataReceived():
                assert event.stream_id is not None
                self._requests[event.stream_id][1].extend(event.data or b"")
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            case h2.events.StreamEnded():
                assert event.stream_id is not None
                task = asyncio.get_running_loop().create_task(self._answer(event.stream_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case h2.events.WindowUpdated():
                self._room.set()

    async def _answer(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        headers.setdefault("host", headers.get(":authority", ""))
        seen = Seen(headers[":method"], headers[":path"], headers, bytes(body), "HTTP/2")
        self._server.note(seen)
        reply = answer(seen.method, seen.target, headers, seen.body)
        out = [(":status", str(reply.status)), ("content-type", reply.content_type)]
        if reply.length is not None:
            out.append(("content-length", str(reply.length)))
        out.extend(reply.headers.items())
        self._h2.send_headers(stream, out)
        for pause, chunk in reply.chunks:
            if pause:
                await asyncio.sleep(pause)
            await self._send(stream, chunk)
        self._h2.end_stream(stream)
        self._flush()

    async def _send(self, stream: int, data: bytes) -> None:
        while data:
            room = min(
                self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, len(data)
            )
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._h2.send_data(stream, data[:room])
            data = data[room:]
            self._flush()
            await self._writer.drain()

    def _flush(self) -> None:
        if pending := self._h2.data_to_send():
            self._writer.write(pending)


def digest(body: bytes) -> str:
    """Return the hash by which a request is compared with its record."""
    return hashlib.sha256(body).hexdigest()
