"""What was applied, from one file or from many.

A ``Document`` is sound by itself; ``merge`` puts documents together, later ones taking over the ids of
earlier ones, and ``with_catalogue`` adds what the caller's catalogue knows. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from sekimori.policy.admission import CAUTION_LOCATIONS
from sekimori.policy.globs import globs_overlap, matches_any
from sekimori.policy.model import ADVISORY_REQUIRED, Grant, Group, Service

CatalogueFlags = Callable[[str], Collection[str]]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Document:
    """What was applied: entries by id, and the file that each came from.

    ``unsigned`` is true where nobody's signature vouches for it, which every plain file is.
    """

    services: Mapping[str, Service] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
    unsigned: bool = True
    file: str = ""
    files: Mapping[Key, str] = field(default_factory=dict)

    def file_of(self, kind: str, name: str) -> str:
        """Name the file that ``service``, ``group`` or ``grant`` ``name`` came from."""
        return self.files.get((kind, name), self.file)

    def keys(self) -> Iterator[Key]:
        """List what it holds, as kind and id."""
        for kind, entries in (("service", self.services), ("group", self.groups), ("grant", self.grants)):
            yield from ((kind, name) for name in entries)


@dataclass(frozen=True, slots=True)
class Takeover:
    """An entry that a later document defines again."""

    kind: str
    id: str
    from_file: str
    to_file: str


@dataclass(frozen=True, slots=True)
class Merged:
    """Several documents as one, and which entries changed hands."""

    document: Document
    takeovers: tuple[Takeover, ...]


def merge(documents: Iterable[Document]) -> Merged:
    """Put documents together; a later one takes over the ids that it defines again."""
    merged = Document(unsigned=False)
    takeovers: list[Takeover] = []
    for document in documents:
        files = {key: document.file_of(*key) for key in document.keys()}  # noqa: SIM118 - no mapping
        takeovers += [
            Takeover(*key, merged.files[key], file)
            for key, file in files.items()
            if merged.files.get(key, file) != file
        ]
        merged = Document(
            services={**merged.services, **document.services},
            groups={**merged.groups, **document.groups},
            grants={**merged.grants, **document.grants},
            unsigned=merged.unsigned or document.unsigned,
            file=document.file,
            files={**merged.files, **files},
        )
    return Merged(merged, tuple(takeovers))


def with_catalogue(service: Service, flags_of: CatalogueFlags, flagged_models: Collection[str]) -> Service:
    """Add to ``service`` what the catalogue knows about its hosts, provider and models.

    Advice is needed where a host is flagged, where the provider or a model that the entry is about is a
    flagged one, and where data is stored in a country of caution [DSN-0-1, DSN-5-2].
    """
    by_host = {host: _host_flags(host, flags_of) for host in service.hosts}
    flags = set(service.flags)
    needs_advice = (
        any(ADVISORY_REQUIRED in found for found in by_host.values())
        or not CAUTION_LOCATIONS.isdisjoint(service.data_locations)
        or matches_any(tuple(flagged_models), service.provider)
        or any(globs_overlap(model, flagged) for model in service.models for flagged in flagged_models)
    )
    if needs_advice:
        flags.add(ADVISORY_REQUIRED)
    return msgspec.structs.replace(
        service,
        flags=tuple(sorted(flags)),
        mixed_hosts=tuple(host for host, found in by_host.items() if "mixed" in found),
        support_hosts=tuple(host for host, found in by_host.items() if "support" in found),
    )


def _host_flags(host: str, flags_of: CatalogueFlags) -> set[str]:
    name = host.removeprefix("*.")
    return {*flags_of(name), *(flags_of(f"any.{name}") if name != host else ())}
