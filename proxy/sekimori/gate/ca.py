"""The certificate authority: a root that people trust, issuing certificates bound to the intercepted hosts.

Knows what these certificates say and when they are renewed. The root key belongs to the publisher alone; a
gate worker holds the issuing key, and what that key may vouch for is written into the issuing certificates
("shards": one key, several certificates, each permitting a few names; docs/adr/0002). The files are the
business of ``keyfiles``, leaves that of ``leaf``.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sekimori.errors import KeyAccessError, PolicyUnavailableError
from sekimori.gate.names import Rule, is_within, lineage, permitted_names

ROOT_LIFE = timedelta(days=3652)
SHARD_LIFE = timedelta(days=30)
SHARD_RENEWAL = timedelta(days=15)
NAMES_PER_SHARD = 24
BACKDATED = timedelta(days=1)
"""How far behind a client's clock may be."""

_EVERY_ADDRESS = [
    x509.IPAddress(ipaddress.IPv4Network("0.0.0.0/0")),
    x509.IPAddress(ipaddress.IPv6Network("::/0")),
]


@dataclass(frozen=True, slots=True)
class Root:
    """The root key and its self-signed certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    cert: x509.Certificate


@dataclass(frozen=True, slots=True)
class Shard:
    """One issuing certificate, and the names that it permits."""

    cert: x509.Certificate
    names: frozenset[str]

    def is_valid(self, now: datetime) -> bool:
        """Tell whether clients accept the certificate at ``now``."""
        return self.cert.not_valid_before_utc <= now <= self.cert.not_valid_after_utc


class IssuingSet:
    """The issuing certificates in force; the certificates themselves are the record of what each permits."""

    def __init__(self, shards: Iterable[Shard], uncovered: Iterable[str] = ()) -> None:
        self.shards = tuple(shards)
        self.uncovered = tuple(uncovered)
        self._by_name = {name: shard for shard in self.shards for name in shard.names}

    def shard_for(self, host: str) -> Shard | None:
        """Return the certificate that may vouch for ``host``."""
        return next((self._by_name[name] for name in lineage(host) if name in self._by_name), None)

    def dump(self) -> bytes:
        """Return the certificates as one PEM bundle."""
        return b"".join(shard.cert.public_bytes(serialization.Encoding.PEM) for shard in self.shards)

    @classmethod
    def load(
        cls, bundle: bytes, *, root: x509.Certificate, public_key: ec.EllipticCurvePublicKey
    ) -> IssuingSet:
        """Read a bundle; raise PolicyUnavailableError unless the root signed all of it for our key."""
        try:
            certs = x509.load_pem_x509_certificates(bundle) if bundle.strip() else []
            return cls(_read_shard(cert, root, public_key) for cert in certs)
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
            message = f"the issuing certificates cannot be used: {error!r}."
            raise PolicyUnavailableError(message) from error


class Issuer:
    """Certifies the issuing key for the intercepted hosts; only the publisher, with the root key, has one."""

    def __init__(
        self,
        root_key: ec.EllipticCurvePrivateKey,
        root_cert: x509.Certificate,
        issuing_public_key: ec.EllipticCurvePublicKey,
        *,
        names_per_shard: int = NAMES_PER_SHARD,
    ) -> None:
        self._root = Root(root_key, root_cert)
        self._public_key = issuing_public_key
        self._size = names_per_shard

    def cover(self, rules: Iterable[Rule], now: datetime, previous: IssuingSet | None = None) -> IssuingSet:
        """Return certificates that cover ``rules``, keeping those of ``previous`` that still fit.

        A certificate is replaced when it nears its end, permits a name that no rule wants any more, or takes
        in a new name; so one new host costs one signature, and clients meet one new certificate.
        """
        if now >= self._root.cert.not_valid_after_utc:
            raise KeyAccessError(
                "The CA root certificate has expired.", hint="Make a new one and distribute it."
            )
        wanted = permitted_names(rules)
        groups = [
            ({name for name in shard.names if is_within(name, wanted.names)}, shard)
            for shard in (previous.shards if previous else ())
        ]
        placed = {name for names, _ in groups for name in names}
        missing = iter(sorted(wanted.names - placed, key=lambda name: name.split(".")[::-1]))
        for names, _ in groups:
            names.update(itertools.islice(missing, max(0, self._size - len(names))))
        shards = [self._renew(names, shard, now) for names, shard in groups if names]
        shards += [self._certify(names, now) for names in itertools.batched(missing, self._size)]
        return IssuingSet(shards, wanted.uncovered)

    def _renew(self, names: set[str], shard: Shard, now: datetime) -> Shard:
        remaining = shard.cert.not_valid_after_utc - now
        fresh = remaining >= SHARD_RENEWAL and shard.is_valid(now)
        return shard if fresh and names == shard.names else self._certify(names, now)

    def _certify(self, names: Iterable[str], now: datetime) -> Shard:
        permitted = sorted(names)
        constraints = x509.NameConstraints([x509.DNSName(name) for name in permitted], _EVERY_ADDRESS)
        builder = _authority(self._shard_name(permitted, now), self._public_key, path_length=0)
        cert = (
            builder.issuer_name(self._root.cert.subject)
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + SHARD_LIFE, self._root.cert.not_valid_after_utc))
            .add_extension(constraints, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(authority_key_id(self._root.cert), critical=False)
            .sign(self._root.key, hashes.SHA256())
        )
        return Shard(cert, frozenset(permitted))

    def _shard_name(self, names: list[str], now: datetime) -> x509.Name:
        # All shards have one key. Clients that keep intermediates (Firefox, Windows) look them up by name:
        # with one name for all they could pick a cached certificate that does not permit the host.
        digest = hashlib.sha256("\n".join([now.isoformat(), *names]).encode()).hexdigest()
        organisation = self._root.cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        common = x509.NameAttribute(NameOID.COMMON_NAME, f"Sekimori Issuing CA {digest[:12]}")
        return x509.Name([*organisation, common])


def make_root(key: ec.EllipticCurvePrivateKey, organisation: str, now: datetime) -> Root:
    """Return a self-signed root for ``organisation``."""
    common = f"Sekimori Root CA {key_digest(key.public_key())[:8]}"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    builder = _authority(name, key.public_key(), path_length=1).issuer_name(name)
    cert = (
        builder.not_valid_before(now - BACKDATED).not_valid_after(now + ROOT_LIFE).sign(key, hashes.SHA256())
    )
    return Root(key, cert)


def authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the extension that names ``issuer``'s key in what it signs."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def key_digest(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of a public key in hexadecimal."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _authority(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, *, path_length: int
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _read_shard(
    cert: x509.Certificate, root: x509.Certificate, public_key: ec.EllipticCurvePublicKey
) -> Shard:
    cert.verify_directly_issued_by(root)
    if cert.public_key() != public_key:
        raise ValueError("one of them certifies another key")
    constraints = cert.extensions.get_extension_for_class(x509.NameConstraints).value
    names = [name.value for name in constraints.permitted_subtrees or () if isinstance(name, x509.DNSName)]
    if not names:
        raise ValueError("one of them is not bound to any name")
    return Shard(cert, frozenset(names))
