"""A certificate authority in memory, and OpenSSL's own opinion of the chains that it makes."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekimori.gate.ca import Issuer, IssuingSet, Root, authority_key_id, make_root
from sekimori.gate.leaf import LeafMint
from sekimori.gate.names import Rule

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Authority:
    """A root, an issuing key, and the issuer that binds them."""

    root: Root
    issuing_key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, now: datetime = NOW) -> Authority:
        root = make_root(ec.generate_private_key(ec.SECP256R1()), "Kasumi City", now)
        return cls(root, ec.generate_private_key(ec.SECP256R1()))

    def issuer(self, **options: int) -> Issuer:
        return Issuer(self.root.key, self.root.cert, self.issuing_key.public_key(), **options)

    def load(self, bundle: bytes) -> IssuingSet:
        return IssuingSet.load(bundle, root=self.root.cert, public_key=self.issuing_key.public_key())

    def mint(
        self, rules: Iterable[Rule], is_intercepted: Callable[[str], bool] | None = None, now: datetime = NOW
    ) -> LeafMint:
        """Return a mint for ``rules``; what they name, and nothing else, is intercepted."""
        listed = list(rules)

        def on_the_list(host: str) -> bool:
            return any(host == name or (suffix and host.endswith(f".{name}")) for name, suffix in listed)

        issuing_set = self.issuer().cover(listed, now)
        return LeafMint(self.issuing_key, issuing_set, is_intercepted or on_the_list, lambda: now)

    def forge(
        self, names: Iterable[x509.GeneralName], issuer: x509.Certificate, now: datetime, cn: str = ""
    ) -> bytes:
        """Return what a thief of the issuing key could sign: a leaf for ``names`` under ``issuer``, as PEM."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn or "forged")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(self.issuing_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(issuer.not_valid_before_utc)
            .not_valid_after(issuer.not_valid_after_utc)
            .add_extension(authority_key_id(issuer), critical=False)
        )
        if names := list(names):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.issuing_key, hashes.SHA256()).public_bytes(PEM)


def pem(cert: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return cert.public_bytes(PEM)


def openssl_verify(
    folder: Path, *, root: bytes, leaf: bytes, chain: bytes, now: datetime, strict: bool = True, **checks: str
) -> str:
    """Return what ``openssl verify`` says: ``OK`` or its complaint; ``checks`` are ``hostname=`` or ``ip=``."""
    for name, content in (("root", root), ("leaf", leaf), ("chain", chain)):
        (folder / f"{name}.pem").write_bytes(content)
    command = ["openssl", "verify", "-CAfile", "root.pem", "-untrusted", "chain.pem", "-purpose", "sslserver"]
    command += ["-attime", str(int(now.timestamp())), *(["-x509_strict"] if strict else [])]
    for name, value in checks.items():
        command += [f"-verify_{name}", value]
    done = subprocess.run([*command, "leaf.pem"], cwd=folder, capture_output=True, text=True, check=False)
    return "OK" if done.returncode == 0 else done.stderr + done.stdout


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Run one TLS handshake in memory; raise what the client or the server raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while left:
        for side in list(left):
            try:
                side.do_handshake()
                left.remove(side)
            except ssl.SSLWantReadError:
                continue
