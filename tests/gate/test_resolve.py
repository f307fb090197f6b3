"""Where the gate may connect to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.errors import ConfigError
from sekimori.gate.resolve import (
    AddressGuard,
    GuardedEventLoop,
    Lookup,
    Pin,
    PrivateAddressError,
    is_private_refusal,
    is_public,
)


class NameServer:
    """Answers as ``socket.getaddrinfo`` does, from a table; what it does not know it leaves to the real one."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): addresses for name, addresses in answers.items()}
        self.asked: list[str] = []

    def __call__(
        self, host: str, port: Any, family: int = 0, kind: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        self.asked.append(host)
        if host not in self.answers:
            return socket.getaddrinfo(host, port, family, kind, proto, flags | socket.AI_NUMERICHOST)
        return [
            info
            for a in self.answers[host]
            for info in socket.getaddrinfo(a, port, family, kind, proto, flags)
        ]


def run(guard: AddressGuard, lookup: Lookup, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=lambda: GuardedEventLoop(guard, lookup=lookup)) as runner:
        return runner.run(work())


def resolve(host: str, guard: AddressGuard | None = None, port: int = 443, **answers: list[str]) -> Any:
    async def work():
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [info[4][:2] for info in infos]

    return run(guard or AddressGuard(), NameServer(**answers), work)


@pytest.fixture
def listener():
    """A port on loopback that counts who came."""

    class Listener:
        def __init__(self) -> None:
            self.socket = socket.create_server(("127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]

        def visitors(self) -> int:
            self.socket.setblocking(False)
            count = 0
            while True:
                try:
                    self.socket.accept()[0].close()
                except BlockingIOError:
                    return count
                count += 1

    listener = Listener()
    yield listener
    listener.socket.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        pytest.param("8.8.8.8", True, id="a public address"),
        pytest.param("1.1.1.1", True, id="another"),
        pytest.param("2606:4700::1111", True, id="a public IPv6 address"),
        pytest.param("172.15.255.255", True, id="just below 172.16/12"),
        pytest.param("172.32.0.0", True, id="just above 172.16/12"),
        pytest.param("100.63.255.255", True, id="just below CGNAT"),
        pytest.param("100.128.0.0", True, id="just above CGNAT"),
        pytest.param("10.0.0.1", False, id="private 10"),
        pytest.param("172.16.0.1", False, id="private 172.16"),
        pytest.param("172.31.255.255", False, id="private 172.31"),
        pytest.param("192.168.1.1", False, id="private 192.168"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("127.255.255.254", False, id="the far end of loopback"),
        pytest.param("0.0.0.0", False, id="unspecified, which connects to loopback"),
        pytest.param("0.1.2.3", False, id="this network"),
        pytest.param("169.254.169.254", False, id="cloud metadata"),
        pytest.param("168.63.129.16", False, id="Azure's metadata"),
        pytest.param("100.100.100.200", False, id="Alibaba's metadata, in CGNAT"),
        pytest.param("192.0.0.192", False, id="Oracle's metadata"),
        pytest.param("198.18.0.1", False, id="benchmarking"),
        pytest.param("192.0.2.1", False, id="documentation"),
        pytest.param("192.88.99.1", False, id="6to4 relay"),
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("240.0.0.1", False, id="reserved"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::", False, id="IPv6 unspecified"),
        pytest.param("::1", False, id="IPv6 loopback"),
        pytest.param("fe80::1", False, id="link-local"),
        pytest.param("fe80::1%eth0", False, id="link-local with a zone"),
        pytest.param("2606:4700::1111%eth0", False, id="a public address with a zone"),
        pytest.param("fec0::1", False, id="site-local"),
        pytest.param("fd12:3456::1", False, id="ULA"),
        pytest.param("fd00:ec2::254", False, id="metadata over IPv6"),
        pytest.param("ff02::1", False, id="IPv6 multicast"),
        pytest.param("2001:db8::1", False, id="IPv6 documentation"),
        pytest.param("3fff::1", False, id="IPv6 documentation, the newer range"),
        pytest.param("100::1", False, id="discard"),
        pytest.param("5f00::1", False, id="segment routing"),
        pytest.param("::ffff:10.0.0.1", False, id="mapped private"),
        pytest.param("::ffff:8.8.8.8", True, id="mapped public"),
        pytest.param("::127.0.0.1", False, id="IPv4-compatible loopback"),
        pytest.param("::8.8.8.8", False, id="IPv4-compatible, long abolished"),
        pytest.param("64:ff9b::a9fe:a9fe", False, id="NAT64 of the metadata address"),
        pytest.param("64:ff9b::808:808", True, id="NAT64 of a public address"),
        pytest.param("64:ff9b:1::808:808", False, id="NAT64 of a local network"),
        pytest.param("2002:a00:1::1", False, id="6to4 of a private address"),
        pytest.param("2002:808:808::1", True, id="6to4 of a public address"),
        pytest.param("2001:0:808:808::f5ff:fffe", False, id="Teredo"),
        pytest.param("no address", False, id="no address at all"),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(address, public):
    assert is_public(address) is public


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_counts_the_same_in_every_ipv6_disguise(address):
    number = int(address)
    disguises = [f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) | number))]
    disguises.append(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)))
    assert {is_public(disguise) for disguise in disguises} == {is_public(address)}


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_public(address):
    if is_public(address) and address.version == 4:
        assert address.is_global
        assert not address.is_multicast


def test_private_addresses_are_dropped_and_public_ones_kept():
    found = resolve("mixed.example", mixed_example=["10.0.0.1", "8.8.8.8", "::1"])
    assert found == [("8.8.8.8", 443)]


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("inside.example", id="a name with a private address"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("::1", id="IPv6 loopback"),
        pytest.param("2130706433", id="a decimal number"),
        pytest.param("0x7f.1", id="hexadecimal and short"),
        pytest.param("::ffff:127.0.0.1", id="mapped"),
        pytest.param("fe80::1%lo", id="with a zone"),
        pytest.param(None, id="nothing"),
    ],
)
def test_a_host_without_a_public_address_is_an_error_that_names_it(host):
    with pytest.raises(PrivateAddressError) as caught:
        resolve(host, inside_example=["10.1.2.3", "fd00::1"])
    assert caught.value.host == (host or "")
    assert is_private_refusal(str(caught.value))
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    "text", [None, "", "Connect call failed", "cannot resolve private address refused: x"]
)
def test_other_failures_are_not_taken_for_a_refusal(text):
    assert not is_private_refusal(text)


def test_an_impossible_name_is_an_error_of_the_network_and_not_of_the_program():
    def lookup(*_):
        raise UnicodeError("label too long")

    async def work():
        await asyncio.get_running_loop().getaddrinfo("a" * 99, 443)

    with pytest.raises(socket.gaierror):
        run(AddressGuard(), lookup, work)


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        pytest.param("127.0.0.1:9443", Pin("127.0.0.1", 9443), id="address and port"),
        pytest.param("10.0.0.7", Pin("10.0.0.7"), id="address"),
        pytest.param("[::1]:9443", Pin("::1", 9443), id="IPv6 and port"),
        pytest.param("[::1]", Pin("::1"), id="IPv6 in brackets"),
        pytest.param("FD00::1", Pin("fd00::1"), id="IPv6"),
    ],
)
def test_a_pin_is_an_address_and_perhaps_a_port(text, pin):
    assert Pin.read("host", text) == pin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:80",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:x",
        "[::1",
        "::1]",
        "[1.2.3.4]:",
        "1.2.3.4]",
        "[1.2.3.4",
        "1.2.3",
    ],
)
def test_anything_else_is_no_pin(text):
    with pytest.raises(ConfigError, match=r'upstream\.resolve: "host"'):
        Pin.read("host", text)


@given(st.text(max_size=30))
def test_no_text_makes_the_pin_reader_raise_anything_else(text):
    try:
        pin = Pin.read("host", text)
    except ConfigError:
        return
    assert str(ipaddress.ip_address(pin.address)) == pin.address


def test_a_pinned_host_alone_goes_where_it_is_pinned_to():
    guard = AddressGuard({"API.OpenAI.com": "127.0.0.1:9443", "claude.ai": "10.0.0.7"})
    assert resolve("api.openai.com.", guard, api_openai_com=["8.8.8.8"]) == [("127.0.0.1", 9443)]
    assert resolve("claude.ai", guard) == [("10.0.0.7", 443)]
    for other in ("evil.example", "127.0.0.1", "x.api.openai.com"):
        with pytest.raises(PrivateAddressError):
            resolve(other, guard, evil_example=["127.0.0.1"], x_api_openai_com=["127.0.0.1"])


def test_the_parent_proxy_alone_may_be_private_and_only_at_its_port():
    guard = AddressGuard(parent_proxy=("squid.internal", 3128))
    answers = {"squid_internal": ["10.0.0.5"], "evil_example": ["10.0.0.5"]}
    assert resolve("squid.internal", guard, 3128, **answers) == [("10.0.0.5", 3128)]
    for host, port in (("squid.internal", 22), ("evil.example", 3128)):
        with pytest.raises(PrivateAddressError):
            resolve(host, guard, port, **answers)


def test_a_listener_may_still_be_opened_on_a_local_name():
    async def work():
        server = await asyncio.start_server(lambda reader, writer: None, "localhost", 0)
        addresses = [s.getsockname()[0] for s in server.sockets]
        server.close()
        await server.wait_closed()
        return addresses

    assert "127.0.0.1" in run(AddressGuard(), socket.getaddrinfo, work)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "rebound.example", "2130706433", "::ffff:127.0.0.1", "0.0.0.0", ""]
)
def test_no_way_of_opening_a_connection_leads_inside(host, listener):
    lookup = NameServer(rebound_example=["127.0.0.1"])

    async def open_connection():
        await asyncio.open_connection(host, listener.port)

    async def racing():
        await asyncio.open_connection(host, listener.port, happy_eyeballs_delay=0.1)

    async def from_a_local_address():
        await asyncio.open_connection(host, listener.port, local_addr=("127.0.0.1", 0))

    for work in (open_connection, racing, from_a_local_address):
        with pytest.raises(PrivateAddressError):
            run(AddressGuard(), lookup, work)
    assert listener.visitors() == 0


def test_asyncio_below_the_resolver_leads_inside_neither(listener):
    async def by_socket():
        with socket.socket() as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", listener.port))

    async def by_datagram():
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", listener.port)
        )

    for work in (by_socket, by_datagram):
        with pytest.raises(PrivateAddressError):
            run(AddressGuard({"a.example": "10.0.0.1"}), socket.getaddrinfo, work)
    assert listener.visitors() == 0


def test_a_socket_that_is_connected_already_and_one_of_this_machine_are_left_alone(tmp_path):
    async def work():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        transport.close()
        theirs.close()
        async with await asyncio.start_unix_server(lambda reader, writer: writer.close(), tmp_path / "s"):
            _, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.close()
            await writer.wait_closed()

    run(AddressGuard(), socket.getaddrinfo, work)


def test_a_certificate_is_checked_against_the_name_and_not_the_address(listener):
    guard = AddressGuard({"api.openai.com": f"127.0.0.1:{listener.port}"})

    async def work() -> str | None:
        waiting = asyncio.open_connection("api.openai.com", 443, ssl=ssl.create_default_context())
        connecting = asyncio.create_task(waiting)
        reader = await asyncio.get_running_loop().run_in_executor(None, listener.socket.accept)
        hello = b""
        while b"api.openai.com" not in hello and (more := await asyncio.to_thread(reader[0].recv, 4096)):
            hello += more
        reader[0].close()
        with pytest.raises(ConnectionError):
            await connecting
        return "api.openai.com" if b"api.openai.com" in hello else None

    assert run(guard, socket.getaddrinfo, work) == "api.openai.com"


def test_a_second_answer_of_the_name_server_changes_nothing(listener):
    class Rebinding(NameServer):
        def __call__(self, host: str, port: Any, *rest: Any) -> list[Any]:
            self.answers["rebind.example"] = ["198.51.100.1"] if self.asked else ["203.0.113.1", "10.0.0.1"]
            return super().__call__(host, port, *rest)

    lookup = Rebinding()

    async def work():
        await asyncio.open_connection("rebind.example", listener.port)

    with pytest.raises(PrivateAddressError):
        run(AddressGuard(), lookup, work)
    assert lookup.asked == ["rebind.example"]


def test_a_pinned_host_is_connected_to_its_pin_whatever_port_was_asked_for(listener):
    guard = AddressGuard({"api.openai.com": f"127.0.0.1:{listener.port}"})

    async def work():
        _, writer = await asyncio.open_connection("api.openai.com", 443)
        peer = writer.get_extra_info("peername")
        writer.close()
        await writer.wait_closed()
        return peer

    peer = run(guard, socket.getaddrinfo, work)
    assert peer == ("127.0.0.1", listener.port)
    assert listener.visitors() == 1
    assert guard.admits_peer("api.openai.com", 443, peer)
    assert not guard.admits_peer("other.example", 443, peer)
    assert not guard.admits_peer("api.openai.com", 443, ("10.0.0.1", 443))
    assert not guard.admits_peer("api.openai.com", 443, None)


def test_the_next_address_is_tried_where_the_first_does_not_answer(listener):
    class Twice(NameServer):
        def __call__(self, host: str, port: Any, *rest: Any) -> list[Any]:
            dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
            return [dead, *super().__call__(host, port, *rest)]

    guard = AddressGuard({"a.example": f"127.0.0.1:{listener.port}", "b.example": "127.0.0.1:1"})

    async def connect(host: str) -> None:
        _, writer = await asyncio.open_connection(host, 443)
        writer.close()
        await writer.wait_closed()

    run(guard, Twice(), lambda: connect("a.example"))
    assert listener.visitors() == 1
    with pytest.raises(OSError, match=r"Connect call failed.*; .*Connect call failed"):
        run(guard, Twice(), lambda: connect("b.example"))
    with pytest.raises(ConnectionRefusedError):
        run(guard, socket.getaddrinfo, lambda: connect("b.example"))
