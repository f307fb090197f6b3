"""The key folder: one subfolder a role, so that each process can be given only its own.

::

    root/     ca.key ca.pem issuing.pub                          the publisher's (made by the CA room)
              policy.key people.key
              policy-signing.key policy-signing.pub
    gate/     archivist.pub fingerprint.key signing.key          the gate workers'
              signing.pub archive.pub policy.key policy-signing.pub
              issuing.key ca.pem                                 (the CA room's)
    archive/  archivist.key store.key signing.key gate.pub       the archivist's, and the publisher's store.key
              logs/ lock.db                                      (the ledger; they grow)
              kek/ living.keys                                   (an erasure changes them)
              data.key                                           only until an old database is moved
    web/      session.key people.key policy.key ca.pem           the web server's
              policy-signing.pub

A role needs its own subfolder and no other, so each may belong to a user of its own. A key that several
roles hold lies in the folder of each; the copies are alike, and nobody who runs one role makes any key.

The folder is made as a whole or not at all, never inside the data folder: a backup of the data without
the keys reveals nothing. What a release added is put into a folder from before it by ``complete``.

A key file is one line that names its kind and carries a checksum, so that a mixed-up or damaged file is
refused at the start instead of sealing evidence to nobody.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.errors import KeyAccessError
from sekimori.vault.files import fsync_folder, make_folder, write_secret
from sekimori.vault.keyfile import KEY_BYTES, key_to_text
from sekimori.vault.shared import (
    ARCHIVE_LEAVES,
    GATE_LEAVES,
    PEOPLE,
    POLICY,
    POLICY_SIGNING,
    add_key,
    load_key,
    load_shared,
    share,
)

Random = Callable[[int], bytes]

ROLES = ("root", "gate", "web", "archive")
_LEAF, _STORE, _POLICY_PRIVATE = "leaf-private", "store", "policy-signing-private"
_DRAFT, _READY = ".draft", ".ready"
_NEEDS = {
    "root": ("policy.key", "people.key", "policy-signing.key"),
    "gate": (
        *("archivist.pub", "fingerprint.key", "signing.key", "archive.pub"),
        *("policy.key", "policy-signing.pub"),
    ),
    "archive": ("archivist.key", "store.key", "signing.key", "gate.pub", "people.key", "policy.key"),
    "web": ("session.key", "people.key", "policy.key", "policy-signing.pub"),
}


@dataclass(frozen=True, slots=True)
class GateKeys:
    """What a gate worker may hold, which reads strangers' bytes: it can mint, not sign or read the record.

    ``archive_public`` checks what the archivist signs.
    """

    archive_public: bytes
    fingerprint_key: bytes = field(repr=False)
    policy_key: bytes = field(repr=False)
    issuing_key: Path
    ca_certificate: Path


@dataclass(frozen=True, slots=True)
class RecorderKeys:
    """What a worker's recorder holds: it seals to the archivist and signs leaves."""

    archivist_public: bytes
    signing_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveKeys:
    """What the archivist (and whoever reads the log) holds: opens the spool and the content.

    ``writers`` are the public keys that leaves may be signed with. ``data_key`` is the one key that an
    older release sealed everything under, until its rows are moved; then its file is gone.
    """

    archivist_private: bytes = field(repr=False)
    store_key: bytes = field(repr=False)
    signing_key: bytes = field(repr=False)
    data_key: bytes | None = field(repr=False)
    data_key_file: Path
    living: Path
    logs: Path
    lock_store: Path
    writers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class WebKeys:
    """What the web server holds: it signs sessions."""

    session_key: bytes = field(repr=False)


class KeyRing:
    """Where the keys of one installation lie."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.gate = directory / "gate"
        self.archive = directory / "archive"
        self.web = directory / "web"

    def exists(self) -> bool:
        """Tell whether keys were made here; a half-made folder counts as none."""
        half_made = any((self.directory / name).exists() for name in (_DRAFT, _READY))
        return not half_made and any((self.directory / role).exists() for role in ROLES)

    @classmethod
    def create(cls, directory: Path, random: Random = os.urandom, *, data: Path | None = None) -> KeyRing:
        """Make all keys of a first start; a crash in between leaves nothing that would be believed.

        Raises KeyAccessError if keys are there already or the folder lies inside ``data``.
        """
        if data is not None and directory.resolve().is_relative_to(data.resolve()):
            raise KeyAccessError(
                f"The key folder {directory} lies inside the data folder {data}.",
                hint="Choose another with --keys: who copies the data must not copy the keys.",
            )
        ring = cls(directory)
        if ring.exists():
            raise KeyAccessError(f"The key folder {directory} already holds keys; nothing was changed.")
        make_folder(directory)
        try:
            _publish(directory, _prepare(directory, random))
        except OSError as error:
            raise KeyAccessError(f"The key folder {directory} can't be filled: {error.strerror}.") from error
        return ring

    @classmethod
    def complete(cls, directory: Path, random: Random = os.urandom) -> None:
        """Add the keys that an older release did not know yet; each comes whole, and none is replaced.

        Only for whoever has all folders: a role that makes a key by itself makes another than its fellows.
        """
        if not cls(directory).exists():
            raise KeyAccessError(
                f"The key folder {directory} holds no keys.", hint="Make them with: sekimori init"
            )
        # An old installation has data.key. Where that is gone, a missing key was lost, and is to be restored.
        old = (directory / "archive" / "data.key").exists()
        if old:
            _complete_gate(directory, random)
            _complete_archive(directory / "archive", random)
        _complete_shared(directory, random, people=old)

    @classmethod
    def check(cls, directory: Path, roles: Collection[str]) -> None:
        """Refuse folders that lack a key; whoever has only some of them may not make one."""
        for role in roles:
            for name in _NEEDS[role]:
                if not (directory / role / name).exists():
                    raise KeyAccessError(
                        f"The key file {directory / role / name} is missing.",
                        hint="Run once, as the user who owns the whole keys folder: sekimori init. "
                        "If that does not bring it, it was lost: restore it from the backup of the keys folder.",
                    )

    @classmethod
    def load_gate(cls, directory: Path) -> GateKeys:
        """Read the gate's keys; the issuing key and certificate are given as paths."""
        folder = cls(directory).gate
        return GateKeys(
            archive_public=load_key(folder / "archive.pub", ARCHIVE_LEAVES.kind),
            fingerprint_key=load_key(folder / "fingerprint.key", "fingerprint"),
            policy_key=load_key(folder / "policy.key", POLICY.kind),
            issuing_key=folder / "issuing.key",
            ca_certificate=folder / "ca.pem",
        )

    @classmethod
    def load_recorder(cls, directory: Path) -> RecorderKeys:
        """Read the keys of a gate worker's recorder."""
        folder = cls(directory).gate
        return RecorderKeys(
            archivist_public=load_key(folder / "archivist.pub", "archivist-public"),
            signing_key=load_key(folder / "signing.key", _LEAF),
        )

    @classmethod
    def load_archive(cls, directory: Path) -> ArchiveKeys:
        """Read the archivist's keys."""
        folder = cls(directory).archive
        old = folder / "data.key"
        signing = load_key(folder / "signing.key", _LEAF)
        return ArchiveKeys(
            archivist_private=load_key(folder / "archivist.key", "archivist-private"),
            store_key=load_key(folder / "store.key", _STORE),
            signing_key=signing,
            data_key=load_key(old, "data") if old.exists() else None,
            data_key_file=old,
            living=folder / "living.keys",
            logs=folder / "logs",
            lock_store=folder / "lock.db",
            writers=(load_key(folder / "gate.pub", GATE_LEAVES.kind), leaf_public(signing)),
        )

    @classmethod
    def load_web(cls, directory: Path) -> WebKeys:
        """Read the web server's keys."""
        return WebKeys(session_key=load_key(cls(directory).web / "session.key", "session"))

    @classmethod
    def load_policy(cls, directory: Path) -> bytes:
        """Read the key of the published policy files, as the role that asks holds it."""
        return load_shared(directory, POLICY)

    @classmethod
    def load_policy_signing(cls, directory: Path) -> bytes:
        """Read what the publisher signs its pointers with."""
        return load_key(cls(directory).root / "policy-signing.key", _POLICY_PRIVATE)

    @classmethod
    def load_policy_public(cls, directory: Path) -> bytes:
        """Read what the publisher's pointers are checked by, as the role that asks holds it."""
        return load_shared(directory, POLICY_SIGNING)

    @classmethod
    def load_people(cls, directory: Path) -> bytes:
        """Read the key of the accounts and set-up links, as the role that asks holds it."""
        return load_shared(directory, PEOPLE)

    @classmethod
    def load_store(cls, directory: Path) -> bytes:
        """Read the key of what the store keeps beside the content: counters, applied files, snapshots."""
        return load_key(cls(directory).archive / "store.key", _STORE)


def leaf_public(private: bytes) -> bytes:
    """Return the public key of a key that signs leaves."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def _complete_gate(directory: Path, random: Random) -> None:
    # Where the public half is, the private one was: a lost key is restored, not replaced unnoticed.
    if GATE_LEAVES.anywhere(directory):
        return
    private, public = directory / "gate" / "signing.key", directory / GATE_LEAVES.names[0]
    add_key(private, _LEAF, lambda: random(KEY_BYTES))
    add_key(public, GATE_LEAVES.kind, lambda: leaf_public(load_key(private, _LEAF)))


def _complete_shared(directory: Path, random: Random, *, people: bool = True) -> None:
    # What policy.key seals is published anew at any time: a new one loses nothing.
    share(directory, POLICY, lambda: random(KEY_BYTES))
    _complete_policy_signing(directory, random)
    share(directory, PEOPLE, (lambda: random(KEY_BYTES)) if people else None)
    share(directory, GATE_LEAVES)
    # What is signed with stays where it is; where that was lost, its public half is not to be had either.
    signing = directory / "archive" / "signing.key"
    if signing.exists():
        share(directory, ARCHIVE_LEAVES, lambda: leaf_public(load_key(signing, _LEAF)))


def _complete_policy_signing(directory: Path, random: Random) -> None:
    # What it signs is issued anew every minute: a lost one is replaced, and the public halves with it.
    private = directory / "root" / "policy-signing.key"
    if not private.exists():
        for path in POLICY_SIGNING.paths(directory):
            path.unlink(missing_ok=True)
        add_key(private, _POLICY_PRIVATE, lambda: random(KEY_BYTES))
    share(directory, POLICY_SIGNING, lambda: leaf_public(load_key(private, _POLICY_PRIVATE)))


def _complete_archive(folder: Path, random: Random) -> None:
    add_key(folder / "signing.key", _LEAF, lambda: random(KEY_BYTES))
    add_key(folder / "store.key", _STORE, lambda: random(KEY_BYTES))
    for name in ("logs", "kek"):
        make_folder(folder / name)


def _prepare(directory: Path, random: Random) -> Path:
    """Write every role into a hidden folder, which gets its second name once all of it is durable."""
    draft, ready = directory / _DRAFT, directory / _READY
    if ready.exists():
        return ready
    if draft.exists():
        shutil.rmtree(draft)  # a crash before it was ready: nothing was ever sealed with these
    for folder in (draft, *(draft / role for role in ROLES)):
        make_folder(folder)
    private = X25519PrivateKey.from_private_bytes(random(KEY_BYTES))
    for name, kind, key in (
        ("archive/archivist.key", "archivist-private", private.private_bytes_raw()),
        ("gate/archivist.pub", "archivist-public", private.public_key().public_bytes_raw()),
        ("gate/fingerprint.key", "fingerprint", random(KEY_BYTES)),
        ("web/session.key", "session", random(KEY_BYTES)),
    ):
        write_secret(draft / name, key_to_text(kind, key))
    _complete_gate(draft, random)
    _complete_archive(draft / "archive", random)
    _complete_shared(draft, random)
    draft.rename(ready)
    fsync_folder(directory)
    return ready


def _publish(directory: Path, ready: Path) -> None:
    """Give each role its place; what a crash left undone is done by the next call."""
    for role in ROLES:
        if (ready / role).exists():
            (ready / role).rename(directory / role)
    fsync_folder(directory)
    ready.rmdir()
    fsync_folder(directory)
