"""Who acts: a name, its roles, the organisation unit it belongs to."""

from __future__ import annotations

import msgspec

from sekimori.policy.people import canonical_name

TENANT = "default"

STAFF = "staff"
APPROVAL_AUTHORITY = "approval_authority"
CLOUD_SERVICE_ADMINISTRATOR = "cloud_service_administrator"
REVIEWER = "reviewer"
AUDITOR = "auditor"
SECURITY_OFFICER = "security_officer"
SYSTEM_ADMINISTRATOR = "system_administrator"
ROLES = (
    *(STAFF, APPROVAL_AUTHORITY, CLOUD_SERVICE_ADMINISTRATOR, REVIEWER, AUDITOR),
    *(SECURITY_OFFICER, SYSTEM_ADMINISTRATOR),
)
# The clock is nobody: no account can hold its role, as it is none of ROLES.
CLOCK_ROLE = "clock"


class Actor(msgspec.Struct, frozen=True):
    """A person (or the clock) as it acts: nothing of it is believed that the caller did not establish."""

    name: str
    roles: frozenset[str] = frozenset()
    unit: str = ""
    tenant: str = TENANT

    def has(self, *roles: str) -> bool:
        """Say whether the actor holds one of ``roles``."""
        return not self.roles.isdisjoint(roles)


def clock(tenant: str = TENANT) -> Actor:
    """Give the actor of what happens because time passes."""
    return Actor("clock", frozenset({CLOCK_ROLE}), "", tenant)


def same(one: str, other: str) -> bool:
    """Say whether two names are one person, however they are written; nobody is not somebody."""
    return bool(one) and canonical_name(one) == canonical_name(other)


def among(name: str, names: tuple[str, ...]) -> bool:
    """Say whether ``name`` is one of ``names``."""
    return any(same(name, other) for other in names)
