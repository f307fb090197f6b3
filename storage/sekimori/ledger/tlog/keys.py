"""Ed25519 keys as the log's formats write them: hashes, OpenSSH lines; and who signs. Pure.

A signer is asked for signatures only: its private key may lie in this process or behind PKCS#11.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekimori.errors import IntegrityError

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_SSH_TYPE = b"ssh-ed25519"
_LENGTH = struct.Struct(">I")
_SSH_HEAD = _LENGTH.pack(len(_SSH_TYPE)) + _SSH_TYPE + _LENGTH.pack(KEY_BYTES)


class Signer(Protocol):
    """Whoever holds an Ed25519 private key."""

    @property
    def public(self) -> bytes:
        """The raw public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature of exactly these bytes."""
        ...


class KeySigner:
    """A private key in this process."""

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.public = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of exactly these bytes."""
        return self._private.sign(message)


class PublicKey:
    """A public key that checks signatures; made once, for making it costs as much as a hash or two."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError as error:
            raise IntegrityError("These bytes are no Ed25519 public key.") from error
        self.raw = raw

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the key's owner signed exactly these bytes."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def key_hash(public: bytes) -> bytes:
    """Return the SHA-256 of a raw public key: Sigsum's name for it."""
    return hashlib.sha256(public).digest()


def known_writers(publics: Iterable[bytes]) -> dict[bytes, PublicKey]:
    """Return the owners of raw public keys by the hashes of their keys, as leaves name them."""
    return {key_hash(raw): PublicKey(raw) for raw in publics}


def ssh_line(public: bytes) -> str:
    """Return a public key as OpenSSH writes it, without a comment: each byte of it counts."""
    return f"{_SSH_TYPE.decode()} {base64.b64encode(_SSH_HEAD + public).decode()}\n"


def parse_ssh_line(line: str) -> bytes:
    """Read a public key from an OpenSSH line, comment or not; raises IntegrityError."""
    fields = line.split()
    if len(fields) < 2 or fields[0] != _SSH_TYPE.decode():
        raise IntegrityError("A line is no Ed25519 key of OpenSSH.")
    raw = strict_base64(fields[1])
    if not raw.startswith(_SSH_HEAD) or len(raw) != len(_SSH_HEAD) + KEY_BYTES:
        raise IntegrityError("A line is no Ed25519 key of OpenSSH.")
    return raw[len(_SSH_HEAD) :]


def strict_base64(text: str) -> bytes:
    """Decode base64 that has one spelling only: unused bits that were flipped must not pass."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError("A value is no base64.") from error
    if base64.b64encode(raw).decode() != text:
        raise IntegrityError("A value is not written as base64 writes it.")
    return raw


def strict_hex(text: str, length: int) -> bytes:
    """Decode lower-case hex of a fixed number of bytes."""
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise IntegrityError("A value is no hex.") from error
    if len(raw) != length or raw.hex() != text:
        raise IntegrityError(f"A value is not {length} bytes in lower-case hex.")
    return raw


def strict_int(text: str) -> int:
    """Read a decimal number below 2^63 without sign or leading zeroes."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise IntegrityError("A value is no decimal number.")
    number = int(text)
    if number >= 1 << 63:
        raise IntegrityError("A number is out of range.")
    return number
