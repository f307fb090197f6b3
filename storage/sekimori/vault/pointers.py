"""The two small files that say what is in force, signed by the publisher and checked by every worker.

``current.json`` names the snapshot and the accounts, ``standing.json`` the standing. Each is signed with
Ed25519 under ``root/policy-signing.key`` over its context and all its other fields, so that whoever can
write into the data folder can neither make one nor alter one. ``serial`` only grows: who has seen one takes
none with a lower one. Between two starts of a worker it is ``issued_us`` that ends the use of an old file.
"""

from __future__ import annotations

from typing import ClassVar, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sekimori.errors import PolicyUnavailableError

CURRENT, STANDING = "current.json", "standing.json"
_LARGEST = 65_536


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """What both have; ``signature`` is hex, and covers everything else."""

    context: ClassVar[bytes] = b""

    issued_us: int
    serial: int = 0
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """Give what is signed."""
        return self.context + msgspec.json.encode(msgspec.structs.replace(self, signature=""), order="sorted")


class Current(Pointer, frozen=True, kw_only=True):
    """Which snapshot and which accounts are in force, when the publisher last stood by them, made of what.

    ``flat`` is the snapshot once more, in the form that workers hold.
    """

    context: ClassVar[bytes] = b"sekimori/v1/current\0"

    policy: str
    people: str
    flat: str = ""
    policy_source: str = ""
    people_source: str = ""

    @property
    def sources(self) -> tuple[str, str]:
        """Name the states of the database that the two files were made from."""
        return self.policy_source, self.people_source


class StandingPointer(Pointer, frozen=True, kw_only=True):
    """Which standing is in force."""

    context: ClassVar[bytes] = b"sekimori/v1/standing\0"

    standing: str


class PointerSigner:
    """Signs what the publisher issues."""

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)

    @property
    def public(self) -> bytes:
        """Give what workers check by."""
        return self._key.public_key().public_bytes_raw()

    def sign[P: Pointer](self, pointer: P) -> P:
        """Give the pointer with its signature."""
        return msgspec.structs.replace(pointer, signature=self._key.sign(pointer.signed_bytes()).hex())


class PointerVerifier:
    """Checks what a worker is about to use."""

    def __init__(self, public: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def read[P: Pointer](self, data: bytes, kind: type[P], name: str) -> P:
        """Read a pointer; raises ``PolicyUnavailableError`` unless the publisher signed exactly this."""
        pointer = read_pointer(data, kind, name)
        try:
            self._key.verify(bytes.fromhex(pointer.signature), pointer.signed_bytes())
        except (ValueError, InvalidSignature) as error:
            raise PolicyUnavailableError(f"{name} is not signed by this installation's publisher.") from error
        return pointer

    @classmethod
    def of(cls, signer: PointerSigner) -> Self:
        """Give what checks the signatures of ``signer``."""
        return cls(signer.public)


def read_pointer[P: Pointer](data: bytes, kind: type[P], name: str) -> P:
    """Read a pointer without asking who wrote it."""
    if len(data) > _LARGEST:
        raise PolicyUnavailableError(f"{name} is larger than {_LARGEST} bytes.")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyUnavailableError(f"{name} can't be read.") from error


def next_serial(now_us: int, *before: int) -> int:
    """Give a serial above those before, and above those of a publisher whose files are gone."""
    return max(now_us, *(serial + 1 for serial in before))
