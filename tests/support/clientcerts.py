"""A CA for client certificates, and certificates of people, parents and listeners."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class ClientAuthority:
    """Signs what a test asks for and writes it into its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test CA {folder.name}")])
        self.file = folder / "ca.pem"
        self._ca = self._certificate(self._name, self._key.public_key(), [], ca=True)
        self.file.write_bytes(self._ca.public_bytes(_PEM))

    def issue(
        self, name: str, *, hosts: tuple[str, ...] = (), emails: tuple[str, ...] = (), days: int = 30
    ) -> tuple[Path, Path]:
        """Write a certificate and its key; negative ``days`` make it one that has run out."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [*map(x509.DNSName, hosts), *map(x509.RFC822Name, emails)]
        made = self._certificate(subject, key.public_key(), names, days=days)
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(_PEM))
        plain = serialization.NoEncryption()
        secret.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
        return certificate, secret

    def revoke(self, certificate: Path) -> Path:
        """Write a revocation list with that certificate on it."""
        serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
        now = datetime.now(UTC)
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        listed = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=30))
            .add_revoked_certificate(revoked)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / "crl.pem"
        file.write_bytes(listed.public_bytes(_PEM))
        return file

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        names: list[x509.GeneralName],
        *,
        ca: bool = False,
        days: int = 30,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=ca,
            crl_sign=ca,
            encipher_only=False,
            decipher_only=False,
        )
        ski = x509.SubjectKeyIdentifier.from_public_key(key)
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(ski, critical=False)
            .add_extension(aki, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
