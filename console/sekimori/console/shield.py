"""What holds for every request and answer, whichever page: names, sizes, headers.

Pure ASGI, outermost, so that not even an error page leaves without its headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sekimori.console.api.problems import Refused, answer
from sekimori.console.render import fault
from sekimori.console.settings import ConsoleSettings

API = "/api/v1"
_ALWAYS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
_UNLESS_SET = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


class _Refused(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.problem = Refused(code)
        self.sentence = sentence

    def response(self, scope: Scope) -> Response:
        """Say it as whoever asked reads refusals."""
        if _is_api(scope):
            return answer(self.problem, Headers(scope=scope).get("accept-language", ""))
        return PlainTextResponse(f"{self.sentence}\n", self.problem.text.status)


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith(f"{API}/")


class Shield:
    """Refuses other hosts' names and oversized requests; puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; WebSockets are closed, there are none here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, _Guarded(send))

    async def _http(self, scope: Scope, receive: Receive, send: _Guarded) -> None:
        try:
            self._check_head(scope)
            body = await self._read_body(Headers(scope=scope), receive, self._most(scope))
        except _Refused as refused:
            await refused.response(scope)(scope, receive, send)
            return
        try:
            await self._app(scope, _replay(body, receive), send)
        except Exception:
            # FastAPI's own last resort stands outside of every middleware: its page would have no
            # headers. It finds this one begun, and only passes the exception on to the server's log.
            if not send.begun:
                await fault(500)(scope, receive, send)
            raise

    def _most(self, scope: Scope) -> int:
        # A usage plan with its sheets is longer than any form of the pages.
        return self._settings.max_api_body if _is_api(scope) else self._settings.max_body

    def _check_head(self, scope: Scope) -> None:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1:
            raise _Refused("unreadable", "A request names exactly one host.")
        if hosts[0].lower() not in self._settings.hosts:
            raise _Refused("misdirected", "This server does not answer under that name.")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > self._settings.max_target:
            raise _Refused("too-long", "The address is too long.")

    async def _read_body(self, headers: Headers, receive: Receive, most: int) -> bytes:
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return b""
        declared = headers.get("content-length", "0")
        if not declared.isdecimal():
            raise _Refused("unreadable", "The length of the request is not a number.")
        if len(declared) > 12 or int(declared) > most:
            raise _Refused("too-large", "The request is too large.")
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                return await self._collect(receive, most)
        except TimeoutError:
            raise _Refused("too-slow", "The request did not arrive in time.") from None

    async def _collect(self, receive: Receive, most: int) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused("unreadable", "The request broke off.")
            body += message.get("body", b"")
            if len(body) > most:
                raise _Refused("too-large", "The request is too large.")
            if not message.get("more_body", False):
                return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


class _Guarded:
    """Sends an answer with its headers, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            _fill(headers, _ALWAYS.items(), replace=True)
            _fill(headers, _UNLESS_SET.items(), replace=False)
        await self._send(message)


def _fill(headers: MutableHeaders, fields: Iterable[tuple[str, str]], *, replace: bool) -> None:
    for name, value in fields:
        if replace or name not in headers:
            headers[name] = value
