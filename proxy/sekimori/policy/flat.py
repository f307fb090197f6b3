"""A snapshot as a gate worker holds it: one run of bytes, decoded where it is asked about.

``SKFLAT1 LF``, the length of a head (u32, little endian), the head (JSON: everything small, and where each
section lies), then the sections. 200,000 grants as objects would cost each worker 250 MB and half a second
in which it answers nobody; as bytes they cost what they weigh. Made from the canonical snapshot by the
publisher, which signs the hashes of both; what a worker loads it checks like any snapshot, in slices.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import cast, overload

import msgspec

from sekimori.errors import PolicyUnavailableError
from sekimori.policy.checks import steps_of
from sekimori.policy.index import HostIndex
from sekimori.policy.model import Grant, Group, Rules, Service
from sekimori.policy.postings import Blobs, Postings, write_blobs, write_postings
from sekimori.policy.snapshot import Snapshot

_MAGIC = b"SKFLAT1\n"
_FORMAT = 1
_LENGTH = 4
_KEPT = 4096
_SLICE = 64
_SECTIONS = ("services", "groups", "grants", "by_user", "by_group", "memberships")
_GRANT = msgspec.msgpack.Decoder(Grant)


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    hash: str
    compiled_us: int
    rules: Rules
    unsigned: bool
    flagged_models: tuple[str, ...]
    granted: tuple[str, ...]
    sections: dict[str, int]


def dump_flat(snapshot: Snapshot) -> bytes:
    """Write a snapshot flat."""
    pack = msgspec.msgpack.encode
    usable = [(number, grant) for number, grant in enumerate(snapshot.grants) if snapshot.counts(grant)]
    names = list(snapshot.groups)
    sections = (
        write_blobs(pack(service) for service in snapshot.services.values()),
        write_blobs(pack(group) for group in snapshot.groups.values()),
        write_blobs(pack(grant) for grant in snapshot.grants),
        write_postings(
            (_key(grant.service, user), number) for number, grant in usable for user in grant.users
        ),
        write_postings(
            (_key(grant.service, name), number) for number, grant in usable for name in grant.groups
        ),
        write_postings(
            (member, number) for number, name in enumerate(names) for member in snapshot.groups[name].members
        ),
    )
    head = msgspec.json.encode(
        _Head(
            format=_FORMAT,
            hash=snapshot.hash,
            compiled_us=snapshot.compiled_us,
            rules=snapshot.rules,
            unsigned=snapshot.unsigned,
            flagged_models=snapshot.flagged_models,
            granted=tuple(sorted({grant.service for _, grant in usable})),
            sections={name: len(data) for name, data in zip(_SECTIONS, sections, strict=True)},
        ),
        order="sorted",
    )
    return b"".join((_MAGIC, len(head).to_bytes(_LENGTH, "little"), head, *sections))


def _key(service: str, name: str) -> str:
    return f"{service}\0{name}"


class _Grants(Sequence[Grant]):
    """Grants by number, decoded when they are asked for; the last few are remembered."""

    __slots__ = ("_blobs", "_kept")

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[int, Grant] = OrderedDict()

    def __len__(self) -> int:
        return self._blobs.count

    @overload
    def __getitem__(self, number: int) -> Grant: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Grant]: ...
    def __getitem__(self, number: int | slice) -> Grant | Sequence[Grant]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        found = self._kept.get(number)
        if found is None:
            found = _GRANT.decode(self._blobs[number])
            self._kept[number] = found
            if len(self._kept) > _KEPT:
                # Several threads decide: another may have taken the oldest, or all of them, meanwhile.
                self._kept.pop(next(iter(self._kept), number), None)
        return found

    def __iter__(self) -> Iterator[Grant]:
        # Whoever walks all of them wants none kept.
        return (_GRANT.decode(self._blobs[number]) for number in range(len(self)))


class _FlatIndex:
    """The lookups of ``index.Index``, on bytes."""

    __slots__ = ("_by_group", "_by_user", "_granted", "_grants", "_groups", "_hosts", "_memberships")

    def __init__(
        self,
        hosts: HostIndex,
        groups: tuple[str, ...],
        grants: _Grants,
        granted: Collection[str],
        tables: tuple[Postings, Postings, Postings],
    ) -> None:
        self._hosts = hosts
        self._groups = groups
        self._grants = grants
        self._granted = frozenset(granted)
        self._by_user, self._by_group, self._memberships = tables

    def services_at(self, host: str) -> list[str]:
        """List service ids for ``host``, as ``HostIndex`` does."""
        return self._hosts.services_at(host)

    def groups_of(self, user: str) -> frozenset[str]:
        """List the groups that ``user`` is a member of."""
        return frozenset(self._groups[number] for number in self._memberships.find(user))

    def has_grants(self, service: str) -> bool:
        """Tell whether a grant on ``service`` exists that was not revoked."""
        return service in self._granted

    def grants_for(self, service: str, user: str, groups: Collection[str]) -> tuple[Grant, ...]:
        """List the grants on ``service`` for ``user`` or one of ``groups``, each once, by id."""
        numbers = set(self._by_user.find(_key(service, user)))
        for group in groups:
            numbers.update(self._by_group.find(_key(service, group)))
        # In the file they stand by id.
        return tuple(self._grants[number] for number in sorted(numbers))


def load_flat(data: bytes | bytearray, expected_hash: str) -> Snapshot:
    """Read what ``dump_flat`` wrote; raises ``PolicyUnavailableError`` if damaged or forbidden."""
    loading = load_in_slices(data, expected_hash)
    while True:
        try:
            next(loading)
        except StopIteration as done:
            return cast("Snapshot", done.value)


def load_in_slices(data: bytes | bytearray, expected_hash: str) -> Generator[None, None, Snapshot]:
    """Do what ``load_flat`` does, a little at each step; the generator returns the snapshot."""
    if hashlib.sha256(data).hexdigest() != expected_hash:
        raise PolicyUnavailableError("The policy snapshot is damaged: its hash differs.")
    try:
        return (yield from _load(data))
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise PolicyUnavailableError(f"The policy snapshot cannot be read: {error}") from error


def _load(data: bytes | bytearray) -> Generator[None, None, Snapshot]:
    head, at = _head(data)
    places: dict[str, tuple[int, int]] = {}
    for name in _SECTIONS:
        places[name] = (at, head.sections[name])
        at += head.sections[name]
    if at != len(data):
        raise ValueError("it is not as long as it says")
    services = {each.id: each for each in _all(Blobs(data, *places["services"]), Service)}
    yield
    groups = {each.name: each for each in _all(Blobs(data, *places["groups"]), Group)}
    yield
    grants = _Grants(Blobs(data, *places["grants"]))
    by_user, by_group, memberships = (Postings(data, *places[name]) for name in _SECTIONS[3:])
    yield from _checked(services, groups, grants, head.rules)
    return Snapshot(
        hash=head.hash,
        compiled_us=head.compiled_us,
        rules=head.rules,
        unsigned=head.unsigned,
        flagged_models=head.flagged_models,
        services=services,
        groups={name: msgspec.structs.replace(group, members=()) for name, group in groups.items()},
        grants=grants,
        _index=_FlatIndex(
            HostIndex(services.values()),
            tuple(groups),
            grants,
            head.granted,
            (by_user, by_group, memberships),
        ),
    )


def _head(data: bytes | bytearray) -> tuple[_Head, int]:
    """Read the head, and give where the first section begins."""
    start = len(_MAGIC) + _LENGTH
    if data[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it is not flat, or of another version")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    head = msgspec.json.decode(data[start:end], type=_Head)
    if head.format != _FORMAT or tuple(sorted(head.sections)) != tuple(sorted(_SECTIONS)):
        raise ValueError(f"it has format {head.format}, not {_FORMAT}")
    if min(head.sections.values()) < 0:
        raise ValueError("a section has no length")
    return head, end


def _all[T](blobs: Blobs, kind: type[T]) -> Iterator[T]:
    decoder = msgspec.msgpack.Decoder(kind)
    return (decoder.decode(blobs[number]) for number in range(blobs.count))


def _checked(
    services: Mapping[str, Service], groups: Mapping[str, Group], grants: _Grants, rules: Rules
) -> Iterator[None]:
    for number, problem in enumerate(steps_of(services, groups, grants, rules, ascending=True)):
        if problem is not None:
            raise PolicyUnavailableError(f"The policy snapshot says what it may not: {problem}")
        if number % _SLICE == 0:
            yield
