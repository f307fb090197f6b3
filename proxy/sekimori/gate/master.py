"""The lean mitmproxy master of a gate worker: six of its addons, ours, and nothing that could be scripted.

Left out on purpose: scripts, save, onboarding (mitm.it), replay, map_local and map_remote, block.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mitmproxy import http, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import core, disable_h2c, errorcheck, proxyserver
from mitmproxy.connection import Client
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook
from mitmproxy.master import Master
from mitmproxy.proxy.layers.websocket import WebSocketMessageInjected
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from sekimori import metrics
from sekimori.errors import StateError, where

logger = logging.getLogger(__name__)

_Handlers = tuple[Callable[[Any], Any], ...]
_IDLE_SECONDS = 3600
_IDLE_AFTER = 1.0


class GateAddons(AddonManager):
    """Runs hooks over a chain that never changes once it serves: who has which hook is looked up once.

    As in mitmproxy, an exception is logged and the next addon goes on, so each hook of ours sets its
    refusal first. Left out is the ``update`` pass after each hook, which nobody here listens to.
    """

    def __init__(self, master: Master) -> None:
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._handlers: dict[str, _Handlers] = {}

    def handlers(self, name: str) -> _Handlers:
        """Return who listens to a hook."""
        found = self._handlers.get(name)
        if found is None:
            listening = (getattr(addon, name, None) for addon in self.chain)
            found = self._handlers[name] = tuple(each for each in listening if each is not None)
        return found

    def start(self, hook: Hook) -> Awaitable[None] | None:
        """Run a hook of a connection or a flow, which has one field; return what is left once a handler waits."""
        data = next(iter(vars(hook).values()))
        handlers = self.handlers(hook.name)
        for number, handler in enumerate(handlers, start=1):
            try:
                waiting = handler(data)
            except AddonHalt:
                return None
            except Exception as error:  # noqa: BLE001 - whatever it is, the refusal that was set first stands
                _failed(hook, error)
                continue
            if waiting is not None:
                return self._rest(hook, data, waiting, handlers[number:])
        return None

    async def handle_lifecycle(self, event: Hook) -> None:
        """Run a hook to its end."""
        rest = self.start(event)
        if rest is not None:
            await rest

    async def _rest(
        self, hook: Hook, data: Any, waiting: Awaitable[None] | None, handlers: _Handlers
    ) -> None:
        following = iter(handlers)
        while True:
            try:
                if waiting is not None:
                    await waiting
                handler = next(following, None)
                if handler is None:
                    return
                waiting = handler(data)
            except AddonHalt:
                return
            except Exception as error:  # noqa: BLE001 - as above
                _failed(hook, error)
                waiting = None


def _failed(hook: Hook, error: Exception) -> None:
    metrics.GATE_ERRORS.labels(hook.name).inc()
    logger.error("%s failed; what it had set stands: %s", hook.name, where(error))


class GateMaster(Master):
    """A master with a fixed chain of addons; ``shutdown`` is mitmproxy's own."""

    def __init__(self) -> None:
        super().__init__(options.Options())
        self.addons = GateAddons(self)
        self.proxyserver = proxyserver.Proxyserver()

    def assemble(self, *, tls: object, ours: Sequence[object]) -> None:
        """Put the chain together; its order is the order in which hooks run."""
        self.addons.add(
            core.Core(),
            disable_h2c.DisableH2C(),
            self.proxyserver,
            tls,
            *ours,
            errorcheck.ErrorCheck(),
        )

    def configure(self, *, trusted_roots: str, max_upload: int, parent_proxy: str, confdir: str) -> None:
        """Set the options after the addons are there: given to the constructor they would not reach them."""
        self.options.update(
            mode=[f"upstream:{parent_proxy}" if parent_proxy else "regular"],
            connection_strategy="lazy",
            rawtcp=False,
            body_size_limit=str(max_upload),
            ssl_verify_upstream_trusted_ca=trusted_roots,
            confdir=confdir,
            upstream_cert=False,
            tcp_timeout=_IDLE_SECONDS,
            http3=False,
        )
        self.check()

    def check(self) -> None:
        """Refuse to run with an option that would open the gate."""
        wanted: dict[str, Any] = {
            "stream_large_bodies": None,
            "validate_inbound_headers": True,
            "ssl_insecure": False,
            "rawtcp": False,
            "connection_strategy": "lazy",
            "store_streamed_bodies": False,
        }
        for name, value in wanted.items():
            if getattr(self.options, name) != value:
                raise StateError(f"The option {name} must be {value!r}; the gate does not start.")
        # 12.3.1 ships the private key of a compromised public CA and options to sign with it.
        for name in ("emudhra", "emudhra_old"):
            if name in self.options.keys() and getattr(self.options, name):  # noqa: SIM118 - not a mapping
                raise StateError(f"The option {name} signs with a compromised CA; the gate does not start.")

    # --- what addons ask of the connections --------------------------------------------------

    def close_client(self, client: Client) -> None:
        """Close a client's connection, and with it every stream on it."""
        handler = self.proxyserver.connections.get(client.id)
        if handler is not None and handler.client in handler.transports:
            handler.close_connection(handler.client)

    def abort_server(self, data: ServerConnectionHookData) -> None:
        """Drop an upstream connection before anything is written to it."""
        handler = self.proxyserver.connections.get(data.client.id)
        transport = handler.transports.get(data.server) if handler is not None else None
        if transport is not None and isinstance(transport.writer, asyncio.StreamWriter):
            transport.writer.transport.abort()

    def close_websocket(self, flow: http.HTTPFlow, code: int, reason: bytes) -> None:
        """End a WebSocket towards both sides with a close code, once the running hook has returned."""
        message = WebSocketMessage(Opcode.CLOSE, False, code.to_bytes(2, "big") + reason)
        self.event_loop.create_task(self._inject(flow, message))

    async def _inject(self, flow: http.HTTPFlow, message: WebSocketMessage) -> None:
        handler = self.proxyserver.connections.get(flow.client_conn.id)
        if handler is not None:
            await handler.server_event(WebSocketMessageInjected(flow, message))

    # --- draining ----------------------------------------------------------------------------

    async def drain(self, seconds: float, busy: Callable[[Client], bool]) -> None:
        """Stop accepting, let what runs end, close what idles; at most ``seconds``."""
        self.options.update(mode=[])
        # What the kernel had already accepted for us still becomes a connection: give it a moment.
        await asyncio.sleep(0.2)
        deadline = self.event_loop.time() + seconds
        while self.proxyserver.connections and self.event_loop.time() < deadline:
            self._close_idle(busy)
            await asyncio.sleep(0.1)

    def _close_idle(self, busy: Callable[[Client], bool]) -> None:
        now = time.time()
        for handler in list(self.proxyserver.connections.values()):
            # One that was just accepted has its request still under way: closing it at once loses it.
            idle = now - handler.timeout_watchdog.last_activity > _IDLE_AFTER
            if idle and handler.client in handler.transports and not busy(handler.client):
                handler.close_connection(handler.client)
