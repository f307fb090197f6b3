"""TLS on both sides of the gate: what clients are shown, and whom the gate believes.

Knows mitmproxy's TLS addon and nothing of how certificates are made.
"""

from __future__ import annotations

import logging
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from mitmproxy import ctx
from mitmproxy.addons.tlsconfig import AppData, TlsConfig, _default_ciphers, alpn_select_callback
from mitmproxy.certs import CertStoreEntry, DHParams
from mitmproxy.http import HTTPFlow
from mitmproxy.net import tls as net_tls
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.quic import QuicTlsData
from mitmproxy.tls import ClientHelloData, TlsData
from OpenSSL import SSL

from sekimori.addons.peers import is_to_proxy
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.errors import ConfigError
from sekimori.gate.keyfiles import write_atomically
from sekimori.gate.leaf import LeafMint, NoLeafError
from sekimori.gate.listener import Listener

logger = logging.getLogger(__name__)


class SekimoriTlsConfig(TlsConfig):
    """mitmproxy's TLS addon with the mint in place of its store, which is never opened nor created."""

    name = "sekimori_tls"

    def __init__(self, mint: LeafMint, *, listener: Listener | None = None) -> None:
        self._mint = mint
        self._listener = listener

    def configure(self, updated: set[str]) -> None:
        """Check the options, but those of the certificate store: opening it would make an unbounded CA."""
        super().configure(  # type: ignore[no-untyped-call]
            updated - {"certs", "confdir", "key_size", "cert_passphrase"}
        )

    def running(self) -> None:
        """Open no certificate store."""

    def request(self, flow: HTTPFlow) -> None:
        """Answer no request; mitmproxy would serve a revocation list of its own CA here."""

    def tls_clienthello(self, tls_clienthello: ClientHelloData) -> None:
        """Leave it to the guard whether the upstream handshake comes first (docs/adr/0003)."""

    def get_cert(self, conn_context: Context) -> CertStoreEntry:
        """Return the certificate for the CONNECT host, or for the SNI if only that one may have one."""
        address, sni = conn_context.server.address, conn_context.client.sni
        asked = [name for name in (address and address[0], sni) if name]
        if not asked or (address and _is_address(address[0])):
            raise NoLeafError("The client named no host, or an address.")
        return self._mint.get(next(filter(self._mint.covers, asked), asked[0]))

    def tls_start_client(self, tls_start: TlsData) -> None:
        """Give the handshake a certificate, or else let it fail."""
        if tls_start.ssl_conn is not None:
            return
        # Whatever goes wrong below, an exception too: this one has no certificate. Without any connection
        # mitmproxy would close the socket twice, and the second time keeps it open.
        tls_start.ssl_conn = _accepting(SSL.Context(SSL.TLS_SERVER_METHOD))
        if is_to_proxy(tls_start.context):
            if self._listener is not None:
                tls_start.ssl_conn = _accepting(self._listener.context())
            return
        try:
            entry = self.get_cert(tls_start.context)
        except NoLeafError as refusal:
            logger.info("no certificate for a client: %s", refusal)
            return
        connection = _accepting(_client_context(entry))
        connection.use_certificate(entry.cert.to_cryptography())
        connection.use_privatekey(entry.privatekey)
        alpn, server_alpn = tls_start.conn.alpn, tls_start.context.server.alpn
        connection.set_app_data(AppData(client_alpn=alpn, server_alpn=server_alpn, http2=ctx.options.http2))
        tls_start.ssl_conn = connection

    def quic_start_client(self, tls_start: QuicTlsData) -> None:
        """Refuse QUIC: no settings, no handshake."""


def _accepting(context: SSL.Context) -> SSL.Connection:
    connection = SSL.Connection(context)
    connection.set_accept_state()
    return connection


def _client_context(entry: CertStoreEntry) -> SSL.Context:
    """Return the context of the shard; mitmproxy keeps the last 256, so resumption works across leaves."""
    minimum = net_tls.Version[ctx.options.tls_version_client_min]
    configured = ctx.options.ciphers_client
    return net_tls.create_client_proxy_context(
        method=net_tls.Method.TLS_SERVER_METHOD,
        min_version=minimum,
        max_version=net_tls.Version[ctx.options.tls_version_client_max],
        cipher_list=tuple(configured.split(":") if configured else _default_ciphers(minimum)),
        ecdh_curve=net_tls.get_curve(ctx.options.tls_ecdh_curve_client),
        # A chain file would have OpenSSL verify the chain anew in each handshake; this one is only sent.
        chain_file=None,
        extra_chain_certs=tuple(entry.chain_certs),
        request_client_cert=ctx.options.request_client_cert,
        alpn_select_callback=alpn_select_callback,
        dhparams=DHParams(b""),  # a key on a curve has no use for them
    )


def _is_address(host: str) -> bool:
    try:
        canonical_host(host)
    except HostError as fault:
        return fault.reason == "ip-literal"
    return False


def upstream_trust(ca_file: str, folder: Path) -> Path:
    """Write the public roots and the organisation's own into one file in ``folder`` and return its path.

    mitmproxy's ``ssl_verify_upstream_trusted_ca`` replaces the public roots instead of adding to them.
    """
    try:
        own = x509.load_pem_x509_certificates(Path(ca_file).read_bytes()) if ca_file else []
    except (OSError, ValueError) as error:
        raise ConfigError(f"upstream.ca_file = {ca_file!r} cannot be used: {error}.") from error
    bundle = Path(certifi.where()).read_bytes()
    # Encoded anew: a private key that somebody left in the file must not be copied along.
    bundle += b"\n" + b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in own)
    path = folder / "upstream-roots.pem"
    write_atomically(path, bundle, mode=0o600)
    return path
