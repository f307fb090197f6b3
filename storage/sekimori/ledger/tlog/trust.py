"""Whom a verifier trusts: Sigsum's policy file, with its logs, its witnesses and its quorum rule. Pure.

::

    log <public key in hex>
    witness <name> <public key in hex>
    group <name> all|any|<k> <name>...
    quorum <name>|none

A line may refer only to names that stand above it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sekimori.errors import IntegrityError
from sekimori.ledger.tlog.keys import KEY_BYTES, PublicKey, key_hash, strict_hex, strict_int

NONE = "none"
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Logs and witnesses by their keys; ``quorum`` names who must have cosigned."""

    logs: tuple[bytes, ...]
    witnesses: Mapping[str, bytes] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def pack(self) -> bytes:
        """Return the policy file; no comments, so that each of its bytes counts."""
        lines = [f"log {key.hex()}" for key in self.logs]
        lines += [f"witness {name} {key.hex()}" for name, key in self.witnesses.items()]
        lines += [
            f"group {name} {one.threshold} {' '.join(one.members)}" for name, one in self.groups.items()
        ]
        return "".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"]).encode()

    def is_quorum(self, cosigners: Collection[bytes]) -> bool:
        """Tell whether those whose key hashes are given suffice."""
        # In the order of the file, for a group names only what stands above it: no recursion, however deep.
        acting = {NONE} | {name for name, key in self.witnesses.items() if key_hash(key) in cosigners}
        for name, group in self.groups.items():
            if sum(member in acting for member in group.members) >= group.threshold:
                acting.add(name)
        return self.quorum in acting

    def witness_keys(self) -> dict[bytes, PublicKey]:
        """Return the witnesses' keys by the hash of each."""
        return {key_hash(key): PublicKey(key) for key in self.witnesses.values()}


def parse_trust(data: bytes) -> Trust:
    """Read a policy file; raises IntegrityError at the first line that says nothing."""
    try:
        text = data[:MAX_BYTES].decode()
    except UnicodeDecodeError as error:
        raise IntegrityError("A policy file is no UTF-8.") from error
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                reader.take(words[0], words[1:])
            except IntegrityError as error:
                raise IntegrityError(f"Line {number} of a policy file: {error.message}") from error
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self._logs: list[bytes] = []
        self._witnesses: dict[str, bytes] = {}
        self._groups: dict[str, Group] = {}
        self._quorum: str | None = None

    def take(self, keyword: str, words: list[str]) -> None:
        """Take one line."""
        match keyword, words:
            case "log", [key] | [key, _]:
                self._logs.append(self._key(key))
            case "witness", [name, key] | [name, key, _]:
                self._witnesses[self._new(name)] = self._key(key)
            case "group", [name, count, *members] if members:
                self._groups[self._new(name)] = self._group(count, members)
            case "quorum", [name] if self._quorum is None:
                self._quorum = self._known(name)
            case _:
                raise IntegrityError(f"{keyword!r} is not understood there.")

    def result(self) -> Trust:
        """Return what was read."""
        if self._quorum is None:
            raise IntegrityError("A policy file names no quorum.")
        return Trust(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _group(self, count: str, members: list[str]) -> Group:
        named = {"any": 1, "all": len(members)}
        threshold = named[count] if count in named else strict_int(count)
        if not 1 <= threshold <= len(members):
            raise IntegrityError(f"A group of {len(members)} can't need {threshold}.")
        return Group(threshold, tuple(self._known(name) for name in members))

    def _new(self, name: str) -> str:
        if name == NONE or name in self._witnesses or name in self._groups:
            raise IntegrityError(f"The name {name!r} is taken.")
        return name

    def _known(self, name: str) -> str:
        if name != NONE and name not in self._witnesses and name not in self._groups:
            raise IntegrityError(f"The name {name!r} doesn't stand above.")
        return name

    def _key(self, text: str) -> bytes:
        raw = strict_hex(text, KEY_BYTES)
        if raw in self._logs or raw in self._witnesses.values():
            raise IntegrityError("A key stands in a policy file twice.")
        PublicKey(raw)
        return raw
