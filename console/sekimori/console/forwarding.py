"""The API where its keys are elsewhere: each request is handed to the governing process, and its answer back.

What belongs to one connection stays on it (RFC 9110, 7.6.1). Everything else passes as it came, so that tokens,
cookies, ETags and keys of idempotency mean the same here and there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sekimori import metrics
from sekimori.console.api.problems import Refused
from sekimori.console.api.problems import answer as problem
from sekimori.console.line import CLIENT, RETRY_S, Answer, Header, Line, Silent

# A governing process that hangs must not take the threads of the pages with it.
_THREADS = 32
_MOST_WAITING = 128
_OF_ONE_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade", "expect"),
    }
)
# Written anew on each side: how long a body is, for which host, by which server and when.
_OWN = frozenset({"host", "content-length", "date", "server", CLIENT})


class Forwarding:
    """An ASGI application in the place of the API."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._threads = ThreadPoolExecutor(_THREADS, "governing")
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        request = Request(scope, receive)
        body = await request.body()
        try:
            response = _written(await self._asked(request, body))
        except Silent:
            headers = {"retry-after": str(RETRY_S)}
            refused = Refused("api-unavailable", headers=headers)
            response = problem(refused, request.headers.get("accept-language", ""))
        await response(scope, receive, send)

    async def _asked(self, request: Request, body: bytes) -> Answer:
        if self._waiting >= _MOST_WAITING:
            metrics.GOVERNING_CALLS.labels("busy").inc()
            raise Silent("busy")
        headers = tuple(passing(request.headers.items()))
        client = request.client.host if request.client else ""
        asked = partial(
            self._line.ask, request.method, _target(request.scope), (*headers, (CLIENT, client)), body
        )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        finally:
            self._waiting -= 1


def passing(headers: Iterable[Header]) -> Iterator[Header]:
    """Yield the headers that are for the other end, not for the connection that they came by."""
    held = [(name.lower(), value) for name, value in headers]
    named = {
        each.strip().lower() for name, value in held if name == "connection" for each in value.split(",")
    }
    for name, value in held:
        if name not in _OF_ONE_CONNECTION | _OWN | named:
            yield name, value


def _target(scope: Scope) -> str:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")


def _written(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    # An answer to HEAD has the length of what it does not send.
    lengths = [*Headers(raw=response.raw_headers).getlist("content-length")]
    lengths = [value for name, value in answer.headers if name.lower() == "content-length"] or lengths
    told = (*passing(answer.headers), *(("content-length", each) for each in lengths[:1]))
    response.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]
    return response
