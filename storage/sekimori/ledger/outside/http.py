"""One HTTP exchange with somebody who may be slow or hostile: bounded in time and in bytes.

No redirects, no proxies of the environment, no cookies. The time is for the whole exchange: a far end that
sends a byte now and then doesn't hold its caller any longer than one that is silent.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sekimori.errors import StateError


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Remote:
    """An address, whom to believe there, and for how long and how much to listen."""

    url: str
    tls: ssl.SSLContext | None = None
    seconds: float = 5.0
    max_bytes: int = 1 << 16

    def ask(self, method: str, path: str = "", body: bytes | None = None, kind: str = "") -> Reply:
        """Ask once; raises StateError if no whole answer came in time."""
        address = urlsplit(self.url)
        target = address.path.rstrip("/") + (f"/{path}" if path else "") or "/"
        headers = {"Connection": "close", **({"Content-Type": kind} if kind else {})}
        try:
            with self._connected(address.scheme, address.hostname or "", address.port) as connection:
                connection.request(method, target, body, headers)
                answer = connection.getresponse()
                read = answer.read(self.max_bytes + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StateError(f"{self.url} can't be reached: {error!r}.") from error
        if len(read) > self.max_bytes or (answer.length or 0) > 0:
            raise StateError(f"{self.url} answers more or less than it says or may.")
        return Reply(answer.status, answer.getheader("Content-Type", ""), read)

    @contextlib.contextmanager
    def _connected(self, scheme: str, host: str, port: int | None) -> Iterator[http.client.HTTPConnection]:
        secure = scheme == "https"
        connection = http.client.HTTPConnection(host, port or (443 if secure else 80))
        plain = socket.create_connection((connection.host, connection.port), self.seconds)
        # A second handle on the same connection ends whatever the first one is waiting for.
        handle = plain.dup()
        alarm = threading.Timer(self.seconds, _end, [handle])
        alarm.daemon = True
        alarm.start()
        try:
            connection.sock = plain
            if secure:
                connection.sock = (self.tls or ssl.create_default_context()).wrap_socket(
                    plain, server_hostname=host
                )
            yield connection
        finally:
            alarm.cancel()
            connection.close()
            plain.close()
            handle.close()


def _end(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def trusting(ca_file: str) -> ssl.SSLContext | None:
    """Return what believes the certificates of that file alone; None for those of the system."""
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=Path(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise StateError(f"The CA file {ca_file} can't be used: {error}.") from error
