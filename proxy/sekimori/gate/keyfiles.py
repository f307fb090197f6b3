"""Where the CA's keys and certificates lie on disk, who may read them, and how they are made once.

::

    KEYS/root/ca.key, ca.pem, issuing.pub the publisher only
    KEYS/gate/issuing.key, ca.pem         every gate worker
    KEYS/web/ca.pem                       the web server, which hands it out
    DATA/policy/issuing.pem               written by the publisher, read by the workers

What the certificates say is the business of ``ca``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekimori.errors import KeyAccessError, PolicyUnavailableError
from sekimori.gate.ca import Issuer, IssuingSet, Root, make_root
from sekimori.gate.names import Rule

_PEM = serialization.Encoding.PEM


def create_authority(keys: Path, *, organisation: str, now: datetime) -> Root:
    """Make whatever of the CA is not there yet, and return its root; what is there is never replaced."""
    root, gate = keys / "root", keys / "gate"
    for folder in (keys, root, gate):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (root / "ca.pem").exists() and not (root / "ca.key").exists():
        raise _unusable(root / "ca.key", "is missing, but its certificate is there")
    for path in (root / "ca.key", gate / "issuing.key"):
        if not path.exists():
            write_atomically(path, _encode_key(ec.generate_private_key(ec.SECP256R1())), mode=0o600)
    if not (root / "ca.pem").exists():
        # Either the first start, or one that was cut before anybody could have trusted the certificate.
        made = make_root(_load_key(root / "ca.key"), organisation, now)
        write_atomically(root / "ca.pem", _encode_cert(made.cert), mode=0o600)
    loaded = load_root(root)
    share_authority(keys)
    return loaded


def share_authority(keys: Path) -> None:
    """Put what is public of the CA into the folder of each role that needs it; what is right stays."""
    certificate = _encode_cert(load_root_cert(keys / "root"))
    issuing = load_issuing_key(keys / "gate").public_key()
    _put(keys / "gate" / "ca.pem", certificate)
    _put(keys / "web" / "ca.pem", certificate)
    public = issuing.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _put(keys / "root" / "issuing.pub", public)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content, mode=0o600)


def load_root(folder: Path) -> Root:
    """Read the root's key and certificate from KEYS/root."""
    root = Root(_load_key(folder / "ca.key"), load_root_cert(folder))
    if root.cert.public_key() != root.key.public_key():
        raise _unusable(folder / "ca.pem", "does not belong to the key beside it")
    return root


def load_root_cert(folder: Path) -> x509.Certificate:
    """Read the root certificate from the folder of a role."""
    path = folder / "ca.pem"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {error}") from error


def load_issuing_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Read the issuing key from KEYS/gate."""
    return _load_key(folder / "issuing.key")


def load_issuing_public(folder: Path) -> ec.EllipticCurvePublicKey:
    """Read the public half of the issuing key from KEYS/root."""
    path = folder / "issuing.pub"
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _unusable(path, "is not a key on an elliptic curve")
    return key


def export_root(folder: Path) -> bytes:
    """Return, as PEM, the one certificate that people have to trust."""
    return _encode_cert(load_root_cert(folder))


def own_folder(keys: Path) -> Path:
    """Name the first role's folder with the root certificate that this process may enter."""
    folders = [keys / role for role in ("gate", "root", "web")]
    return next((folder for folder in folders if os.access(folder, os.X_OK)), folders[0])


def publish_issuing(
    path: Path, issuer: Issuer, previous: IssuingSet | None, rules: Iterable[Rule], now: datetime
) -> IssuingSet:
    """Bring the issuing certificates in line with ``rules``; the file changes only if one of them does."""
    current = issuer.cover(rules, now, previous)
    if previous is None or current.shards != previous.shards:
        write_atomically(path, current.dump(), mode=0o644)
    return current


def load_issuing(path: Path, *, root: x509.Certificate, public_key: ec.EllipticCurvePublicKey) -> IssuingSet:
    """Read the issuing certificates; raise PolicyUnavailableError if they are missing or not ours."""
    try:
        bundle = path.read_bytes()
    except OSError as error:
        raise PolicyUnavailableError(f"The issuing certificates cannot be read: {error}.") from error
    return IssuingSet.load(bundle, root=root, public_key=public_key)


def write_atomically(path: Path, content: bytes, *, mode: int) -> None:
    """Put ``content`` at ``path`` whole or not at all, durable, never readable beyond ``mode`` on its way."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        readable_by = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, f"cannot be read: {error}") from error
    if readable_by & 0o077:
        raise KeyAccessError(
            f"The key {path} can be read by others (mode {readable_by:o}).", hint=f"Run: chmod 600 {path}"
        )
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path, "is not a key on an elliptic curve")
    return key


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _encode_cert(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(_PEM)


def _unusable(path: Path, why: str) -> KeyAccessError:
    return KeyAccessError(f"The CA file {path} {why}.", hint="Restore it from a backup of the keys folder.")
