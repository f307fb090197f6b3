"""The indexes of a snapshot: by host, by person, and of grants by service and then user or group.

Built once for each snapshot, so that a decision costs the same with ten grants and with 200,000.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from sekimori.policy.model import Grant, Group, Service

_Grants = tuple[Grant, ...]


class HostIndex:
    """Which services are at a host."""

    __slots__ = ("_exact", "_under")

    def __init__(self, services: Iterable[Service]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._under: dict[str, list[str]] = {}
        for service in services:
            for host in dict.fromkeys(service.hosts):
                where = self._under if host.startswith("*.") else self._exact
                where.setdefault(host.removeprefix("*."), []).append(service.id)

    def services_at(self, host: str) -> list[str]:
        """List service ids for ``host``: its own, then those of ``*.`` names above it, nearest first."""
        found = list(self._exact.get(host, ()))
        parent = host.partition(".")[2]
        while parent:
            found += self._under.get(parent, ())
            parent = parent.partition(".")[2]
        return found


class Lookups(Protocol):
    """What a snapshot asks of its index; none of it may cost more the larger the policy is."""

    def services_at(self, host: str) -> list[str]:
        """List service ids for ``host``, the most specific name first."""
        ...

    def groups_of(self, user: str) -> frozenset[str]:
        """List the groups that ``user`` is a member of."""
        ...

    def has_grants(self, service: str) -> bool:
        """Tell whether a grant on ``service`` exists that was not revoked."""
        ...

    def grants_for(self, service: str, user: str, groups: Collection[str]) -> _Grants:
        """List the grants on ``service`` for ``user`` or one of ``groups``, each once, by id."""
        ...


class Index:
    """Lookups that do not depend on how large the policy is."""

    __slots__ = ("_by_group", "_by_user", "_groups_of", "_has_grants", "_hosts")

    def __init__(self, services: Iterable[Service], groups: Iterable[Group], grants: Iterable[Grant]) -> None:
        self._by_user: dict[tuple[str, str], list[Grant]] = {}
        self._by_group: dict[tuple[str, str], list[Grant]] = {}
        self._has_grants: set[str] = set()
        known = list(services)
        self._hosts = HostIndex(known)
        revoked = {service.id for service in known if service.status == "revoked"}
        for grant in grants:
            if grant.status != "revoked" and grant.service not in revoked:
                self._add_grant(grant)
        self._groups_of = _memberships(groups)

    def _add_grant(self, grant: Grant) -> None:
        self._has_grants.add(grant.service)
        for user in grant.users:
            self._by_user.setdefault((grant.service, user), []).append(grant)
        for group in grant.groups:
            self._by_group.setdefault((grant.service, group), []).append(grant)

    def services_at(self, host: str) -> list[str]:
        """List service ids for ``host``, as ``HostIndex`` does."""
        return self._hosts.services_at(host)

    def groups_of(self, user: str) -> frozenset[str]:
        """List the groups that ``user`` is a member of."""
        return self._groups_of.get(user, frozenset())

    def has_grants(self, service: str) -> bool:
        """Tell whether a grant on ``service`` exists that was not revoked."""
        return service in self._has_grants

    def grants_for(self, service: str, user: str, groups: Collection[str]) -> _Grants:
        """List the grants on ``service`` for ``user`` or one of ``groups``, each once, by id."""
        found = {grant.id: grant for grant in self._by_user.get((service, user), ())}
        for group in groups:
            for grant in self._by_group.get((service, group), ()):
                found[grant.id] = grant
        return tuple(found[name] for name in sorted(found))


def _memberships(groups: Iterable[Group]) -> dict[str, frozenset[str]]:
    collected: dict[str, set[str]] = {}
    for group in groups:
        for member in group.members:
            collected.setdefault(member, set()).add(group.name)
    return {member: frozenset(names) for member, names in collected.items()}
