"""What the governing process answers on its socket: the API, and the desk behind the pages of duties.

Only the web server's user reaches the socket. It says for which address it asks; nothing else that it says about
people is believed: they sign in here, and only this process judges cookies, tokens and links.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import Depends, FastAPI, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sekimori.console.api.app import create_api
from sekimori.console.api.ports import ApiPorts
from sekimori.console.api.problems import Refused, answer
from sekimori.console.line import CLIENT
from sekimori.console.ports import DutyDesk
from sekimori.console.remote_duties import PATH, Answered, Reading, Ticket
from sekimori.console.shield import API
from sekimori.errors import where

_LOG = logging.getLogger("sekimori.governor")
_MOST_BODY = 256 * 1024


def create_governor(api: ApiPorts, duties: DutyDesk, *, max_body: int = _MOST_BODY) -> ASGIApp:
    """Return the governing process's ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    desk: tuple[tuple[str, type[Any], Callable[[Any], object]], ...] = (
        ("open", Ticket, lambda said: duties.open(said.ticket)),
        ("read", Reading, lambda said: duties.read(said.ticket, said.number, said.sha256)),
        ("answer", Answered, lambda said: duties.answer(said.ticket, said.answer, said.text)),
    )
    for verb, kind, run in desk:
        app.add_api_route(f"{PATH}/{verb}", _endpoint(kind, run), methods=["POST"], include_in_schema=False)
    app.mount(API, create_api(api))
    app.add_exception_handler(HTTPException, _no_such)
    return _OnBehalf(app, max_body)


class _OnBehalf:
    """Takes the person's address from the web server, and bodies of a bounded length only."""

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; there is nothing else here."""
        if scope["type"] != "http":
            await send({"type": f"{scope['type']}.close"})
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or not length.isdecimal() or len(length) > 12:
            await answer(Refused("unreadable"))(scope, receive, send)
        elif int(length) > self._max_body:
            await answer(Refused("too-large"))(scope, receive, send)
        else:
            given = headers.getlist(CLIENT)
            client = (given[0], 0) if len(given) == 1 and given[0] else None
            kept = [(name, value) for name, value in scope["headers"] if name != CLIENT.encode()]
            await self._app({**scope, "client": client, "headers": kept}, receive, send)


async def _body(request: Request) -> bytes:
    return await request.body()


def _endpoint(kind: type[Any], run: Callable[[Any], object]) -> Callable[..., Response]:
    def endpoint(raw: Annotated[bytes, Depends(_body)]) -> Response:
        try:
            told = run(msgspec.json.decode(raw, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001 - a message could quote what somebody wrote
            _LOG.error("duties failed: %s", where(error))
            return Response(status_code=500)
        return Response(msgspec.json.encode(told), media_type="application/json")

    return endpoint


async def _no_such(request: Request, _exc: Exception) -> Response:
    return answer(Refused("no-route"), request.headers.get("accept-language", ""))
