"""Puts the console together: its pages, its error pages, and the shield around both."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sekimori.console import duties, files, guide, setup
from sekimori.console.api.app import create_api
from sekimori.console.api.problems import Refused, answer
from sekimori.console.forwarding import Forwarding
from sekimori.console.line import RETRY_S, Silent
from sekimori.console.render import fault
from sekimori.console.settings import ConsoleSettings
from sekimori.console.shield import API, Shield

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def create_app(settings: ConsoleSettings) -> FastAPI:
    """Return the console's ASGI application."""
    # No generated documentation: it would load scripts from elsewhere and describe pages to strangers.
    app = FastAPI(title="Sekimori", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for room in (duties, files, guide, setup):
        app.include_router(room.router(settings))
    if settings.api is not None:
        app.mount(API, create_api(settings.api))
    elif settings.line is not None:
        app.mount(API, Forwarding(settings.line))
    else:
        app.add_api_route(f"{API}/{{path:path}}", _no_api, methods=list(_METHODS), include_in_schema=False)
    app.add_exception_handler(HTTPException, _http_fault)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Silent, _silent)
    app.add_middleware(Shield, settings=settings)
    return app


async def _no_api(request: Request) -> Response:
    return answer(Refused("api-unavailable"), request.headers.get("accept-language", ""))


async def _http_fault(request: Request, exc: Exception) -> Response:
    if request.url.path.startswith(f"{API}/"):  # what its mount does not take: a path with a line end in it
        return answer(Refused("no-route"), request.headers.get("accept-language", ""))
    known = cast("HTTPException", exc)  # registered for this class only
    return fault(known.status_code, headers=dict(known.headers or {}))


async def _silent(_request: Request, _exc: Exception) -> Response:
    return fault(503, headers={"retry-after": str(RETRY_S)})


async def _unreadable(_request: Request, _exc: Exception) -> Response:
    # FastAPI's own answer repeats the input.
    return fault(400)
