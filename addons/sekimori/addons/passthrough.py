"""Count what passes unread.

mitmproxy relays an ignored connection without a flow, so no hook sees its bytes. The TLS layer that
decided to ignore it stays in between, though, and hands every chunk on in ``event_to_child``: there a
length can be added up without looking at the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy.proxy import events, layer, layers
from mitmproxy.proxy.tunnel import TunnelState
from prometheus_client import Counter

from sekimori import metrics

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context


class PassThroughTLS(layers.ClientTLSLayer):
    """mitmproxy's own layer, which also counts the bytes of a connection that it was told to ignore.

    ``kind_of`` says which of ``metrics.TUNNEL_KINDS`` a client's tunnel is of.
    """

    def __init__(self, context: Context, kind_of: Callable[[Client], str]) -> None:
        super().__init__(context)
        self._kind_of = kind_of
        self._counters: tuple[Counter, Counter] | None = None

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hand an event on; a chunk that goes to a blind relay is counted first."""
        if (
            isinstance(event, events.DataReceived)
            and isinstance(self.child_layer, layers.TCPLayer)
            # What comes before is queued, and handed on a second time.
            and self.tunnel_state is not TunnelState.ESTABLISHING
        ):
            self._count(event)
        # Returned, not delegated to: another generator frame would cost every decrypted chunk as well.
        return super().event_to_child(event)

    def _count(self, event: events.DataReceived) -> None:
        if self._counters is None:
            kind = self._kind_of(self.context.client)
            self._counters = (
                metrics.TUNNEL_BYTES.labels(kind, "up"),
                metrics.TUNNEL_BYTES.labels(kind, "down"),
            )
        self._counters[event.connection is not self.context.client].inc(len(event.data))


def counted(kind: str, direction: str) -> Callable[[bytes], bytes]:
    """Make the ``stream`` of a plain ``http://`` message: it counts each chunk and passes it on as it is."""
    counter = metrics.TUNNEL_BYTES.labels(kind, direction)

    def passing(chunk: bytes) -> bytes:
        counter.inc(len(chunk))
        return chunk

    return passing
