"""The HTTP interface under /api/v1: every noun and verb of governance, the log's metadata and content.

What may be asked is data: ``nouns`` names each command's route, ``permissions.toml`` says who may use it, and
the OpenAPI document is made of the same rows. What is decided is decided in ``governance``; here is only who
asks, what was sent, and how the answer is written.
"""

from __future__ import annotations

from sekimori.console.api.app import create_api
from sekimori.console.api.oidc import Issuer
from sekimori.console.api.ports import (
    Accounts,
    ApiPorts,
    Governing,
    Held,
    Known,
    Records,
    SignsIn,
)

__all__ = [
    "Accounts",
    "ApiPorts",
    "Governing",
    "Held",
    "Issuer",
    "Known",
    "Records",
    "SignsIn",
    "create_api",
]
