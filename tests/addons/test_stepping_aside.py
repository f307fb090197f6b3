"""Inside a tunnel nothing of the CONNECT request is left in the way, and nothing behaves differently."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import options
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.layers.modes import HttpProxy

from sekimori.addons.stepping_aside import ProxyLayer

_CONNECT = b"CONNECT example.jp:443 HTTP/1.1\r\nHost: example.jp:443\r\n\r\n"


class Content(layer.Layer):
    """Notes what it hears and answers with what it was told to."""

    def __init__(self, context_: context.Context) -> None:
        super().__init__(context_)
        self.heard: list[Any] = []
        self.says: list[commands.Command] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.heard.append(event)
        yield from self.says
        self.says = []


class Proxy:
    """mitmproxy's layers of one connection, with a hook for each question that they ask."""

    def __init__(self) -> None:
        client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0)
        client.state = ConnectionState.OPEN
        self.client = client
        made = options.Options()
        made.add_option("connection_strategy", str, "lazy", "")
        made.add_option("validate_inbound_headers", bool, True, "")
        made.add_option("body_size_limit", str | None, None, "")
        made.add_option("stream_large_bodies", str | None, None, "")
        self.top = HttpProxy(context.Context(client, made))
        self.content: Content | None = None
        self.hear(events.Start())

    def hear(self, event: events.Event) -> list[commands.Command]:
        """Hand an event to the top, answer every hook, and return the other commands."""
        out: list[commands.Command] = []
        waiting = [event]
        while waiting:
            for command in self.top.handle_event(waiting.pop(0)):
                if isinstance(command, layer.NextLayerHook):
                    self._choose(command.data)
                if isinstance(command, commands.StartHook):
                    waiting.append(events.HookCompleted(command))
                else:
                    out.append(command)
        return out

    def data(self, data: bytes) -> list[commands.Command]:
        return self.hear(events.DataReceived(self.client, data))

    def _choose(self, asking: layer.NextLayer) -> None:
        if isinstance(asking.context.layers[-1], HttpProxy):
            asking.layer = ProxyLayer(asking.context, HTTPMode.regular)
        else:
            asking.layer = self.content = Content(asking.context)

    @property
    def stepped_aside(self) -> bool:
        return "handle_event" in vars(self.top)


def payloads(content: Content | None) -> list[bytes]:
    assert content is not None
    return [event.data for event in content.heard if isinstance(event, events.DataReceived)]


@pytest.fixture
def proxy() -> Proxy:
    made = Proxy()
    made.data(_CONNECT)
    made.data(b"hello")
    return made


def test_the_first_chunk_inside_the_tunnel_goes_straight_to_its_content(proxy):
    assert proxy.stepped_aside
    proxy.data(b" world")
    assert payloads(proxy.content) == [b"hello", b" world"]


def test_what_came_together_with_the_connect_comes_first(proxy):
    other = Proxy()
    other.data(_CONNECT + b"early")
    other.data(b" and late")
    assert payloads(other.content) == [b"early", b" and late"]


def test_half_a_connect_is_no_tunnel():
    proxy = Proxy()
    proxy.data(_CONNECT[:20])
    assert not proxy.stepped_aside
    proxy.data(_CONNECT[20:])
    proxy.data(b"hello")
    assert payloads(proxy.content) == [b"hello"]


def test_what_the_content_sends_leaves_as_it_is(proxy):
    proxy.content.says = [commands.SendData(proxy.client, b"answer")]
    assert [command.data for command in proxy.data(b"?")] == [b"answer"]


@pytest.mark.parametrize(
    "close",
    [
        pytest.param(lambda client: commands.CloseConnection(client), id="close"),
        pytest.param(lambda client: commands.CloseTcpConnection(client, half_close=True), id="half-close"),
    ],
)
def test_a_tunnel_is_closed_whole(proxy, close):
    proxy.content.says = [close(proxy.client)]
    (command,) = proxy.data(b"?")
    assert type(command) is commands.CloseConnection
    assert command.connection is proxy.client


def test_a_client_that_can_no_longer_be_written_to_is_not_closed_again(proxy):
    proxy.client.state = ConnectionState.CAN_READ
    proxy.content.says = [commands.CloseConnection(proxy.client)]
    assert proxy.data(b"?") == []


def test_the_end_of_the_client_reaches_the_content(proxy):
    proxy.hear(events.ConnectionClosed(proxy.client))
    assert isinstance(proxy.content.heard[-1], events.ConnectionClosed)
