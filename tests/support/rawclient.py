"""A client that says exactly what it is told, byte by byte, through the proxy."""

from __future__ import annotations

import base64
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

TIMEOUT = 20.0


@dataclass(slots=True)
class Reply:
    """One answer: its status, its headers in lower case, its body without the chunked coding."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = True

    @property
    def reason(self) -> str:
        """The reason code of a refusal."""
        return self.headers.get("x-sekimori-reason", "")


def basic(user: str, password: str) -> str:
    """Return a Proxy-Authorization value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class RawClient:
    """One TCP connection to the proxy."""

    def __init__(self, port: int) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def connect(self, target: str, authorization: str | None, *extra: str) -> Reply:
        """Ask for a tunnel; ``target`` stands in the request line as it is."""
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if authorization is not None:
            lines.append(f"Proxy-Authorization: {authorization}")
        self.send(("\r\n".join([*lines, *extra]) + "\r\n\r\n").encode("utf-8"))
        return self.read(tunnel=True)

    def tls(self, sni: str | None, root: Path | None, alpn: list[str] | None = None) -> str:
        """Start TLS inside the tunnel and return the issuer's common name."""
        context = ssl.create_default_context(cafile=str(root) if root else None)
        if root is None or sni is None:
            context.check_hostname = False
        if root is None:
            context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(alpn)
        wrapped = context.wrap_socket(self.socket, server_hostname=sni)
        self.socket = wrapped
        certificate = wrapped.getpeercert()
        issuer = dict(part[0] for part in certificate.get("issuer", ())) if certificate else {}  # type: ignore[misc]
        return str(issuer.get("commonName", ""))

    def request(self, head: str, body: bytes = b"") -> Reply:
        """Send a request head (lines joined by newlines) and a body, and read the answer."""
        self.send(head.strip("\n").replace("\n", "\r\n").encode("utf-8") + b"\r\n\r\n" + body)
        return self.read()

    # --- reading -----------------------------------------------------------------------------

    def read(self, *, tunnel: bool = False) -> Reply:
        """Read one answer; an empty one (status 0) means that the peer closed without a word."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return Reply(0, complete=False)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        reply = Reply(status, headers)
        if status == 100:
            return self.read(tunnel=tunnel)
        if tunnel and 200 <= status < 300:
            return reply
        if "chunked" in headers.get("transfer-encoding", ""):
            self._chunks(reply)
        elif "content-length" in headers:
            reply.body, reply.complete = self._exactly(int(headers["content-length"]))
        elif status not in {101, 204, 304}:
            while self._more():
                pass
            reply.body, self._buffer = self._buffer, b""
        return reply

    def _chunks(self, reply: Reply) -> None:
        parts = []
        while True:
            line = self._until(b"\r\n")
            if line is None:
                reply.complete = False
                break
            size = int(line.strip().split(b";")[0], 16)
            data, complete = self._exactly(size + 2)
            parts.append(data[:size])
            if not complete or not size:
                reply.complete = complete
                break
        reply.body = b"".join(parts)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if not self._more():
                return None
        head, _, self._buffer = self._buffer.partition(mark)
        return head + mark

    def _exactly(self, size: int) -> tuple[bytes, bool]:
        while len(self._buffer) < size:
            if not self._more():
                break
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data, len(data) == size

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError, TimeoutError):
            return False
        self._buffer += data
        return bool(data)
