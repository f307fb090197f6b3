"""One key as one line of text: ``sekimori-key-v1 KIND HEX CHECKSUM``.

The kind keeps a key from being used for another's purpose, the checksum (eight hex digits of the
SHA-256 of what stands before it) tells a damaged file from a good one. Version rule: a reader
refuses a first word that it doesn't know.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from sekimori.errors import KeyAccessError

KEY_BYTES = 32
_WORD = "sekimori-key-v1"
_FIELDS = 4


def key_to_text(kind: str, key: bytes) -> bytes:
    """Return the line of a key file."""
    line = f"{_WORD} {kind} {key.hex()}"
    return f"{line} {_checksum(line)}\n".encode()


def key_from_text(text: bytes, kind: str, path: Path) -> bytes:
    """Return the key of a line; raises KeyAccessError if it is damaged or of another kind."""
    fields = text.decode("ascii", "replace").split()
    if len(fields) != _FIELDS or fields[0] != _WORD:
        raise KeyAccessError(f"{path} is not a key file of this version.", hint=_RESTORE)
    if not hmac.compare_digest(_checksum(" ".join(fields[:3])).encode(), fields[3].encode()):
        raise KeyAccessError(f"The key in {path} is damaged.", hint=_RESTORE)
    if fields[1] != kind:
        raise KeyAccessError(f"{path} holds a key of kind {fields[1]}, not {kind}.", hint=_RESTORE)
    key = bytes.fromhex(fields[2])
    if len(key) != KEY_BYTES:
        raise KeyAccessError(f"The key in {path} has {len(key)} bytes, not {KEY_BYTES}.", hint=_RESTORE)
    return key


_RESTORE = "Restore it from the backup of the key folder."


def _checksum(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:8]
