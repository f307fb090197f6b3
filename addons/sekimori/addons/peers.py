"""Who is at the other end of TLS to the gate itself, where a certificate was shown and verified.

Inside a tunnel there is a second TLS, whose handshake wipes what mitmproxy knew of the first: it is kept here.
"""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from mitmproxy.proxy.layers import ClientTLSLayer, modes

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.proxy.context import Context
    from mitmproxy.tls import TlsData

PROXY_MODES = (modes.HttpProxy, modes.HttpUpstreamProxy)
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # Active Directory's user principal name
_UTF8_STRING, _SHORT = 0x0C, 0x80

NameIn = Literal["cn", "uid", "email", "upn"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a verified client certificate says; a name that it gives twice is none."""

    sha256: str
    hosts: frozenset[str]
    names: dict[str, str]
    until_us: int


class Peers:
    """Notes the certificate of each connection's outer TLS."""

    name = "sekimori_peers"

    def __init__(self) -> None:
        self._shown: weakref.WeakKeyDictionary[Client, Certificate] = weakref.WeakKeyDictionary()

    def tls_established_client(self, data: TlsData) -> None:
        """Keep what the handshake with the gate itself has shown; OpenSSL has verified it."""
        if not is_to_proxy(data.context) or data.ssl_conn is None:
            return
        shown = data.ssl_conn.get_peer_certificate(as_cryptography=True)
        if shown is not None:
            self._shown[data.context.client] = read_certificate(shown)

    def certificate(self, client: Client) -> Certificate | None:
        """Return what ``client`` has shown."""
        return self._shown.get(client)


def is_to_proxy(context: Context) -> bool:
    """Tell whether this is TLS to the proxy itself, and not inside a tunnel through it."""
    handshakes = [layer for layer in context.layers if isinstance(layer, ClientTLSLayer)]
    return isinstance(context.layers[0], PROXY_MODES) and handshakes == context.layers[1:2]


def read_certificate(shown: x509.Certificate) -> Certificate:
    """Read names and fingerprint."""
    alternative = _alternative(shown)
    found = {
        "cn": _attributes(shown, NameOID.COMMON_NAME),
        "uid": _attributes(shown, NameOID.USER_ID),
        "email": [
            str(one) for one in (alternative.get_values_for_type(x509.RFC822Name) if alternative else ())
        ],
        "upn": _principals(alternative),
    }
    hosts = alternative.get_values_for_type(x509.DNSName) if alternative else ()
    return Certificate(
        sha256=hashlib.sha256(shown.public_bytes(Encoding.DER)).hexdigest(),
        hosts=frozenset(str(host).lower() for host in hosts),
        names={kind: values[0] for kind, values in found.items() if len(values) == 1 and values[0]},
        until_us=int(shown.not_valid_after_utc.timestamp()) * 1_000_000,
    )


def _alternative(shown: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _attributes(shown: x509.Certificate, kind: ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in shown.subject.get_attributes_for_oid(kind)]


def _principals(alternative: x509.SubjectAlternativeName | None) -> list[str]:
    others = alternative.get_values_for_type(x509.OtherName) if alternative else ()
    return [_utf8(other.value) for other in others if other.type_id == _UPN]


def _utf8(der: bytes) -> str:
    """Read a short DER UTF8String; anything else is no name."""
    well = len(der) > 2 and der[0] == _UTF8_STRING and der[1] < _SHORT and len(der) == der[1] + 2
    return der[2:].decode("utf-8", "replace") if well else ""
