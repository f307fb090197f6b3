"""The key folder: one subfolder a role, so that each process can be given only its own.

::

    root/     ca.key ca.pem                                      the publisher's, made by the CA room
    gate/     archivist.pub fingerprint.key issuing.key ca.pem   the gate workers' (issuing.key: the CA room)
    archive/  archivist.key data.key                             the archivist's
    web/      session.key                                        the web server's

The folder is made as a whole or not at all, never inside the data folder: a backup of the data
without the keys reveals nothing. A key file is one line that names its kind and carries a checksum,
so that a mixed-up or damaged file is refused at the start instead of sealing evidence to nobody.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sekimori.errors import KeyAccessError
from sekimori.vault.files import fsync_folder, make_folder, read_secret, write_secret
from sekimori.vault.keyfile import KEY_BYTES, key_from_text, key_to_text

Random = Callable[[int], bytes]

ROLES = ("root", "gate", "web", "archive")
_DRAFT, _READY = ".draft", ".ready"


@dataclass(frozen=True, slots=True)
class GateKeys:
    """What a gate worker may hold: it can seal and mint, not read back."""

    archivist_public: bytes
    fingerprint_key: bytes = field(repr=False)
    issuing_key: Path
    ca_certificate: Path


@dataclass(frozen=True, slots=True)
class ArchiveKeys:
    """What the archivist (and whoever reads the log) holds: opens the spool and the content."""

    archivist_private: bytes = field(repr=False)
    data_key: bytes = field(repr=False)


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
    def load_gate(cls, directory: Path) -> GateKeys:
        """Read the gate's keys; the issuing key and certificate are given as paths."""
        folder = cls(directory).gate
        return GateKeys(
            archivist_public=_load(folder, "archivist.pub", "archivist-public"),
            fingerprint_key=_load(folder, "fingerprint.key", "fingerprint"),
            issuing_key=folder / "issuing.key",
            ca_certificate=folder / "ca.pem",
        )

    @classmethod
    def load_archive(cls, directory: Path) -> ArchiveKeys:
        """Read the archivist's keys."""
        folder = cls(directory).archive
        return ArchiveKeys(
            archivist_private=_load(folder, "archivist.key", "archivist-private"),
            data_key=_load(folder, "data.key", "data"),
        )

    @classmethod
    def load_web(cls, directory: Path) -> WebKeys:
        """Read the web server's keys."""
        return WebKeys(session_key=_load(cls(directory).web, "session.key", "session"))


def _load(folder: Path, name: str, kind: str) -> bytes:
    return key_from_text(read_secret(folder / name), kind, folder / name)


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
        ("archive/data.key", "data", random(KEY_BYTES)),
        ("gate/archivist.pub", "archivist-public", private.public_key().public_bytes_raw()),
        ("gate/fingerprint.key", "fingerprint", random(KEY_BYTES)),
        ("web/session.key", "session", random(KEY_BYTES)),
    ):
        write_secret(draft / name, key_to_text(kind, key))
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
