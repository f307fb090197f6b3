"""Bytes that pass unread are counted, and nothing about them changes."""

import ssl

import pytest
from mitmproxy import connection, options
from mitmproxy.proxy import commands, context, events, layers
from mitmproxy.proxy.layers.tls import TlsClienthelloHook

from sekimori import metrics
from sekimori.addons.passthrough import PassThroughTLS, counted


def client_hello():
    outgoing = ssl.MemoryBIO()
    half = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="www.example.jp")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    return outgoing.read()


def value(kind, direction):
    return metrics.TUNNEL_BYTES.labels(kind, direction)._value.get()


class Relay:
    """One ignored connection, driven without sockets."""

    def __init__(self, kind):
        client = connection.Client(peername=("192.0.2.1", 50000), sockname=("192.0.2.2", 8080))
        client.state = connection.ConnectionState.OPEN
        self.context = context.Context(client, options.Options())
        self.context.server.address = ("www.example.jp", 443)
        self.layer = layers.ServerTLSLayer(self.context)
        self.layer.child_layer = PassThroughTLS(self.context, lambda _: kind)
        self.sent = []
        self.feed(events.Start())

    def feed(self, event):
        for command in list(self.layer.handle_event(event)):
            if isinstance(command, TlsClienthelloHook):
                command.data.ignore_connection = True
                self.feed(events.HookCompleted(command))
            elif isinstance(command, commands.OpenConnection):
                command.connection.state = connection.ConnectionState.OPEN
                command.connection.timestamp_start = 1.0
                self.feed(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.SendData):
                self.sent.append((command.connection, command.data))

    def from_client(self, data):
        self.feed(events.DataReceived(self.context.client, data))

    def from_server(self, data):
        self.feed(events.DataReceived(self.context.server, data))


@pytest.mark.parametrize("kind", metrics.TUNNEL_KINDS)
def test_every_byte_of_an_ignored_connection_is_counted_in_its_direction(kind):
    before = value(kind, "up"), value(kind, "down")
    hello = client_hello()
    relay = Relay(kind)
    relay.from_client(hello[:20])
    relay.from_client(hello[20:])
    relay.from_client(b"u" * 100)
    relay.from_server(b"d" * 70_000)
    relay.from_server(b"d" * 7)
    assert value(kind, "up") - before[0] == len(hello) + 100
    assert value(kind, "down") - before[1] == 70_007


def test_an_ignored_connection_is_passed_on_byte_for_byte():
    hello = client_hello()
    relay = Relay("uncatalogued")
    relay.from_client(hello)
    relay.from_client(b"up")
    relay.from_server(b"down")
    to_server = b"".join(data for where, data in relay.sent if where is relay.context.server)
    to_client = b"".join(data for where, data in relay.sent if where is relay.context.client)
    assert (to_server, to_client) == (hello + b"up", b"down")


def test_bytes_are_not_counted_before_it_is_decided_that_they_pass():
    before = value("mixed", "up")
    relay = Relay("mixed")
    relay.from_client(client_hello()[:40])
    assert value("mixed", "up") == before


def test_a_plain_message_is_counted_chunk_by_chunk_and_left_as_it_is():
    before = value("support", "down")
    passing = counted("support", "down")
    assert [passing(chunk) for chunk in (b"abc", b"", b"de")] == [b"abc", b"", b"de"]
    assert value("support", "down") - before == 5
