"""WebSocket dialects, one to a file, and the table in which they are looked up.

To add one: a file with a ``DIALECT``, a line in ``SOCKETS``, a fixture in the tests.
"""

from __future__ import annotations

from typing import Any

from sekimori.wire.sockets import character, chatgpt, copilot, gemini_live, m365, openai_realtime, poe
from sekimori.wire.sockets.socket import Said, SocketDialect
from sekimori.wire.target import Target

__all__ = ["SOCKETS", "Said", "SocketDialect", "socket_at", "socket_named", "socket_shown"]

SOCKETS: tuple[SocketDialect, ...] = (
    openai_realtime.DIALECT,
    gemini_live.DIALECT,
    copilot.DIALECT,
    m365.DIALECT,
    character.DIALECT,
    poe.DIALECT,
    chatgpt.DIALECT,
)
_BY_NAME = {socket.name: socket for socket in SOCKETS}


def socket_at(target: Target) -> SocketDialect | None:
    """Find the dialect that a handshake's target shows."""
    return next((socket for socket in SOCKETS if socket.handshake(target)), None)


def socket_named(name: str) -> SocketDialect | None:
    """Find a dialect by its name."""
    return _BY_NAME.get(name)


def socket_shown(value: Any) -> SocketDialect | None:
    """Find the dialect that a message shows."""
    return next((socket for socket in SOCKETS if socket.shows(value)), None)
