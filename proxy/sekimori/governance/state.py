"""What there is: aggregates by noun and id, of one organisation.

A ``State`` is a value: ``put`` gives another one, sharing what did not change, so that a store may hand
in mappings that fetch a row when it is asked for. Only what runs for the clock or compiles walks a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, ValuesView
from typing import Any, ClassVar, Self, cast

import msgspec

from sekimori.governance.actors import TENANT
from sekimori.governance.refusals import refuse
from sekimori.policy.people import canonical_name


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of an aggregate; a field that this version does not know makes it unreadable, not half-read."""


class Aggregate(Value, frozen=True, kw_only=True):
    """A thing with an id and a history; ``version`` counts its changes, for optimistic locking.

    ``indexed_by`` names the fields, alone or together, by whose values a store finds it without a walk.
    """

    noun: ClassVar[str] = ""
    indexed_by: ClassVar[tuple[tuple[str, ...], ...]] = ()

    tenant: str = TENANT
    id: str
    status: str
    version: int = 0


class Evidence(Value, frozen=True):
    """Something kept elsewhere that proves a statement: what it is, its hash, or the test that was run."""

    reference: str
    sha256: str = ""
    at_us: int = 0
    note: str = ""


class _Table(Mapping[str, Aggregate]):
    """A mapping with changes laid over it; the mapping under it is never written to or walked to copy it."""

    __slots__ = ("_base", "_own")

    def __init__(self, base: Mapping[str, Aggregate], own: dict[str, Aggregate]) -> None:
        self._base = base
        self._own = own

    def __getitem__(self, key: str) -> Aggregate:
        return self._own[key] if key in self._own else self._base[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (key for key in self._own if key not in self._base)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def matching(self, field: str, said: str) -> Iterator[Aggregate]:
        """Walk what is found by a value; what lies under the changes may answer by an index."""
        base: Any = self._base
        found = base.matching(field, said) if hasattr(base, "matching") else base.values()
        yield from (value for value in found if value.id not in self._own)
        yield from self._own.values()

    def due(self, at_us: int) -> Iterator[Aggregate]:
        """Walk what the clock may have something to do with; likewise."""
        base: Any = self._base
        found = base.due(at_us) if hasattr(base, "due") else base.values()
        yield from (value for value in found if value.id not in self._own)
        yield from self._own.values()

    def values(self) -> ValuesView[Aggregate]:
        """Walk all of them, those under the changes without asking for each."""
        return _Values(self)

    def walk(self) -> Iterator[Aggregate]:
        """Give all of them one after the other."""
        for value in self._base.values():
            yield self._own.get(value.id, value)
        yield from (value for key, value in self._own.items() if key not in self._base)

    def put(self, value: Aggregate) -> Self:
        """Give the same table with ``value`` in it."""
        return type(self)(self._base, {**self._own, value.id: value})


class _Values(ValuesView[Aggregate]):
    """The values of a table."""

    _mapping: _Table

    def __iter__(self) -> Iterator[Aggregate]:
        return self._mapping.walk()


class State:
    """Every aggregate of one organisation at one moment."""

    __slots__ = ("_tables", "tenant")

    def __init__(
        self, tenant: str = TENANT, tables: Mapping[str, Mapping[str, Aggregate]] | None = None
    ) -> None:
        self.tenant = tenant
        self._tables = {noun: _Table(table, {}) for noun, table in (tables or {}).items()}

    def find[A: Aggregate](self, kind: type[A], id_: str) -> A | None:
        """Find an aggregate; raises ``Forbidden`` if it belongs to somebody else."""
        table = self._tables.get(kind.noun)
        found = table.get(id_) if table is not None and id_ else None
        return None if found is None else cast("A", self._own(found))

    def get[A: Aggregate](self, kind: type[A], id_: str) -> A:
        """Find an aggregate that must be there."""
        found = self.find(kind, id_)
        if found is None:
            raise refuse("not-found", noun=kind.noun, id=id_)
        return found

    def all[A: Aggregate](self, kind: type[A]) -> Iterator[A]:
        """Walk every aggregate of a kind."""
        for value in self._tables.get(kind.noun, {}).values():
            yield cast("A", self._own(value))

    def matching[A: Aggregate](self, kind: type[A], **fields: str) -> Iterator[A]:
        """Walk the aggregates of a kind whose fields have these values; names however they are written."""
        wanted = {name: canonical_name(said) for name, said in fields.items()}
        table = self._tables.get(kind.noun, _Table({}, {}))
        for value in table.matching(*_key(wanted)):
            if all(canonical_name(str(getattr(value, name))) == said for name, said in wanted.items()):
                yield cast("A", self._own(value))

    def due[A: Aggregate](self, kind: type[A], at_us: int) -> Iterator[A]:
        """Walk the aggregates of a kind that the clock may have something to do with by an instant."""
        for value in self._tables.get(kind.noun, _Table({}, {})).due(at_us):
            yield cast("A", self._own(value))

    def put(self, *values: Aggregate) -> State:
        """Give the state with ``values`` in it, in place of what had their ids."""
        after = State(self.tenant)
        after._tables = dict(self._tables)
        for value in values:
            self._own(value)
            table = after._tables.get(value.noun, _Table({}, {}))
            after._tables[value.noun] = table.put(value)
        return after

    def _own(self, value: Aggregate) -> Aggregate:
        if value.tenant != self.tenant:
            raise refuse("other-tenant")
        return value


def values_found_by(value: Aggregate) -> dict[str, str]:
    """Give what a store finds an aggregate by: the names of some fields, and what those say."""
    return dict(
        _key({name: canonical_name(str(getattr(value, name))) for name in names})
        for names in value.indexed_by
    )


def _key(wanted: Mapping[str, str]) -> tuple[str, str]:
    names = sorted(wanted)
    return "+".join(names), "\0".join(wanted[name] for name in names)


def plain(value: Any) -> Any:
    """Turn a value into what JSON knows."""
    return msgspec.to_builtins(value, enc_hook=str)


def digest(value: Any) -> str:
    """Hash a value in its canonical JSON: the fingerprint that a decision refers to."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
