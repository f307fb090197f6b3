"""Who asks: what a client says of itself decides, and only without that what is known of its connection."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

from sekimori.addons.desk import client_address
from sekimori.addons.identity import Identity
from sekimori.addons.vouching import Vouching

if TYPE_CHECKING:
    from mitmproxy import http
    from mitmproxy.connection import Client


class Credentials(Protocol):
    """Whoever reads what a client says of itself."""

    async def identify(self, header: str, client: str = "", /) -> Identity | None:
        """Return who presents a ``Proxy-Authorization``; raises ``Overloaded`` and ``Unavailable``."""


class Asking:
    """Identify who sends a CONNECT or a plain request; ``vouching`` is left out where no connection counts."""

    def __init__(self, credentials: Credentials, vouching: Vouching | None = None) -> None:
        self._credentials = credentials
        self._vouching = vouching
        self._own: weakref.WeakKeyDictionary[Client, tuple[Any, ...]] = weakref.WeakKeyDictionary()

    async def who(self, flow: http.HTTPFlow) -> Identity | None:
        """Take what a client says of itself if it does, and else what is known of its connection."""
        client = flow.client_conn
        if self._vouching is not None:
            self._name_device(flow, self._vouching)
        presented = flow.request.headers.get_all("proxy-authorization")
        if len(presented) == 1:
            return await self._credentials.identify(presented[0], client_address(client))
        if presented or self._vouching is None:
            return None
        return await self._vouching.identify(flow)

    def _name_device(self, flow: http.HTTPFlow, vouching: Vouching) -> None:
        """Have records show the device behind a parent proxy, request by request."""
        client = flow.client_conn
        own = self._own.setdefault(client, client.peername)
        behind = vouching.address(flow)
        client.peername = (behind, 0) if behind is not None else own
