"""Which protocol may come next on a connection: TLS inside a tunnel, HTTP inside that, nothing else.

Takes the place of mitmproxy's own ``NextLayer``, whose fallback to raw TCP would be a way out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer, layers
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode

from sekimori import metrics
from sekimori.addons.passthrough import PassThroughTLS
from sekimori.addons.peers import is_to_proxy
from sekimori.addons.stepping_aside import ProxyLayer
from sekimori.policy.reasons import Reason

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context

logger = logging.getLogger(__name__)

_TLS_HANDSHAKE = 0x16
_RECORD_HEADER = 3


class CloseLayer(layer.Layer):
    """Close the client's connection, whatever it says."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


class GateLayers:
    """Choose the next layer; what is neither expected nor allowed is closed."""

    name = "sekimori_layers"

    def __init__(self, kind_of: Callable[[Client], str], *, tls: bool = False) -> None:
        self._kind_of = kind_of
        self._tls = tls

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Set the layer, or leave it open until more bytes have come: until then nothing passes."""
        nextlayer.layer = self._choose(nextlayer.context, nextlayer.data_client())

    def _choose(self, context: Context, data: bytes) -> layer.Layer | None:
        top = context.layers[-1]
        if len(context.layers) == 1:
            return self._outermost(context, data)
        if is_to_proxy(context) and top is context.layers[1]:
            return _proxy(context)
        # Not by the client alone: TLS to the gate itself is established before there is any in the tunnel.
        if isinstance(top, layers.ClientTLSLayer) and context.client.tls_established:
            return layers.HttpLayer(context, HTTPMode.transparent)
        if not data or (len(data) < _RECORD_HEADER and data[0] == _TLS_HANDSHAKE):
            return None
        if starts_like_tls_record(data):
            server_tls = layers.ServerTLSLayer(context)
            server_tls.child_layer = PassThroughTLS(context, self._kind_of)
            return server_tls
        return _closed(context)

    def _outermost(self, context: Context, data: bytes) -> layer.Layer | None:
        """Speak plain HTTP with clients, or TLS with every one of them where the listener has a certificate."""
        if not self._tls:
            return _proxy(context) if _explicit(data) else _closed(context)
        if not data or (len(data) < _RECORD_HEADER and data[0] == _TLS_HANDSHAKE):
            return None
        return layers.ClientTLSLayer(context) if starts_like_tls_record(data) else _closed(context)


def _proxy(context: Context) -> layer.Layer:
    upstream = isinstance(context.layers[0], modes.HttpUpstreamProxy)
    return ProxyLayer(context, HTTPMode.upstream if upstream else HTTPMode.regular)


def _explicit(data: bytes) -> bool:
    # This listener speaks plain HTTP; a TLS hello here is a client that was configured for an HTTPS proxy.
    return not (data and data[0] == _TLS_HANDSHAKE)


def _closed(context: Context) -> CloseLayer:
    metrics.DECISIONS.labels("deny", Reason.NOT_TLS.value, "other").inc()
    logger.info("closed a connection that was not TLS inside its tunnel")
    return CloseLayer(context)
