"""The web pages people meet beside the gate: what it is, how to use it, how to apply, its health.

An ASGI application and nothing else: what it shows comes through the protocols in ``ports``.
"""

from __future__ import annotations

from sekimori.console.app import create_app
from sekimori.console.ports import (
    Authority,
    Health,
    HealthReport,
    PasswordHasher,
    PendingSetup,
    RefusalNote,
    Refusals,
    SetupDesk,
)
from sekimori.console.settings import ConsoleSettings, Contact

__all__ = [
    "Authority",
    "ConsoleSettings",
    "Contact",
    "Health",
    "HealthReport",
    "PasswordHasher",
    "PendingSetup",
    "RefusalNote",
    "Refusals",
    "SetupDesk",
    "create_app",
]
