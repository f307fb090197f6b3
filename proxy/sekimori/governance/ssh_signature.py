"""Signatures as ``ssh-keygen -Y sign`` writes them (PROTOCOL.sshsig), and keys as ``id_ed25519.pub`` holds them.

Only Ed25519, only the namespace of apply files: a signature that somebody gave for mail or for a commit
says nothing about a policy.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

NAMESPACE = "sekimori-apply"
_ARMOUR = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_MAGIC = b"SSHSIG"
_KEY_TYPE = b"ssh-ed25519"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_LONGEST = 16_384
_KEY_BYTES, _SIGNATURE_BYTES, _LENGTH_BYTES = 32, 64, 4


class SshSignature(msgspec.Struct, frozen=True):
    """What a signature file says: whose key, over which digest of the file, the 64 bytes."""

    public_key: bytes
    hash: bytes
    signature: bytes

    def signed_bytes(self, text: bytes) -> bytes:
        """Give what is signed of a file."""
        parts = (NAMESPACE.encode(), b"", self.hash, _HASHES[self.hash](text).digest())
        return _MAGIC + b"".join(_string(part) for part in parts)


def is_ssh(data: bytes) -> bool:
    """Tell whether a file looks like an SSH signature."""
    return data.lstrip().startswith(_ARMOUR[0].encode())


def read_ssh_signature(data: bytes) -> SshSignature:
    """Read a signature file; ``ValueError`` if it is none that could sign an apply file."""
    lines = data[:_LONGEST].decode("ascii").strip().splitlines()
    if len(data) > _LONGEST or not lines or (lines[0], lines[-1]) != _ARMOUR:
        raise ValueError("it is no SSH signature")
    reader = _Reader(_decoded("".join(lines[1:-1])))
    if reader.take(len(_MAGIC)) != _MAGIC or reader.take(_LENGTH_BYTES) != b"\x00\x00\x00\x01":
        raise ValueError("it is no SSH signature of version 1")
    key = _key(reader.string())
    namespace, reserved, hash_name = reader.string(), reader.string(), reader.string()
    if namespace != NAMESPACE.encode():
        raise ValueError(f"it was made for another purpose: sign with -n {NAMESPACE}")
    inner = _Reader(reader.string())
    kind, signature = inner.string(), inner.string()
    if reserved or hash_name not in _HASHES or kind != _KEY_TYPE or len(signature) != _SIGNATURE_BYTES:
        raise ValueError("only Ed25519 over SHA-256 or SHA-512 is read")
    reader.end()
    inner.end()
    return SshSignature(key, hash_name, signature)


def public_key_bytes(text: str) -> bytes:
    """Read a public key: 64 hex digits, or a line of ``id_ed25519.pub``; ``ValueError`` if it is neither."""
    words = text.split()
    if len(words) > 1 and words[0].encode() == _KEY_TYPE:
        return _key(_decoded(words[1]))
    key = bytes.fromhex(text.strip())
    if len(key) != _KEY_BYTES:
        raise ValueError("it is no Ed25519 key")
    return key


def _key(blob: bytes) -> bytes:
    reader = _Reader(blob)
    kind, key = reader.string(), reader.string()
    if kind != _KEY_TYPE or len(key) != _KEY_BYTES:
        raise ValueError("it is no Ed25519 key")
    reader.end()
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("it is no base64") from error


def _string(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("it ends too soon")
        self._at += count
        return taken

    def string(self) -> bytes:
        return self.take(int.from_bytes(self.take(_LENGTH_BYTES), "big"))

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("something follows its end")
