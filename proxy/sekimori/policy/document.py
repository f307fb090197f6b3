"""The apply file: services, groups and grants as people write them, all or nothing.

``read_document`` gives a ``Document`` or every fault with its line. Dates of the file are checked
against ``today``, hosts through ``check_host``, flags through ``catalogue_flags``: this room knows no
clock and no catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date

from sekimori.errors import PolicyFileError
from sekimori.policy.applied import CatalogueFlags, Document, Key, Merged, Takeover, merge, with_catalogue
from sekimori.policy.checks import Problem, grant_problems, host_problems, near, service_problems
from sekimori.policy.entries import (
    GRANT_KEYS,
    SERVICE_KEYS,
    plain_host,
    read_grant,
    read_groups,
    read_service,
)
from sekimori.policy.fields import Entry, Faults
from sekimori.policy.model import Grant, Group, Rules, Service
from sekimori.policy.tree import TreeError, read_tree

__all__ = ["Document", "Merged", "Takeover", "merge", "plain_host", "read_document"]


def _no_flags(_host: str) -> Collection[str]:
    return ()


def read_document(
    text: str,
    *,
    file: str,
    today: date,
    check_host: Callable[[str], str] = plain_host,
    catalogue_flags: CatalogueFlags = _no_flags,
    flagged_models: Collection[str] = (),
    known: Document | None = None,
    known_groups: Collection[str] | None = None,
    rules: Rules | None = None,
) -> Document:
    """Read an apply file; raises ``PolicyFileError`` with every fault it has.

    ``check_host`` gives the canonical form of a host or raises ``ValueError``. ``known`` is what other
    files say: their services and groups may be used here. With ``known_groups`` given, a group that is
    neither in it nor in a file is a fault.
    """
    faults = Faults(file)
    reading = _Reading(faults, known or Document(), check_host)
    try:
        reading.read(text)
    except TreeError as error:
        faults.add(error.line, "", error.message)
    reading.services = {
        name: with_catalogue(service, catalogue_flags, flagged_models)
        for name, service in reading.services.items()
    }
    reading.check(today, known_groups, rules or Rules())
    if faults.found:
        raise PolicyFileError(sorted(faults.found, key=lambda fault: fault.line))
    return Document(reading.services, reading.groups, reading.grants, file=file)


class _Reading:
    """A file while it is read: its sound entries, where they stand, and which ids were unreadable."""

    def __init__(self, faults: Faults, known: Document, check_host: Callable[[str], str]) -> None:
        self.services: dict[str, Service] = {}
        self.groups: dict[str, Group] = {}
        self.grants: dict[str, Grant] = {}
        self._faults = faults
        self._known = known
        self._check_host = check_host
        self._places: dict[Key, Entry] = {}
        self._broken: set[Key] = set()

    def read(self, text: str) -> None:
        """Take in every entry that is sound by itself."""
        root = read_tree(text)
        if root is None:
            self._faults.add(1, "", "holds no services, groups or grants")
            return
        top = Entry(root, "", ("services", "groups", "grants"), self._faults)
        for entry in top.entries("services", SERVICE_KEYS):
            service = read_service(entry, self._check_host)
            self._keep("service", service.id, entry, self.services, service)
        for entry, group in read_groups(top):
            self._keep("group", group.name, entry, self.groups, group)
        for entry in top.entries("grants", GRANT_KEYS):
            grant = read_grant(entry)
            self._keep("grant", grant.id, entry, self.grants, grant)

    def _keep[T](self, kind: str, name: str, entry: Entry, kept: dict[str, T], value: T) -> None:
        if (kind, name) in self._places:
            entry.fault("id", f"{name!r} is used twice, first in line {self._places[kind, name].line}")
        if not entry.sound:
            self._broken.add((kind, name))
            return
        self._places[kind, name] = entry
        kept[name] = value

    def check(self, today: date, known_groups: Collection[str] | None, rules: Rules) -> None:
        """Check the entries against each other, and against what other files say."""
        services = {**self._known.services, **self.services}
        groups = {**self._known.groups, **self.groups}
        for service in self.services.values():
            self._tell(service_problems(service))
        self._tell(host_problems(services.values()))
        for grant in self.grants.values():
            self._check_grant(grant, services, groups, rules)
            self._check_words(grant, today, groups, known_groups)
        self._check_others(services, groups, rules)

    def _check_grant(
        self, grant: Grant, services: Mapping[str, Service], groups: Mapping[str, Group], rules: Rules
    ) -> None:
        if ("service", grant.service) in self._broken and grant.service not in self.services:
            return  # its own fault was told; what follows from it would only hide it
        if grant.service not in services:
            message = f"{grant.service!r} is not a service{near(grant.service, services)}"
            self._places["grant", grant.id].fault("service", message)
            return
        self._tell(grant_problems(grant, services[grant.service], groups, rules))

    def _check_words(
        self, grant: Grant, today: date, groups: Mapping[str, Group], known_groups: Collection[str] | None
    ) -> None:
        place = self._places["grant", grant.id]
        if grant.decided_on and grant.decided_on > today:
            place.fault("decided_on", f"{grant.decided_on.isoformat()} has not come yet")
        if known_groups is None:
            return
        everywhere = {*groups, *known_groups}
        for name in grant.groups:
            if name not in everywhere and ("group", name) not in self._broken:
                place.fault("groups", f"{name!r} is not a group{near(name, everywhere)}")

    def _check_others(
        self, services: Mapping[str, Service], groups: Mapping[str, Group], rules: Rules
    ) -> None:
        """Refuse a service whose new contract would make a grant of another file forbidden."""
        for grant in self._known.grants.values():
            if grant.id in self.grants or grant.service not in self.services:
                continue
            for problem in grant_problems(grant, services[grant.service], groups, rules):
                place = self._places["service", grant.service]
                place.fault("", f"{self._known.file_of('grant', grant.id)} says otherwise: {problem}")

    def _tell(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            place = self._places.get((problem.kind, problem.id))
            if place is not None:
                place.fault(problem.field, problem.message)
