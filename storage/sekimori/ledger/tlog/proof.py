"""One record's proof in the format of ``sigsum-verify`` (Sigsum proof, version 2). Pure.

::

    version=2
    log=<hash of the log's key>
    leaf=<hash of the writer's key> <signature>

    size=<leaves>
    root_hash=<root>
    signature=<the log's>
    cosignature=<hash of the witness's key> <seconds> <signature>       none or more

    leaf_index=<index>                                                  absent in a tree of one leaf
    node_hash=<hash>                                                    none or more

Everything is lower-case hex. A verifier ignores a cosignature of a witness that it doesn't know, so a
proof should carry those that its policy names and no others: then each of its bits counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.checkpoint import Checkpoint, Opened, log_origin, parse_checkpoint
from sekimori.ledger.tlog.keys import (
    SIGNATURE_BYTES,
    PublicKey,
    key_hash,
    strict_hex,
    strict_int,
)
from sekimori.ledger.tlog.leaf import NAMESPACE, Leaf, checksum_of, parse_leaf
from sekimori.ledger.tlog.merkle import HASH_BYTES, check_inclusion, leaf_hash
from sekimori.ledger.tlog.note import cosigned
from sekimori.ledger.tlog.trust import Trust

VERSION = 2
MAX_BYTES = 64 * 1024
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word on the checkpoint."""

    key_hash: bytes
    time: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything but the envelope, the writers' keys and whom to trust."""

    log_key_hash: bytes
    leaf_key_hash: bytes
    leaf_signature: bytes
    size: int
    root: bytes
    signature: bytes
    cosignatures: tuple[Cosignature, ...]
    index: int
    path: tuple[bytes, ...]

    def pack(self) -> bytes:
        """Return the proof's text."""
        lines = [
            f"version={VERSION}",
            f"log={self.log_key_hash.hex()}",
            f"leaf={self.leaf_key_hash.hex()} {self.leaf_signature.hex()}",
            "",
            f"size={self.size}",
            f"root_hash={self.root.hex()}",
            f"signature={self.signature.hex()}",
            *(
                f"cosignature={one.key_hash.hex()} {one.time} {one.signature.hex()}"
                for one in self.cosignatures
            ),
        ]
        if self.size > 1:
            lines += ["", f"leaf_index={self.index}", *(f"node_hash={node.hex()}" for node in self.path)]
        return "".join(f"{line}\n" for line in lines).encode()


def make_proof(
    leaf: bytes, index: int, path: Sequence[bytes], opened: Opened, witnesses: Collection[bytes] = ()
) -> Proof:
    """Return a leaf's proof under a checkpoint, with the cosignatures of these witnesses' keys."""
    parsed = parse_leaf(leaf)
    checkpoint = opened.checkpoint
    cosignatures = tuple(
        Cosignature(key_hash(one.verifier.key.raw), one.time, one.signature.value[_TIME_BYTES:])
        for one in opened.witnesses
        if one.verifier.key.raw in witnesses
    )
    return Proof(
        key_hash(opened.log.verifier.key.raw),
        parsed.key_hash,
        parsed.signature,
        checkpoint.size,
        checkpoint.root,
        opened.log.signature.value,
        cosignatures,
        index,
        tuple(path),
    )


def parse_proof(data: bytes) -> Proof:
    """Read a proof; raises IntegrityError unless it is written exactly as ``pack`` writes it."""
    if len(data) > MAX_BYTES:
        raise IntegrityError(f"A proof is longer than {MAX_BYTES} bytes.")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise IntegrityError("A proof is no ASCII.") from error
    if not text.endswith("\n"):
        raise IntegrityError("A proof ends within a line.")
    parts = [part.split("\n") for part in text[:-1].split("\n\n")]
    if len(parts) not in (2, 3):
        raise IntegrityError("A proof has too few or too many parts.")
    proof = _read(_Lines(parts[0]), _Lines(parts[1]), _Lines(parts[2]) if len(parts) > 2 else None)
    if proof.pack() != data:
        raise IntegrityError("A proof is not written as proofs are.")
    return proof


def check_proof(proof: Proof, envelope: bytes, writers: Mapping[bytes, PublicKey], trust: Trust) -> None:
    """Raise IntegrityError unless the envelope is proven as ``sigsum-verify`` would prove it."""
    log = next((key for key in trust.logs if key_hash(key) == proof.log_key_hash), None)
    writer = writers.get(proof.leaf_key_hash)
    if log is None or writer is None:
        raise IntegrityError("A proof is of a log or a writer that isn't known here.")
    leaf = Leaf(checksum_of(envelope), proof.leaf_signature, proof.leaf_key_hash)
    if not writer.signed(leaf.signature, NAMESPACE + leaf.checksum):
        raise IntegrityError("The writer didn't sign this envelope.")
    text = Checkpoint(log_origin(log), proof.size, proof.root).text
    parse_checkpoint(text)
    if not PublicKey(log).signed(proof.signature, text.encode()):
        raise IntegrityError("The log didn't sign the size and root of a proof.")
    if not trust.is_quorum(_cosigners(proof, text, trust)):
        raise IntegrityError("A proof lacks cosignatures that the policy asks for.")
    check_inclusion(leaf_hash(leaf.pack()), proof.index, proof.size, proof.path, proof.root)


def _cosigners(proof: Proof, text: str, trust: Trust) -> set[bytes]:
    known = trust.witness_keys()
    return {
        one.key_hash
        for one in proof.cosignatures
        if one.key_hash in known and known[one.key_hash].signed(one.signature, cosigned(text, one.time))
    }


class _Lines:
    """One part of a proof: ``name=value`` lines in a fixed order."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def take(self, name: str) -> str:
        """Return the value of the next line, which must have that name."""
        if not self.next_is(name):
            raise IntegrityError(f"A proof lacks its line {name}.")
        return self._lines.pop(0).removeprefix(f"{name}=")

    def words(self, name: str, count: int) -> list[str]:
        """Return the next line's words."""
        words = self.take(name).split(" ")
        if len(words) != count:
            raise IntegrityError(f"The line {name} of a proof doesn't have {count} values.")
        return words

    def next_is(self, name: str) -> bool:
        """Tell whether the next line has that name."""
        return bool(self._lines) and self._lines[0].startswith(f"{name}=")

    def end(self) -> None:
        """Raise IntegrityError if there is more."""
        if self._lines:
            raise IntegrityError("A part of a proof goes on after its end.")


def _read(head: _Lines, tree: _Lines, path: _Lines | None) -> Proof:
    if head.take("version") != str(VERSION):
        raise IntegrityError(f"A proof is not of version {VERSION}.")
    log = strict_hex(head.take("log"), HASH_BYTES)
    writer, leaf_signature = head.words("leaf", 2)
    size = strict_int(tree.take("size"))
    root = strict_hex(tree.take("root_hash"), HASH_BYTES)
    signature = strict_hex(tree.take("signature"), SIGNATURE_BYTES)
    cosignatures = []
    while tree.next_is("cosignature"):
        by, time, value = tree.words("cosignature", 3)
        cosignatures.append(
            Cosignature(strict_hex(by, HASH_BYTES), strict_int(time), strict_hex(value, SIGNATURE_BYTES))
        )
    if (size > 1) != (path is not None) or size == 0:
        raise IntegrityError("A proof has a path where there can be none, or none where there must be one.")
    index = strict_int(path.take("leaf_index")) if path else 0
    nodes = []
    while path and path.next_is("node_hash"):
        nodes.append(strict_hex(path.take("node_hash"), HASH_BYTES))
    for part in (head, tree, path):
        if part is not None:
            part.end()
    return Proof(
        log,
        strict_hex(writer, HASH_BYTES),
        strict_hex(leaf_signature, SIGNATURE_BYTES),
        size,
        root,
        signature,
        tuple(cosignatures),
        index,
        tuple(nodes),
    )
