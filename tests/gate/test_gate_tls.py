"""The TLS addon inside a real mitmproxy: what clients are shown, and what never happens."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from mitmproxy import http, options
from mitmproxy.addons import core, disable_h2c, next_layer, proxyserver
from mitmproxy.master import Master
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.quic import QuicTlsData
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test.tflow import tclient_conn
from mitmproxy.tls import TlsData
from OpenSSL import SSL

from sekimori.errors import ConfigError
from sekimori.gate.ca import IssuingSet
from sekimori.gate.leaf import LeafMint
from sekimori.gate.listener import Listener
from sekimori.gate.resolve import AddressGuard, GuardedEventLoop, is_private_refusal
from sekimori.gate.tls import SekimoriTlsConfig, upstream_trust
from support.authority import PEM, Authority, pem
from support.clientcerts import ClientAuthority

NOW = datetime.now(UTC)
AI = "api.openai.com"
OTHER_AI = "claude.ai"
HARMLESS = "www.example.com"
RULES = [(AI, False), (OTHER_AI, False)]


class Answering:
    """Answers every request itself, so that no upstream is needed."""

    name = "answering"

    def request(self, flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(200, b"hello")


class Witness:
    """Keeps what mitmproxy tells of connections that failed."""

    name = "witness"

    def __init__(self) -> None:
        self.errors: list[str | None] = []

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        self.errors.append(data.server.error)


@dataclass
class Gate:
    port: int
    authority: Authority
    tls: SekimoriTlsConfig


@contextlib.asynccontextmanager
async def gate(
    folder: Path,
    *addons: object,
    mint: LeafMint | None = None,
    listener: Listener | None = None,
    **settings: str,
):
    """Run a lean mitmproxy with our TLS addon on a free port of loopback."""
    authority = Authority.make(NOW)
    tls = SekimoriTlsConfig(mint or authority.mint(RULES, now=NOW), listener=listener)
    master = Master(options.Options())
    server = proxyserver.Proxyserver()
    master.addons.add(core.Core(), disable_h2c.DisableH2C(), server, next_layer.NextLayer(), tls, *addons)
    fixed = {"listen_host": "127.0.0.1", "listen_port": 0, "connection_strategy": "lazy"}
    master.options.update(confdir=str(folder / "confdir"), **fixed, **settings)
    running = asyncio.create_task(master.run())
    while not server.listen_addrs():
        await asyncio.sleep(0.01)
    try:
        yield Gate(server.listen_addrs()[0][1], authority, tls)
    finally:
        master.options.update(mode=[])
        while server.listen_addrs() or server.connections:
            await asyncio.sleep(0.01)
        master.shutdown()
        await running


async def fetch(
    gate: Gate,
    connect: str,
    sni: str | None,
    *,
    alpn: tuple[str, ...] = (),
    verify: bool = True,
    address: str = "127.0.0.1",
):
    """CONNECT, shake hands and ask; return the certificate, the TLS object and the answer."""
    reader, writer = await asyncio.open_connection(address, gate.port)
    client = ssl.create_default_context(cadata=pem(gate.authority.root.cert).decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    if not verify:
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    if alpn:
        client.set_alpn_protocols(list(alpn))
    try:
        writer.write(f"CONNECT {connect}:443 HTTP/1.1\r\nhost: {connect}:443\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        await asyncio.wait_for(writer.start_tls(client, server_hostname=sni), 5)
        shown = writer.get_extra_info("ssl_object")
        cert = x509.load_der_x509_certificate(shown.getpeercert(binary_form=True))
        writer.write(f"GET / HTTP/1.1\r\nhost: {connect}\r\nconnection: close\r\n\r\n".encode())
        return cert, shown, await reader.read()
    finally:
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, however the other side left it."""
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()


def names(cert: x509.Certificate) -> list[str]:
    return cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )


async def test_a_strict_client_that_trusts_the_root_reads_the_answer(tmp_path):
    async with gate(tmp_path, Answering()) as running:
        cert, shown, answer = await fetch(running, AI, AI)
    assert names(cert) == [AI]
    assert shown.version() == "TLSv1.3"
    assert answer.endswith(b"hello")


@pytest.mark.parametrize(
    ("connect", "sni", "shown"),
    [
        pytest.param(AI, OTHER_AI, AI, id="both AI: the CONNECT host"),
        pytest.param(AI, HARMLESS, AI, id="an AI CONNECT behind a harmless SNI"),
        pytest.param(HARMLESS, AI, AI, id="an AI SNI behind a harmless CONNECT"),
        pytest.param(AI, None, AI, id="no SNI"),
        pytest.param("API.OpenAI.com.", AI, AI, id="CONNECT written in another way"),
    ],
)
async def test_a_mismatch_is_shown_a_name_from_the_list(tmp_path, connect, sni, shown):
    async with gate(tmp_path, Answering()) as running:
        cert, _, _ = await fetch(running, connect, sni, verify=False)
    assert names(cert) == [shown]


@pytest.mark.parametrize(
    ("connect", "sni"),
    [
        pytest.param(HARMLESS, HARMLESS, id="a host outside the list"),
        pytest.param(HARMLESS, None, id="no SNI"),
        pytest.param("192.0.2.1", AI, id="an address with an AI SNI"),
        pytest.param("3221225985", AI, id="an address as a number"),
        pytest.param(f"www.{AI}", f"www.{AI}", id="under a full name"),
    ],
)
async def test_without_a_leaf_the_handshake_fails(tmp_path, connect, sni):
    async with gate(tmp_path, Answering()) as running:
        with pytest.raises(ConnectionError):
            await fetch(running, connect, sni, verify=False)


async def test_a_bug_in_choosing_the_certificate_fails_the_handshake_too(tmp_path):
    class Broken(LeafMint):
        def covers(self, host: str) -> bool:
            raise RuntimeError(host)

    authority = Authority.make(NOW)
    mint = Broken(authority.issuing_key, IssuingSet(()), lambda host: True, lambda: NOW)
    async with gate(tmp_path, Answering(), mint=mint) as running:
        with pytest.raises(ConnectionError):
            await fetch(running, AI, AI, verify=False)


async def test_http2_is_offered_inside_a_tunnel(tmp_path):
    async with gate(tmp_path, Answering()) as running:
        _, shown, _ = await fetch(running, AI, AI, alpn=("h2", "http/1.1"))
    assert shown.selected_alpn_protocol() == "h2"


async def test_no_certificate_store_is_made_and_no_revocation_list_served(tmp_path):
    async with gate(tmp_path, Answering()) as running:
        await fetch(running, AI, AI)
        assert running.tls.certstore is None
    assert list(tmp_path.iterdir()) == []


async def greet(port: int, client: ssl.SSLContext) -> str | None:
    """Speak TLS to the proxy itself and return the protocol that was agreed on."""
    client.set_alpn_protocols(["h2", "http/1.1"])
    async with asyncio.timeout(5):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="gate.example"
        )
    protocol: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    await hang_up(writer)
    return protocol


async def test_tls_to_the_proxy_itself_shows_the_listeners_own_certificate(tmp_path):
    own = ClientAuthority(tmp_path / "own")
    client = ssl.create_default_context(cafile=str(own.file))
    listener = Listener(*own.issue("gate", hosts=("gate.example",)))
    async with gate(tmp_path / "gate", Answering(), listener=listener) as running:
        assert await greet(running.port, client) == "http/1.1"


async def test_tls_to_the_proxy_itself_fails_at_once_where_the_listener_has_none(tmp_path):
    async with gate(tmp_path, Answering()) as running:
        with pytest.raises(ConnectionError):
            await greet(running.port, ssl.create_default_context())


def test_a_handshake_that_has_its_context_already_and_a_quic_one_are_left_alone():
    tls = SekimoriTlsConfig(
        LeafMint(Authority.make(NOW).issuing_key, IssuingSet(()), lambda _: True, lambda: NOW)
    )
    context = Context(tclient_conn(), options.Options())
    given = SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD))
    start = TlsData(context.client, context, ssl_conn=given)
    tls.tls_start_client(start)
    assert start.ssl_conn is given
    quic = QuicTlsData(context.client, context)
    tls.quic_start_client(quic)
    assert quic.settings is None


@contextlib.asynccontextmanager
async def upstream(listening: socket.socket, authority: Authority, folder: Path):
    """Answer on ``listening`` as the AI service, with a certificate of ``authority``."""
    leaf = authority.mint(RULES, now=NOW).get(AI)
    key = leaf.privatekey.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "upstream.pem").write_bytes(key + leaf.cert.to_pem() + leaf.chain_certs[0].to_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "upstream.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nupstream")
            await writer.drain()
        await hang_up(writer)

    async with await asyncio.start_server(answer, sock=listening, ssl=context):
        yield


def through_the_guarded_loop(folder: Path, host: str, *, trust_own: bool):
    """Ask ``host`` through mitmproxy and the guarded loop; return the answer and the errors that were seen."""
    own, witness = Authority.make(NOW), Witness()
    listening = socket.create_server(("127.0.0.1", 0))
    # The client lives in the same loop as the gate, so that it needs a pin to reach it.
    pins = {AI: f"127.0.0.1:{listening.getsockname()[1]}", "gate.example": "127.0.0.1"}
    (folder / "own.pem").write_bytes(pem(own.root.cert))
    trusted = upstream_trust(str(folder / "own.pem") if trust_own else "", folder)

    def lookup(name, *rest):
        return socket.getaddrinfo("10.0.0.1" if name == OTHER_AI else name, *rest)

    async def work() -> Any:
        async with (
            upstream(listening, own, folder),
            gate(folder, witness, ssl_verify_upstream_trusted_ca=str(trusted)) as running,
        ):
            _, _, answer = await fetch(running, host, host, address="gate.example")
            return answer

    with asyncio.Runner(loop_factory=lambda: GuardedEventLoop(AddressGuard(pins), lookup=lookup)) as runner:
        return runner.run(work()), witness.errors


def test_a_pinned_upstream_with_a_certificate_of_the_organisation_answers(tmp_path):
    answer, errors = through_the_guarded_loop(tmp_path, AI, trust_own=True)
    assert answer.endswith(b"upstream")
    assert errors == []


def test_an_upstream_that_nobody_vouches_for_does_not(tmp_path):
    answer, _ = through_the_guarded_loop(tmp_path, AI, trust_own=False)
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"certificate verify failed" in answer.lower()


def test_an_ai_host_with_a_private_address_is_not_connected_to_and_the_reason_can_be_told(tmp_path):
    answer, errors = through_the_guarded_loop(tmp_path, OTHER_AI, trust_own=True)
    assert answer.startswith(b"HTTP/1.1 502")
    assert [is_private_refusal(error) for error in errors] == [True]


def test_the_organisations_roots_are_added_to_the_public_ones_and_a_key_among_them_is_left_out(tmp_path):
    own = Authority.make(NOW)
    key = own.issuing_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "own.pem").write_bytes(key + pem(own.root.cert))
    trusted = upstream_trust(str(tmp_path / "own.pem"), tmp_path).read_bytes()
    assert trusted.startswith(Path(certifi.where()).read_bytes())
    assert trusted.endswith(pem(own.root.cert))
    assert b"PRIVATE KEY" not in trusted


def test_the_roots_are_never_written_through_a_link(tmp_path):
    (tmp_path / "key").write_bytes(b"secret")
    (tmp_path / "upstream-roots.pem").symlink_to(tmp_path / "key")
    assert upstream_trust("", tmp_path).read_bytes().startswith(Path(certifi.where()).read_bytes())
    assert (tmp_path / "key").read_bytes() == b"secret"


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param(b"hello", id="not PEM")])
def test_a_ca_file_that_cannot_be_used_is_a_fault_of_the_configuration(tmp_path, content):
    if content is not None:
        (tmp_path / "own.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"upstream\.ca_file"):
        upstream_trust(str(tmp_path / "own.pem"), tmp_path)
