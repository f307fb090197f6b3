"""The client that loads both proxies alike: a process of its own, blocking sockets, one thread a connection.

Reads one JSON command a line (``do`` names it, ``target`` the proxy it is for) and prints one JSON answer.
Blocking sockets cost a quarter of what asyncio's TLS costs, and the cores are the proxies'.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

PROMPT_BYTES = 2048
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SENT = re.compile(rb'"sent":(\d+)')
_TEXT = "来年度の予算案について、前回の会議で出た意見を三点に要約してください。"


def prompt() -> bytes:
    """Return a chat completion request of 2 KB."""
    shell = json.dumps({"model": "gpt-x", "messages": [{"role": "user", "content": ""}]}).encode()
    text = _TEXT * 40
    body = text.encode()[: PROMPT_BYTES - len(shell)].decode("utf-8", "ignore").encode()
    return shell.replace(b'"content": ""', b'"content": "' + body + b'"')


@dataclass(slots=True)
class Target:
    """One proxy and how a service is reached through it."""

    proxy: int
    authorization: str
    ca: str
    host: str
    port: int
    context: ssl.SSLContext = field(init=False)
    head: bytes = field(init=False)
    open: list[Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = ssl.create_default_context(cafile=self.ca)
        self.context.set_alpn_protocols(["http/1.1"])
        authority = f"{self.host}:{self.port}"
        who = f"Proxy-Authorization: {self.authorization}\r\n" if self.authorization else ""
        self.head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{who}\r\n".encode()

    def request(self, *headers: str, body: bytes, path: str = "/v1/chat/completions") -> bytes:
        """Return a whole request."""
        lines = [
            f"{'POST' if body else 'GET'} {path} HTTP/1.1",
            f"Host: {self.host}" + ("" if self.port == 443 else f":{self.port}"),
            "Authorization: Bearer sk-bench-0123456789",
            *headers,
        ]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One tunnel with TLS inside."""

    def __init__(self, target: Target) -> None:
        plain = socket.create_connection(("127.0.0.1", target.proxy), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall(target.head)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = plain.recv(65536)
            if not more:
                break
            answer += more
        if b" 200 " not in answer.split(b"\r\n", 1)[0]:
            plain.close()
            raise ConnectionError(f"the tunnel was refused: {answer[:300]!r}")
        self.socket = target.context.wrap_socket(plain, server_hostname=target.host)

    def ask(self, request: bytes) -> None:
        """Send a request and read its answer, which has a length."""
        self.socket.sendall(request)
        data = self.socket.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        if not data.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"refused: {data[:600]!r}")
        length = _LENGTH.search(data, 0, end + 2)
        if length is None:
            raise ConnectionError("an answer without a length")
        missing = int(length.group(1)) - (len(data) - end - 4)
        while missing > 0:
            missing -= len(self._more())

    def chunks(self, request: bytes) -> Iterator[tuple[float, float]]:
        """Send a request and yield each event: seconds since the request, and since it left the service."""
        self.socket.sendall(request)
        started = time.monotonic_ns()
        tail = b""
        while b"[DONE]" not in tail or not tail.endswith(b"0\r\n\r\n"):
            data = self._more()
            now = time.monotonic_ns()
            if tail == b"" and not data.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(f"refused: {data[:600]!r}")
            fresh = tail + data
            for match in _SENT.finditer(fresh, max(0, len(tail) - 24)):
                if match.end() > len(tail) and match.end() < len(fresh):
                    yield (now - started) / 1e9, (now - int(match.group(1))) / 1e9
            tail = fresh[-64:]

    def drain(self, size: int) -> None:
        """Read until that many bytes have come."""
        view = memoryview(bytearray(1 << 18))
        while size > 0:
            size -= self.socket.recv_into(view) or size

    def _more(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        return data

    def close(self) -> None:
        """Close without waiting."""
        self.socket.close()


class Client:
    """The commands; ``serve`` runs them in order."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._held: dict[str, ThreadPoolExecutor] = {}

    def target(self, *, target: str, **where: Any) -> dict[str, Any]:
        """Remember a proxy."""
        self._targets[target] = Target(**where)
        return {}

    def open(self, *, target: str, connections: int) -> dict[str, Any]:
        """Open tunnels that stay, and warm each with a few requests."""
        to = self._targets[target]
        to.open = [Connection(to) for _ in range(connections)]
        request = to.request(body=prompt())
        for connection in to.open:
            for _ in range(3):
                connection.ask(request)
        return {}

    def load(self, *, target: str, seconds: float, requests: int = 0) -> dict[str, Any]:
        """Ask over every open tunnel as fast as answers come, for a time or for a number of requests."""
        to = self._targets[target]
        request = to.request(body=prompt())
        quota = -(-requests // len(to.open)) if requests else 1 << 60
        started = time.perf_counter()
        deadline = started + seconds

        def run(connection: Connection) -> list[float]:
            taken: list[float] = []
            before = time.perf_counter()
            while before < deadline and len(taken) < quota:
                connection.ask(request)
                now = time.perf_counter()
                taken.append(now - before)
                before = now
            return taken

        times = sorted(value for part in _together(to.open, run) for value in part)
        return _timed(times, time.perf_counter() - started)

    def stream(self, *, target: str, repeats: int, chunks: int, pause: float) -> dict[str, Any]:
        """Ask for streams one after the other; time each first event and each later one."""
        to = self._targets[target]
        request = to.request(f"x-bench-chunks: {chunks}", f"x-bench-pause: {pause}", body=prompt())
        first, later = [], []
        for _ in range(repeats):
            for number, (since_request, since_sent) in enumerate(to.open[0].chunks(request)):
                if number == 0:
                    first.append(since_request)
                else:
                    later.append(since_sent)
        return {
            "first_ms": statistics.median(first) * 1e3,
            "delay_ms": statistics.median(later) * 1e3 if later else 0.0,
            "events": len(first) + len(later),
        }

    def hold(self, *, target: str, streams: int, chunks: int, pause: float) -> dict[str, Any]:
        """Open streams that go on by themselves; answers when each has had its first event."""
        to = self._targets[target]
        request = to.request(f"x-bench-chunks: {chunks}", f"x-bench-pause: {pause}", body=prompt())
        begun = threading.Semaphore(0)
        pool = self._held[target] = ThreadPoolExecutor(streams)

        def run(_: int) -> None:
            connection = Connection(to)
            to.open.append(connection)
            try:
                for number, _times in enumerate(connection.chunks(request)):
                    if number == 0:
                        begun.release()
            except OSError:
                return  # released

        for number in range(streams):
            pool.submit(run, number)
        started = sum(begun.acquire(timeout=60) for _ in range(streams))
        return {"streams": started}

    def release(self, *, target: str) -> dict[str, Any]:
        """Close what is open to a proxy."""
        to = self._targets[target]
        for connection in to.open:
            # shutdown() wakes a thread that reads; close() alone would leave it there.
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            connection.close()
        to.open = []
        if pool := self._held.pop(target, None):
            pool.shutdown()
        return {}

    def dial(self, *, target: str, seconds: float, connections: int) -> dict[str, Any]:
        """Open a tunnel, ask once, close it, again and again in several threads."""
        to = self._targets[target]
        request = to.request(body=prompt())
        started = time.perf_counter()
        deadline = started + seconds

        def run(_: int) -> list[float]:
            taken = []
            while (before := time.perf_counter()) < deadline:
                connection = Connection(to)
                connection.ask(request)
                connection.close()
                taken.append(time.perf_counter() - before)
            return taken

        times = sorted(value for part in _together(range(connections), run) for value in part)
        return _timed(times, time.perf_counter() - started)

    def fetch(self, *, target: str, size: int) -> dict[str, Any]:
        """Read that many bytes over one new tunnel."""
        to = self._targets[target]
        connection = Connection(to)
        started = time.perf_counter()
        connection.socket.sendall(to.request(body=b"", path=f"/bytes/{size}"))
        connection.drain(size)
        seconds = time.perf_counter() - started
        connection.close()
        return {"mb_per_s": size / seconds / 1e6}

    def serve(self) -> None:
        """Run commands until standard input closes."""
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = getattr(self, command.pop("do"))(**command)
            except OSError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)


def _together[T](items: Any, run: Callable[[Any], T]) -> list[T]:
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items))


def _timed(times: list[float], seconds: float) -> dict[str, Any]:
    return {
        "requests": len(times),
        "seconds": seconds,
        "p50_ms": statistics.median(times) * 1e3,
        "p99_ms": times[min(len(times) - 1, int(len(times) * 0.99))] * 1e3,
    }


if __name__ == "__main__":
    Client().serve()
