"""The standing as it is published: a head of everything small, and each person's part as bytes of its own.

``SKSTND2 LF``, the length of a head (u32, little endian), the head (JSON: the standing without its people, and how
long each section is), then ``people`` (one MessagePack each, by name) and ``by_subject`` (which is whose). A person's
part is decoded when it is asked for: of 50,000 people who read three notices, reading all of them would stop a
worker's loop for 60 ms at every acknowledgement of anybody, and letting go of what was read before for 10 more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from sekimori.errors import PolicyUnavailableError
from sekimori.policy.postings import Blobs, Postings, write_blobs, write_postings
from sekimori.policy.standing import FORMAT, Owed, Standing

_MAGIC = b"SKSTND2\n"
_LENGTH = 4
_Field = Literal["acknowledged", "overdue", "consented"]
_FIELDS: tuple[_Field, ...] = ("acknowledged", "overdue", "consented")


class _Person(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the standing says of one person."""

    subject: str
    acknowledged: frozenset[str] = frozenset()
    overdue: tuple[Owed, ...] = ()
    consented: frozenset[str] = frozenset()


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The standing without its people; ``counts`` says of how many each field says anything."""

    standing: Standing
    people: int
    by_subject: int
    counts: dict[_Field, int]


_PACK = msgspec.msgpack.Encoder(order="deterministic")
_UNPACK = msgspec.msgpack.Decoder(_Person)


def dump_standing(standing: Standing) -> bytes:
    """Write a standing in its canonical bytes."""
    parts = tuple(getattr(standing, field) for field in _FIELDS)
    names = sorted({name for part in parts for name in part})
    people = write_blobs(_PACK.encode(_person(name, parts)) for name in names)
    by_subject = write_postings((name, number) for number, name in enumerate(names))
    head = msgspec.json.encode(
        _Head(
            standing=msgspec.structs.replace(standing, acknowledged={}, overdue={}, consented={}),
            people=len(people),
            by_subject=len(by_subject),
            counts={field: len(part) for field, part in zip(_FIELDS, parts, strict=True)},
        ),
        order="deterministic",
    )
    return b"".join((_MAGIC, len(head).to_bytes(_LENGTH, "little"), head, people, by_subject))


def load_standing(data: bytes | bytearray, expected_hash: str) -> Standing:
    """Read what ``dump_standing`` wrote; raises ``PolicyUnavailableError`` if a byte of it differs."""
    if hashlib.sha256(data).hexdigest() != expected_hash:
        raise PolicyUnavailableError("The standing is damaged: its hash differs.")
    try:
        head, at = _head(data)
        people = Blobs(data, at, head.people)
        by_subject = Postings(data, at + head.people, head.by_subject)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise PolicyUnavailableError(f"The standing cannot be read: {error}") from error
    if head.standing.format != FORMAT:
        raise PolicyUnavailableError(f"The standing has format {head.standing.format}, not {FORMAT}.")
    parts: dict[str, Any] = {
        field: _Part(people, by_subject, field, head.counts.get(field, 0)) for field in _FIELDS
    }
    return msgspec.structs.replace(head.standing, **parts)


def _person(name: str, parts: tuple[Mapping[str, Any], ...]) -> _Person:
    acknowledged, overdue, consented = parts
    return _Person(
        name, acknowledged.get(name, frozenset()), overdue.get(name, ()), consented.get(name, frozenset())
    )


def _head(data: bytes | bytearray) -> tuple[_Head, int]:
    """Read the head, and give where the people begin."""
    start = len(_MAGIC) + _LENGTH
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it is of another version")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    head = msgspec.json.decode(data[start:end], type=_Head)
    if min(head.people, head.by_subject) < 0 or end + head.people + head.by_subject != len(data):
        raise ValueError("it is not as long as it says")
    return head, end


class _Part(Mapping[str, Any]):
    """One field of every person, by canonical name."""

    __slots__ = ("_by_subject", "_count", "_field", "_people")

    def __init__(self, people: Blobs, by_subject: Postings, field: _Field, count: int) -> None:
        self._people = people
        self._by_subject = by_subject
        self._field = field
        self._count = count

    def __getitem__(self, subject: str) -> Any:
        for number in self._by_subject.find(subject) if self._count else ():
            person = self._read(number)
            found = getattr(person, self._field)
            if person.subject == subject and found:
                return found
        raise KeyError(subject)

    def __iter__(self) -> Iterator[str]:
        people = (self._read(number) for number in range(self._people.count if self._count else 0))
        return (person.subject for person in people if getattr(person, self._field))

    def __len__(self) -> int:
        return self._count

    def _read(self, number: int) -> _Person:
        try:
            return _UNPACK.decode(self._people[number])
        except (msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
            # Signed and hashed, so made like this: nobody it may concern is let through.
            raise PolicyUnavailableError(f"The standing of a person cannot be read: {error}") from error
