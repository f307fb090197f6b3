"""The catalogue: every AI service that Sekimori knows, found by host name, by id or by searching.

Read once from the packaged data and never changed. Names given to ``lookup`` must be canonical already
(``hosts.canonical_host``). A grant, a group or a clock is nothing that this module knows of.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Self

from sekimori.catalogue.index import HostIndex, covers
from sekimori.catalogue.likeness import looks_like_ai
from sekimori.catalogue.records import (
    ApiStyle,
    ContractType,
    HostRecord,
    Interception,
    Kind,
    Match,
    ServiceRecord,
    read_services,
    read_sites,
)

__all__ = ["Catalogue", "Entry", "ServiceRecord", "looks_like_ai"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One host rule together with what is known of the service behind it."""

    service: str
    name: str
    provider: str
    kind: Kind
    contract_type: ContractType
    interception: Interception
    flags: tuple[str, ...]
    data_locations: tuple[str, ...]
    api_style: ApiStyle
    match: Match
    host: str

    def covers(self, name: str) -> bool:
        """Whether this rule, seen alone, matches the canonical ``name``."""
        return covers(self, name)


class Catalogue:
    """A frozen set of services and one index over their hosts."""

    def __init__(self, services: Iterable[ServiceRecord], *, flagged_models: tuple[str, ...] = ()) -> None:
        self.services = tuple(services)
        self.flagged_models = flagged_models
        self._by_id = {service.id: service for service in self.services}
        if len(self._by_id) != len(self.services):
            raise ValueError("two services of the catalogue share one id")
        self._entries = tuple(_entry(service, rule) for service in self.services for rule in service.hosts)
        self._index = HostIndex(self._entries)

    @classmethod
    def load(cls) -> Self:
        """Read the catalogue that is packaged with this program."""
        data = resources.files("sekimori.catalogue") / "data"
        curated = read_services((data / "services.json").read_bytes())
        sites = read_sites((data / "sites.json").read_bytes())
        return cls((*curated.services, *sites), flagged_models=curated.flagged_models)

    def lookup(self, name: str) -> Entry | None:
        """Return what is known of the canonical host ``name``; None is "no catalogue knows it"."""
        return self._index.find(name)

    @staticmethod
    def looks_like_ai(name: str) -> str | None:
        """Guess about a ``name`` that ``lookup`` does not know; see ``likeness`` for the rules."""
        return looks_like_ai(name)

    def get(self, service: str) -> ServiceRecord | None:
        """Return the service with this id."""
        return self._by_id.get(service)

    def hosts(self) -> tuple[Entry, ...]:
        """Every host rule, in the order of the data."""
        return self._entries

    def search(self, text: str) -> tuple[ServiceRecord, ...]:
        """Return the services that have every word of ``text`` somewhere, those named so first."""
        words = _folded(text).split()
        if not words:
            return ()
        found = (s for s in self.services if all(word in _haystack(s) for word in words))
        return tuple(sorted(found, key=lambda s: not all(word in _names(s) for word in words)))


def _entry(service: ServiceRecord, rule: HostRecord) -> Entry:
    return Entry(
        service=service.id,
        name=service.name,
        provider=service.provider,
        kind=service.kind,
        contract_type=service.contract_type,
        interception=rule.interception,
        flags=service.flags,
        data_locations=service.data_locations,
        api_style=service.api_style,
        match=rule.match,
        host=rule.host,
    )


def _names(service: ServiceRecord) -> str:
    return _folded(f"{service.id}\n{service.name}\n{service.name_ja}")


def _haystack(service: ServiceRecord) -> str:
    hosts = (rule.host for rule in service.hosts)
    return _folded("\n".join((_names(service), service.provider, service.kind, *service.flags, *hosts)))


def _folded(text: str) -> str:
    """Fold width and case, so that ``ＣｈａｔＧＰＴ`` finds ``ChatGPT``."""
    return unicodedata.normalize("NFKC", text).casefold()
