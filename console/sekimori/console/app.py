"""Puts the console together: its pages, its error pages, and the shield around both."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sekimori.console import files, guide, setup
from sekimori.console.render import fault
from sekimori.console.settings import ConsoleSettings
from sekimori.console.shield import Shield


def create_app(settings: ConsoleSettings) -> FastAPI:
    """Return the console's ASGI application."""
    # No generated documentation: it would load scripts from elsewhere and describe pages to strangers.
    app = FastAPI(title="Sekimori", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for room in (files, guide, setup):
        app.include_router(room.router(settings))
    app.add_exception_handler(HTTPException, _http_fault)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_middleware(Shield, settings=settings)
    return app


async def _http_fault(_request: Request, exc: Exception) -> Response:
    known = cast("HTTPException", exc)  # registered for this class only
    return fault(known.status_code, headers=dict(known.headers or {}))


async def _unreadable(_request: Request, _exc: Exception) -> Response:
    # FastAPI's own answer repeats the input.
    return fault(400)
