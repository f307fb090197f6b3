"""The proxy's own HTTP layer, which steps aside once a tunnel stands.

In mitmproxy every chunk inside a CONNECT tunnel, in both directions, is made an HTTP event of the CONNECT
request, taken through its connection and its stream, and made a chunk again: a good tenth of what a request
costs. Nothing there looks at the chunk, so from the first one on the tunnel takes the place of all of that.
"""

from __future__ import annotations

from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events, layer, layers
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._http1 import Http1Server


class Tunnel:
    """Everything that stands above a tunnel's content, once the answer to CONNECT is sent."""

    def __init__(self, client: Client, content: layer.Layer) -> None:
        self._client = client
        self._content = content

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hand an event to the content, and its commands on; a tunnel is closed whole, never by halves."""
        for command in self._content.handle_event(event):
            if not isinstance(command, commands.CloseConnection):
                yield command
            elif command.connection is not self._client or self._client.state & ConnectionState.CAN_WRITE:
                yield commands.CloseConnection(command.connection)


class ProxyLayer(layers.HttpLayer):
    """mitmproxy's layer for what a client says to the proxy itself."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        # Returned, not delegated to: a generator of ours in between would cost every event.
        if isinstance(event, events.DataReceived) and (tunnel := self._standing()) is not None:
            self._put_in_place(tunnel)
            return tunnel.handle_event(event)
        otherwise: layer.CommandGenerator[None] = super()._handle_event(event)
        return otherwise

    def _put_in_place(self, tunnel: Tunnel) -> None:
        """Let what comes go straight to the tunnel: past everything, or past all but TLS with the gate itself."""
        outermost, following = self.context.layers[:2]
        if isinstance(following, layers.ClientTLSLayer):
            following.child_layer = tunnel  # type: ignore[assignment]
        else:
            # The way in which mitmproxy's own NextLayer steps aside.
            outermost.handle_event = tunnel.handle_event  # type: ignore[method-assign]

    def _standing(self) -> Tunnel | None:
        """Return the tunnel, if that is all there is, and nothing of its beginning is under way."""
        http = self.connections.get(self.context.client)
        if not isinstance(http, Http1Server) or http.state != http.passthrough or http.buf or http._paused:  # noqa: SLF001
            return None
        stream = self.streams.get(http.stream_id)
        if stream is None or len(self.streams) > 1 or stream._handle_event != stream.passthrough:  # noqa: SLF001
            return None
        return _tunnel_of(stream)


def _tunnel_of(stream: HttpStream) -> Tunnel | None:
    response = stream.flow.response
    # A switch of protocols talks to its service through the stream; only a CONNECT does without.
    if stream.child_layer is None or stream._paused or response is None or response.status_code == 101:  # noqa: SLF001
        return None
    return Tunnel(stream.context.client, stream.child_layer)
