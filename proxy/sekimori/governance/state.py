"""What there is: aggregates by noun and id, of one organisation.

A ``State`` is a value: ``put`` gives another one, sharing what did not change, so that a store may hand
in mappings that fetch a row when it is asked for. Only what runs for the clock or compiles walks a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, cast

import msgspec

from sekimori.governance.actors import TENANT
from sekimori.governance.refusals import refuse


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of an aggregate; a field that this version does not know makes it unreadable, not half-read."""


class Aggregate(Value, frozen=True, kw_only=True):
    """A thing with an id and a history; ``version`` counts its changes, for optimistic locking."""

    noun: ClassVar[str] = ""

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

    def put(self, value: Aggregate) -> Self:
        """Give the same table with ``value`` in it."""
        return type(self)(self._base, {**self._own, value.id: value})


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


def plain(value: Any) -> Any:
    """Turn a value into what JSON knows."""
    return msgspec.to_builtins(value, enc_hook=str)


def digest(value: Any) -> str:
    """Hash a value in its canonical JSON: the fingerprint that a decision refers to."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
