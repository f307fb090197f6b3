"""The 128-byte leaf: who wrote an envelope, and its checksum (Sigsum's tree leaf, version 1). Pure.

::

    message  = SHA-256(envelope)
    checksum = SHA-256(message)
    leaf     = checksum || Ed25519("sigsum.org/v1/tree-leaf\\0" || checksum) || SHA-256(writer's public key)

A leaf holds nothing of the record itself and has the same size for every record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import SIGNATURE_BYTES, PublicKey, Signer, key_hash
from sekimori.ledger.tlog.merkle import HASH_BYTES

LEAF_BYTES = HASH_BYTES + SIGNATURE_BYTES + HASH_BYTES
NAMESPACE = b"sigsum.org/v1/tree-leaf\x00"

_KEY_AT = HASH_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf in its three parts."""

    checksum: bytes
    signature: bytes
    key_hash: bytes

    def pack(self) -> bytes:
        """Return the bytes that the tree hashes."""
        return self.checksum + self.signature + self.key_hash


class LeafSigner:
    """Writes leaves under one key, for example a gate worker's."""

    __slots__ = ("_signer", "key_hash")

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.key_hash = key_hash(signer.public)

    def sign(self, envelope: bytes) -> bytes:
        """Return the leaf of an envelope."""
        checksum = checksum_of(envelope)
        return checksum + self._signer.sign(NAMESPACE + checksum) + self.key_hash


def checksum_of(envelope: bytes) -> bytes:
    """Return what a leaf says of its envelope."""
    return hashlib.sha256(hashlib.sha256(envelope).digest()).digest()


def parse_leaf(data: bytes) -> Leaf:
    """Split a leaf; raises IntegrityError if it is none."""
    if len(data) != LEAF_BYTES:
        raise IntegrityError(f"A leaf has {len(data)} bytes, not {LEAF_BYTES}.")
    return Leaf(data[:HASH_BYTES], data[HASH_BYTES:_KEY_AT], data[_KEY_AT:])


def is_leaf_of(data: bytes, envelope: bytes) -> bool:
    """Tell whether a leaf speaks of exactly this envelope; who wrote it is not asked."""
    return len(data) == LEAF_BYTES and data[:HASH_BYTES] == checksum_of(envelope)


def check_leaf(data: bytes, writers: Mapping[bytes, PublicKey]) -> None:
    """Raise IntegrityError unless one of the writers, known by the hash of their keys, signed the leaf."""
    leaf = parse_leaf(data)
    writer = writers.get(leaf.key_hash)
    if writer is None:
        raise IntegrityError("A leaf is signed by a key that isn't known here.")
    if not writer.signed(leaf.signature, NAMESPACE + leaf.checksum):
        raise IntegrityError("The signature of a leaf doesn't fit it.")
