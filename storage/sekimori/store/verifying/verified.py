"""How far an earlier check got, kept beside the database: an incremental one goes on from there.

The file is authenticated under the store's key. One that was altered, or that another key wrote, counts as
none: then everything is checked. Whoever puts an older one back only has more checked again.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import clear, read_plain, replace_file
from sekimori.store.verifying.trees import Resumed
from sekimori.vault.derive import derive

_VERSION = 1
_MODE = 0o600
_MOST = 1 << 26


@dataclass(frozen=True, slots=True)
class Verified:
    """Up to which number each lane, and up to which full tile each tree was found sound."""

    lanes: dict[str, int] = field(default_factory=dict)
    trees: dict[str, Resumed] = field(default_factory=dict)
    time_us: int = 0


def read_verified(path: Path, store_key: bytes) -> Verified | None:
    """Return what was left by an earlier check; None where there is nothing that can be believed."""
    try:
        said, mac = read_plain(path, _MOST).rsplit(b"\n", 2)[:2]
    except (FileNotFoundError, IntegrityError, ValueError):
        return None
    if not hmac.compare_digest(_mac(store_key, said), mac):
        return None
    fields: dict[str, Any] = json.loads(said)
    if fields.pop("v") != _VERSION:
        return None
    trees = {
        name: Resumed(size, tuple(bytes.fromhex(node) for node in nodes))
        for name, (size, nodes) in fields["trees"].items()
    }
    return Verified(fields["lanes"], trees, fields["time_us"])


def write_verified(path: Path, store_key: bytes, verified: Verified) -> None:
    """Leave it for the next check."""
    trees = {name: (one.size, [node.hex() for node in one.nodes]) for name, one in verified.trees.items()}
    fields = {"v": _VERSION, "lanes": verified.lanes, "trees": trees, "time_us": verified.time_us}
    said = json.dumps(fields, sort_keys=True).encode()
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.is_dir():
            clear(path)  # no file can be put over a folder
        replace_file(path, said + b"\n" + _mac(store_key, said) + b"\n", _MODE)
    except OSError as error:
        raise StateError(f"{path} can't be written: {error.strerror}.") from error


def _mac(store_key: bytes, said: bytes) -> bytes:
    return hmac.new(derive(store_key, b"verified"), said, "sha256").hexdigest().encode()
