"""TLS of the gate's own listener: its certificate, and the certificates that clients may show.

A client certificate is verified by OpenSSL in the handshake: chain, dates, purpose, and the revocation list
where one is given. A bad one ends the handshake; none at all is left to the other ways of saying who one is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from sekimori.errors import ConfigError

logger = logging.getLogger(__name__)

_LOOK_AGAIN = 10.0
_HTTP = b"http/1.1"  # mitmproxy does not support CONNECT over HTTP/2


class Listener:
    """Gives each handshake a context; replaced files are in force within seconds, broken ones never."""

    def __init__(
        self,
        certificate_file: Path,
        key_file: Path,
        *,
        client_ca_file: Path | None = None,
        client_crl_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._certificate, self._key = certificate_file, key_file
        self._client_ca, self._crl = client_ca_file, client_crl_file
        self._monotonic = monotonic
        self._stamps = self._stamped()
        self._context = self._load()
        self._looked = monotonic()

    def context(self) -> SSL.Context:
        """Return the context of the files as they are now, or were when they were last good."""
        now = self._monotonic()
        if now - self._looked >= _LOOK_AGAIN:
            self._looked = now
            self._follow()
        return self._context

    def _follow(self) -> None:
        try:
            stamps = self._stamped()
            if stamps != self._stamps:
                self._context, self._stamps = self._load(), stamps
        except (ConfigError, OSError) as error:
            logger.error("the listener keeps its old certificate: %s", error)  # noqa: TRY400

    def _stamped(self) -> Sequence[tuple[int, int]]:
        files = [self._certificate, self._key, *filter(None, (self._client_ca, self._crl))]
        try:
            return [(status.st_mtime_ns, status.st_ino) for status in (file.stat() for file in files)]
        except OSError as error:
            raise ConfigError(f"gate.tls: {error.filename} cannot be read ({error.strerror}).") from error

    def _load(self) -> SSL.Context:
        try:
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
            context.use_certificate_chain_file(str(self._certificate))
            context.use_privatekey_file(str(self._key))
            context.check_privatekey()
            context.set_alpn_select_callback(_select)
            if self._client_ca is not None:
                self._ask_for_certificates(context, self._client_ca)
        except (SSL.Error, crypto.Error, OSError, ValueError) as error:
            # OpenSSL's own words name no secret, but say little: the files say more to whoever may read them.
            raise ConfigError("gate.tls: certificate, key or CA cannot be used.") from error
        return context

    def _ask_for_certificates(self, context: SSL.Context, ca_file: Path) -> None:
        context.load_verify_locations(str(ca_file))
        for authority in x509.load_pem_x509_certificates(ca_file.read_bytes()):
            context.add_client_ca(authority)
        if self._crl is not None:
            store = context.get_cert_store()
            if store is None:
                raise ValueError("no store")
            store.add_crl(x509.load_pem_x509_crl(self._crl.read_bytes()))
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
        context.set_verify(SSL.VERIFY_PEER)
        # A resumed session would not be verified anew.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_id(b"sekimori")


def _select(_: SSL.Connection, offered: list[bytes]) -> Any:
    return _HTTP if _HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS
