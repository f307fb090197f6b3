"""A witness behind HTTP: two addresses, bounded bodies, bounded time. Plain ASGI; uvicorn serves it.

::

    POST /add-checkpoint
    GET  /<SHA-256 of the origin, hex>/checkpoint
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

from sekimori.errors import SekimoriError
from sekimori.ledger.witness.protocol import ADD_CHECKPOINT, MAX_BYTES
from sekimori.ledger.witness.service import Answer, Witness
from sekimori.ledger.witness.verdict import Status

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

logger = logging.getLogger(__name__)

CONNECTION_SECONDS = 10.0
MAX_CONNECTIONS = 256
_NO_METHOD = 405
_TOO_LARGE = 413
_UNABLE = 503


class ShortLived(H11Protocol):
    """A connection that ends after a while, whatever it is doing: uvicorn itself waits for ever for a head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._end = self.loop.call_later(CONNECTION_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if hasattr(self, "_end"):
            self._end.cancel()
        super().connection_lost(exc)


def create_app(witness: Witness) -> ASGI3Application:
    """Make the application."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await _answer(witness, scope["method"], scope["path"], receive)
        except SekimoriError:
            logger.exception("a request can't be answered")
            answer = Answer(_UNABLE, b"The witness can't remember anything now.\n")
        await _send(send, answer)

    return app


async def _answer(witness: Witness, method: str, path: str, receive: ASGIReceiveCallable) -> Answer:
    if path == f"/{ADD_CHECKPOINT}":
        if method != "POST":
            return Answer(_NO_METHOD, b"POST a checkpoint here.\n")
        body = await _body(receive)
        if body is None:
            return Answer(_TOO_LARGE, f"More than {MAX_BYTES} bytes.\n".encode())
        return await asyncio.to_thread(witness.add_checkpoint, body)
    hashed, _, rest = path.removeprefix("/").partition("/")
    if method == "GET" and rest == "checkpoint":
        return await asyncio.to_thread(witness.checkpoint, hashed)
    return Answer(Status.UNKNOWN_LOG, b"There is nothing here.\n")


async def _body(receive: ASGIReceiveCallable) -> bytes | None:
    """Read a body; None if it is too large. One that is cut by its sender is no request and parses as none."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: ASGISendCallable, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.kind.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send(
        {"type": "http.response.start", "status": int(answer.status), "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
