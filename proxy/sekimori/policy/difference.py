"""What differs between two policies, entry by entry and field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sekimori.policy.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that is not the same; ``fields`` holds before and after of each field that differs."""

    kind: str
    id: str
    what: str
    fields: Mapping[str, tuple[Any, Any]]


def differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Walk everything that differs: what the policy asks for, then services, groups and grants by id."""
    rules = _changed(before.rules, after.rules)
    if rules:
        yield Difference("rules", "", "changed", rules)
    yield from _between("service", before.services, after.services)
    yield from _between("group", before.groups, after.groups)
    yield from _between("grant", _by_id(before.grants), _by_id(after.grants))


def _by_id(grants: Iterable[Any]) -> dict[str, Any]:
    return {grant.id: grant for grant in grants}


def _between(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield Difference(kind, name, "added", {})
        elif new is None:
            yield Difference(kind, name, "removed", {})
        elif fields := _changed(old, new):
            yield Difference(kind, name, "changed", fields)


def _changed(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    one, two = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return {key: (one.get(key), two.get(key)) for key in sorted({*one, *two}) if one.get(key) != two.get(key)}
