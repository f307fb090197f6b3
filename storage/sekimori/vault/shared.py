"""Keys that several roles hold: one key, a file in the folder of each role that needs it.

So no role needs another's folder. Whoever has all folders brings them in line; one who has some only reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sekimori.errors import KeyAccessError
from sekimori.vault.files import read_secret, write_secret
from sekimori.vault.keyfile import key_from_text, key_to_text


@dataclass(frozen=True, slots=True)
class Shared:
    """One key of a kind, and the names of its files; the first is in the folder of whose it is."""

    kind: str
    names: tuple[str, ...]

    def paths(self, directory: Path) -> list[Path]:
        """Name the files in one key folder."""
        return [directory / name for name in self.names]

    def anywhere(self, directory: Path) -> bool:
        """Tell whether any of the files is there."""
        return any(path.exists() for path in self.paths(directory))


POLICY = Shared("policy", ("gate/policy.key", "root/policy.key", "web/policy.key", "archive/policy.key"))
PEOPLE = Shared("people", ("web/people.key", "root/people.key", "archive/people.key"))
ARCHIVE_LEAVES = Shared("leaf-public", ("gate/archive.pub",))
POLICY_SIGNING = Shared(
    "policy-signing-public",
    ("root/policy-signing.pub", "gate/policy-signing.pub", "web/policy-signing.pub"),
)
GATE_LEAVES = Shared("leaf-public", ("gate/signing.pub", "archive/gate.pub"))


def share(directory: Path, shared: Shared, make: Callable[[], bytes] | None = None) -> None:
    """Give every folder what one of them has; two that differ are refused, and without any ``make`` decides."""
    paths = shared.paths(directory)
    held = {path: load_key(path, shared.kind) for path in paths if path.exists()}
    if len(set(held.values())) > 1:
        raise KeyAccessError(
            f"The key files {' and '.join(map(str, held))} should hold one key, and differ.",
            hint="Restore them from one backup of the keys folder.",
        )
    if held:
        key = next(iter(held.values()))
    elif make is not None:
        key = make()
    else:
        return
    for path in paths:
        add_key(path, shared.kind, lambda: key)


def load_shared(directory: Path, shared: Shared) -> bytes:
    """Read a shared key from the first folder that this process may enter."""
    paths = shared.paths(directory)
    return load_key(next((path for path in paths if os.access(path.parent, os.X_OK)), paths[0]), shared.kind)


def load_key(path: Path, kind: str) -> bytes:
    """Read a key file, which must be of that kind."""
    return key_from_text(read_secret(path), kind, path)


def add_key(path: Path, kind: str, key: Callable[[], bytes]) -> None:
    """Write a key file that is not there yet."""
    if not path.exists():
        write_secret(path, key_to_text(kind, key()))
