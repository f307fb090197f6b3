"""The way from the web server to the governing process: one request at a time over a Unix socket, or silence.

The web server holds no key that opens or changes what is governed. What people send it for the API it hands on
here, and believes an answer only from the user who publishes the policy: passwords and tokens pass this way.
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sekimori import metrics

CLIENT = "x-sekimori-client"
"""Names the address of the person; set by the web server, and cut from whatever a network sends."""
RETRY_S = 5
_MOST_ANSWER = 64 << 20
_CREDENTIALS = struct.Struct("3i")

Header = tuple[str, str]
Result = Literal["absent", "silent", "busy", "broken", "stranger"]


class Silent(Exception):  # noqa: N818 - a verdict about the other end
    """The governing process gave no answer; ``result`` is how, as the metric counts it."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


@dataclass(frozen=True, slots=True)
class Answer:
    """What the governing process answered."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Line:
    """Asks at the socket ``path``; ``owner`` is a folder that only the right user owns.

    A connection a request: on one machine that costs less than finding out that an idle one has ended.
    """

    def __init__(self, path: Path, owner: Path, *, timeout_s: float = 60.0) -> None:
        self._path, self._owner, self._timeout_s = path, owner, timeout_s

    def ask(self, method: str, target: str, headers: Iterable[Header], body: bytes) -> Answer:
        """Hand a request on and give its answer, or raise ``Silent``."""
        try:
            answer = self._asked(method, target, headers, body)
        except Silent as silent:
            metrics.GOVERNING_CALLS.labels(silent.result).inc()
            raise
        metrics.GOVERNING_CALLS.labels("answered").inc()
        return answer

    def _asked(self, method: str, target: str, headers: Iterable[Header], body: bytes) -> Answer:
        with closing(_Connection(self._path, self._timeout_s)) as connection:
            try:
                connection.connect()
            except (TimeoutError, BlockingIOError):  # a full queue: it lives and takes nobody
                raise Silent("silent") from None
            except OSError:
                raise Silent("absent") from None
            if connection.peer() != self._publisher():
                raise Silent("stranger")
            try:
                return _exchanged(connection, method, target, headers, body)
            except TimeoutError:
                raise Silent("silent") from None
            except (OSError, http.client.HTTPException, ValueError):
                raise Silent("broken") from None

    def _publisher(self) -> int:
        try:
            return self._owner.stat().st_uid
        except OSError:
            return -1


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to a socket of this machine."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._timeout_s = path, timeout_s

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(os.fspath(self._path))

    def peer(self) -> int:
        """Say which user listens."""
        told = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, user, _ = _CREDENTIALS.unpack(told)
        return int(user)


def _exchanged(
    connection: _Connection, method: str, target: str, headers: Iterable[Header], body: bytes
) -> Answer:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in (("host", "localhost"), *headers, ("content-length", str(len(body)))):
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders(body or None)
    response = connection.getresponse()
    told = response.read(_MOST_ANSWER + 1)
    # Read in bounded amounts, the library takes an answer that breaks off for a whole one.
    if len(told) > _MOST_ANSWER or response.length:
        raise ValueError("the answer is too large, or not whole")
    return Answer(response.status, tuple(response.getheaders()), told)
