"""The socket to a recorder: driven by an event loop, or waited for by whoever has none left (``close``)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Buffer, Callable

import msgspec

from sekimori.ledger.orders import Answer, Inbox

_PIECE = 4096


class RecorderLine:
    """Sends orders and hears answers; belongs to one thread at a time, an event loop's or a caller's.

    ``heard`` gets each answer, and raises IndexError if it can't be one; ``ended`` gets why there will be
    no more of them.
    """

    def __init__(
        self, sock: socket.socket, *, heard: Callable[[Answer], None], ended: Callable[[str], None]
    ) -> None:
        self._sock = sock
        self._heard = heard
        self._ended = ended
        self._inbox = Inbox()
        self._out: deque[memoryview] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that drives it."""
        return self._loop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let an event loop drive it, the running one; what another one left half sent is sent on."""
        self._sock.setblocking(False)
        self._loop = loop
        loop.add_reader(self._sock, self._receive)
        self._flush()

    def detach(self, seconds: float) -> None:
        """Take it from its event loop, in whichever thread that runs; wait that long for it at most."""
        loop, self._loop, self._writing = self._loop, None, False
        if loop is None or loop.is_closed():
            return
        if loop is loop_here() or not loop.is_running():
            _let_go(loop, self._sock)
            return
        gone = threading.Event()

        def let_go() -> None:
            _let_go(loop, self._sock)
            gone.set()

        with contextlib.suppress(RuntimeError):  # closed in between: it has let go
            loop.call_soon_threadsafe(let_go)
            gone.wait(seconds)

    def send(self, *parts: Buffer) -> None:
        """Send what the socket takes, and the rest once it takes more."""
        self._out += map(memoryview, parts)
        self._flush()

    def finish_sending(self, deadline: float) -> None:
        """Wait until all is sent, without a loop; raises TimeoutError at ``deadline`` (``time.monotonic``)."""
        self._within(deadline)
        self._flush()

    def wait(self, deadline: float) -> None:
        """Wait for the next answer or the end, without a loop; raises TimeoutError likewise."""
        self._within(deadline)
        self._receive()

    def close(self) -> None:
        """Give the descriptor back: the recorder ends."""
        self._sock.close()

    def _within(self, deadline: float) -> None:
        self._sock.settimeout(max(0.001, deadline - time.monotonic()))

    def _flush(self) -> None:
        out, loop = self._out, self._loop
        try:
            while out:
                sent = self._sock.send(out[0])
                if sent == len(out[0]):
                    out.popleft()
                else:
                    out[0] = out[0][sent:]
        except BlockingIOError:
            if loop is not None and not self._writing:
                loop.add_writer(self._sock, self._flush)
                self._writing = True
            return
        except TimeoutError:
            raise
        except OSError:
            # Its last word, or the end of the socket, is yet to be read; one that still lives is told to end.
            out.clear()
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
        if self._writing and loop is not None:
            loop.remove_writer(self._sock)
            self._writing = False

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_PIECE)
        except BlockingIOError:
            return
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            self._ended("ended")
            return
        try:
            for answer in self._inbox.feed(data):
                self._heard(answer)
        except (msgspec.DecodeError, IndexError) as error:
            self._ended(f"can't be understood: {error}")


def loop_here() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _let_go(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    loop.remove_reader(sock)
    loop.remove_writer(sock)
