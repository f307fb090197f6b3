"""Leaf certificates: what a client is shown for a host whose traffic the gate reads.

Knows how to mint them and for whom. mitmproxy's own store would sign any name that an upstream certificate
or a ClientHello carries, with the CA's own key; this one signs one name, only if it is on the interception
list, for a key of its own. What may be intercepted is decided elsewhere and asked for each time; ``tls``
hands the certificates to mitmproxy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy.certs import Cert, CertStoreEntry

from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.errors import SekimoriError
from sekimori.gate.ca import BACKDATED, IssuingSet, Shard, authority_key_id

LEAF_LIFE = timedelta(days=6)
"""With the day that it is dated back, a leaf lives for seven days."""
LEAF_RENEWAL = timedelta(days=2)
CACHE_SIZE = 4096
_COMMON_NAME_LIMIT = 64  # RFC 5280, upper bound ub-common-name


class NoLeafError(SekimoriError):
    """There is no certificate for this name, so the handshake must fail."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    entry: CertStoreEntry
    shard: Shard
    renew_at: datetime


class LeafMint:
    """Mints and keeps leaf certificates for intercepted hosts; belongs to one event loop."""

    def __init__(
        self,
        issuing_key: ec.EllipticCurvePrivateKey,
        issuing_set: IssuingSet,
        is_intercepted: Callable[[str], bool],
        now: Callable[[], datetime],
        *,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._issuing_key = issuing_key
        self._issuing_set = issuing_set
        self._is_intercepted = is_intercepted
        self._now = now
        self._cache_size = cache_size
        # One key for all leaves of this process, in memory only: whoever takes it cannot certify with it.
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._cache: OrderedDict[str, _Leaf] = OrderedDict()

    def swap(self, issuing_set: IssuingSet) -> None:
        """Use other issuing certificates from the next handshake on."""
        self._issuing_set = issuing_set

    def covers(self, host: str) -> bool:
        """Tell whether a certificate for ``host`` may be minted at all."""
        try:
            self._shard(self._canonical(host), self._now())
        except NoLeafError:
            return False
        return True

    def get(self, host: str) -> CertStoreEntry:
        """Return the certificate for ``host`` with key and chain; raise NoLeafError if it must have none."""
        name, now = self._canonical(host), self._now()
        shard = self._shard(name, now)
        leaf = self._cache.get(name)
        if (
            leaf is None
            or leaf.shard.cert != shard.cert
            or now >= leaf.renew_at
            or now < leaf.entry.cert.notbefore
        ):
            leaf = self._mint(name, shard, now)
            self._cache[name] = leaf
        self._cache.move_to_end(name)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return leaf.entry

    def _canonical(self, host: str) -> str:
        try:
            return canonical_host(host).name
        except HostError as error:
            raise NoLeafError(f"{host!r} is not a host name.") from error

    def _shard(self, name: str, now: datetime) -> Shard:
        if not self._is_intercepted(name):
            raise NoLeafError(f"{name} is not on the interception list.")
        shard = self._issuing_set.shard_for(name)
        if shard is None or not shard.is_valid(now):
            raise NoLeafError(f"No issuing certificate in force permits {name}.")
        return shard

    def _mint(self, name: str, shard: Shard, now: datetime) -> _Leaf:
        expiry = min(now + LEAF_LIFE, shard.cert.not_valid_after_utc)
        cert = _sign_leaf(name, self._leaf_key.public_key(), shard.cert, self._issuing_key, now, expiry)
        # mitmproxy annotates an RSA key and takes any.
        key = cast("rsa.RSAPrivateKey", self._leaf_key)
        entry = CertStoreEntry(Cert(cert), key, chain_file=None, chain_certs=[Cert(shard.cert)])
        return _Leaf(entry, shard, max(expiry - LEAF_RENEWAL, now))


def _sign_leaf(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    shard: x509.Certificate,
    issuing_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    expiry: datetime,
) -> x509.Certificate:
    fits = len(name) <= _COMMON_NAME_LIMIT
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if fits else [])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(shard.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(expiry)
        # RFC 5280, 4.2.1.6: where the subject is empty, subjectAltName must be critical.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=not fits)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNATURES_ONLY, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(authority_key_id(shard), critical=False)
        .sign(issuing_key, hashes.SHA256())
    )


_SIGNATURES_ONLY = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
