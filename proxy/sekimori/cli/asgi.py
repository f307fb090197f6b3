"""An ASGI application on an inherited socket, until the supervisor says otherwise or is gone."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from sekimori.cli.ending import announce
from sekimori.cli.lifeline import watch

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DRAIN_S = 5


class _Announcing(uvicorn.Server):
    """A server that says when it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell the supervisor."""
        await super().startup(sockets)
        announce()


def serve(app: ASGIApp, listener: socket.socket, lifeline_fd: int) -> None:
    """Serve until told to stop."""
    server = _Announcing(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
    watch(lifeline_fd, lambda: setattr(server, "should_exit", True))
    server.run(sockets=[listener])
