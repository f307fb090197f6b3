"""The people who may sign in: their groups and roles, as the file that gate workers read.

A proxy password is present only as its argon2 string; checking it is left to the caller, which may take
tens of milliseconds for it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from sekimori.errors import PolicyUnavailableError
from sekimori.policy.agentkeys import AgentKey

FORMAT = 1

_REMEMBERED, _SHORT = 4096, 100
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOBODIES, _NOBODIES_BEGIN = frozenset({"clock"}), ("key/", "os:")


def canonical_name(name: str) -> str:
    """Give the form in which names of people and groups are compared: NFKC, case folded, no outer space."""
    return _remembered(name) if len(name) <= _SHORT else _canonical(name)


def _canonical(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


_remembered = lru_cache(maxsize=_REMEMBERED)(_canonical)


def name_fault(name: str) -> str:
    """Say why nobody may be called that, nothing where somebody may.

    Two names that look the same must not be two people, and who acts without being a person (the clock, an
    agent by its key, whoever runs the system) must not have a namesake.
    """
    canonical = canonical_name(name)
    if not canonical:
        return "it is empty"
    if any(unicodedata.category(sign) in _UNSEEN for sign in canonical):
        return "it has signs that nobody sees"
    if canonical in _NOBODIES or canonical.startswith(_NOBODIES_BEGIN):
        return "it is kept for what is no person"
    return ""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account: who it is, what it belongs to, and whether it may still sign in."""

    name: str
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    disabled: bool = False
    proxy_password: str | None = None
    keys: tuple[AgentKey, ...] = ()


class _PeopleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    people: tuple[Person, ...]


class People:
    """All accounts at one moment, looked up by canonical name."""

    __slots__ = ("_by_key", "_by_name", "hash")

    def __init__(self, people: Iterable[Person], *, digest: str = "") -> None:
        self._by_name = {canonical_name(person.name): person for person in people}
        self._by_key = {key.id: (person, key) for person in self._by_name.values() for key in person.keys}
        self.hash = digest or hashlib.sha256(dump_people(self)).hexdigest()

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Person | None:
        """Find an account, however its name is written; disabled ones too."""
        return self._by_name.get(canonical_name(name))

    def key(self, id_: str) -> tuple[Person, AgentKey] | None:
        """Find an agent's key by its id, with its owner."""
        return self._by_key.get(id_)


def dump_people(people: People) -> bytes:
    """Write the accounts in their canonical bytes."""
    ordered = sorted(people, key=lambda person: canonical_name(person.name))
    return msgspec.json.encode(_PeopleFile(FORMAT, tuple(ordered)), order="sorted")


def load_people(data: bytes | bytearray, expected_hash: str) -> People:
    """Read what ``dump_people`` wrote; raises ``PolicyUnavailableError`` if a byte of it differs."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected_hash:
        raise PolicyUnavailableError("The accounts file is damaged.", hint="It is written again on a change.")
    try:
        read = msgspec.json.decode(data, type=_PeopleFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyUnavailableError("The accounts file cannot be read.") from error
    if read.format != FORMAT:
        raise PolicyUnavailableError(f"The accounts file has format {read.format}, not {FORMAT}.")
    return People(read.people, digest=digest)
