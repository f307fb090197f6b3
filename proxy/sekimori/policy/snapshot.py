"""The policy as a gate worker holds it: immutable, hashed, indexed for one lookup a request.

Compiled by the publisher from everything that was applied, written as canonical JSON, swapped whole. A
snapshot that differs in one byte from its hash, or that says something forbidden, is never used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from sekimori.errors import ConfigError, Fault, PolicyFileError, PolicyUnavailableError
from sekimori.policy.admission import advice_findings
from sekimori.policy.applied import Document, with_catalogue
from sekimori.policy.checks import Problem, problems_of
from sekimori.policy.globs import matches_any
from sekimori.policy.index import Index, Lookups
from sekimori.policy.model import Grant, Group, Interception, Profile, Rules, Service
from sekimori.policy.people import canonical_name
from sekimori.policy.period import day_end_us, day_start_us

FORMAT = 1
_PROBLEMS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class HostRule:
    """A host that policy knows: its name, whether names under it are meant, and whether to decrypt."""

    name: str
    suffix: bool
    service: str
    decrypt: bool


class _SnapshotFile(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    format: int
    compiled_us: int
    rules: Rules
    unsigned: bool
    flagged_models: tuple[str, ...]
    services: tuple[Service, ...]
    groups: tuple[Group, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One version of the whole policy; ``hash`` names it in every record decided by it."""

    hash: str
    compiled_us: int
    rules: Rules
    unsigned: bool
    flagged_models: tuple[str, ...]
    services: Mapping[str, Service]
    groups: Mapping[str, Group]
    grants: Sequence[Grant]
    _index: Lookups = field(repr=False)

    @property
    def profile(self) -> Profile:
        """The profile under which it was compiled."""
        return self.rules.profile

    def services_at(self, host: str) -> tuple[Service, ...]:
        """Find every service entry about ``host``, the most specific name first."""
        return tuple(self.services[name] for name in self._index.services_at(host))

    def service_of(self, host: str, model: str | None = None) -> Service | None:
        """Find the service that a request for ``model`` at ``host`` would use.

        An entry that names the model wins. A flagged model is never part of an entry that does not name
        it, unless that entry is flagged itself.
        """
        entries = self.services_at(host)
        if model is None:
            return next((entry for entry in entries if not entry.models), entries[0] if entries else None)
        named = next((entry for entry in entries if matches_any(entry.models, model)), None)
        if named is not None:
            return named
        general = next((entry for entry in entries if not entry.models), None)
        if general is not None and self.is_flagged_model(model) and not general.flagged:
            return None
        return general

    def is_flagged_model(self, model: str) -> bool:
        """Tell whether ``model`` is one that needs advice wherever it is served."""
        return matches_any(self.flagged_models, model)

    def groups_of(self, user: str) -> frozenset[str]:
        """List the groups of this policy that ``user`` (canonical) belongs to."""
        return self._index.groups_of(user)

    def counts(self, grant: Grant) -> bool:
        """Tell whether ``grant`` is one at all: a revoked one is none, nor one on a revoked service."""
        service = self.services.get(grant.service)
        return grant.status != "revoked" and (service is None or service.status != "revoked")

    def has_grants(self, service_id: str) -> bool:
        """Tell whether anybody at all was granted ``service_id`` (revoked grants are none)."""
        return self._index.has_grants(service_id)

    def grants_for(self, service_id: str, user: str, groups: Collection[str]) -> tuple[Grant, ...]:
        """List the grants on ``service_id`` that cover ``user`` by name or by one of ``groups``."""
        return self._index.grants_for(service_id, user, groups)

    def may_use(self, service_id: str, user: str, groups: Collection[str], time_us: int) -> bool:
        """Tell whether any request of ``user`` to ``service_id`` could pass now."""
        service = self.services.get(service_id)
        if service is None or service.status != "active" or not contract_runs(service, time_us):
            return False
        name = canonical_name(user)
        everywhere = self.groups_of(name).union(map(canonical_name, groups))
        return any(
            self._is_live(grant, service, time_us) for grant in self.grants_for(service_id, name, everywhere)
        )

    def may_reach(self, host: str, user: str, groups: Collection[str], time_us: int) -> bool:
        """Tell whether any request of ``user`` to any service at ``host`` could pass now."""
        return any(self.may_use(entry.id, user, groups, time_us) for entry in self.services_at(host))

    def _is_live(self, grant: Grant, service: Service, time_us: int) -> bool:
        if grant.status != "active" or not grant.period.start_us <= time_us < grant.period.end_us:
            return False
        return not advice_findings(service.flagged, grant, self.rules)

    def hosts(self) -> tuple[HostRule, ...]:
        """List every host of every service, for interception and certificates."""
        return tuple(
            HostRule(host.removeprefix("*."), host.startswith("*."), service.id, decrypts(service, host))
            for service in self.services.values()
            for host in service.hosts
        )


def interception_of(service: Service, host: str) -> Interception:
    """Tell how traffic to ``host`` of ``service`` is treated: mixed is read only where a person enabled it.

    ``host`` is a name on the wire, or one of ``service.hosts`` as it stands there.
    """
    rule = _rule_of(service, host)
    if rule in service.support_hosts:
        return "support"
    if rule in service.mixed_hosts or service.interception == "mixed":
        return "ai" if service.decrypt_mixed else "mixed"
    return service.interception


def decrypts(service: Service, host: str) -> bool:
    """Tell whether traffic to ``host`` of ``service`` is read."""
    return interception_of(service, host) == "ai"


def _rule_of(service: Service, host: str) -> str | None:
    """Find the entry of ``service.hosts`` that covers ``host``, the nearest first."""
    if host in service.hosts:
        return host
    parent = host.partition(".")[2]
    while parent:
        if f"*.{parent}" in service.hosts:
            return f"*.{parent}"
        parent = parent.partition(".")[2]
    return None


def contract_runs(service: Service, time_us: int) -> bool:
    """Tell whether the contract of ``service`` is in force; one without dates is."""
    if service.contract_start and time_us < day_start_us(service.contract_start):
        return False
    return not (service.contract_end and time_us >= day_end_us(service.contract_end))


def compile_snapshot(
    document: Document,
    *,
    profile: Profile,
    catalogue_flags: Callable[[str], Collection[str]],
    now_us: int,
    flagged_models: Collection[str] = (),
    advice_required: bool = True,
    consent_required: bool = True,
) -> Snapshot:
    """Turn everything that was applied into one snapshot; raises ``PolicyFileError`` if it may not be.

    ``catalogue_flags`` gives the flags of a host: ``advisory_required``, and ``mixed`` or ``support`` for
    its kind of interception. ``gov`` cannot do without advice and consent.
    """
    if profile == "gov" and not (advice_required and consent_required):
        raise ConfigError(
            "The profile gov cannot switch off advice or consent.",
            hint="Remove the key, or change the profile.",
        )
    rules = Rules(profile=profile, advice_required=advice_required, consent_required=consent_required)
    services = tuple(
        with_catalogue(service, catalogue_flags, flagged_models) for service in document.services.values()
    )
    content = _SnapshotFile(
        format=FORMAT,
        compiled_us=now_us,
        rules=rules,
        unsigned=document.unsigned,
        flagged_models=tuple(sorted(set(flagged_models))),
        services=tuple(sorted(services, key=lambda service: service.id)),
        groups=tuple(sorted(document.groups.values(), key=lambda group: group.name)),
        grants=tuple(sorted(document.grants.values(), key=lambda grant: grant.id)),
    )
    snapshot = _build(content, hashlib.sha256(_encode(content)).hexdigest())
    faults = [
        Fault(document.file_of(problem.kind, problem.id), 0, problem.field, str(problem))
        for problem in islice(_problems(snapshot), _PROBLEMS_SHOWN)
    ]
    if faults:
        raise PolicyFileError(faults)
    return snapshot


def dump(snapshot: Snapshot) -> bytes:
    """Write a snapshot in its canonical bytes; their SHA-256 is its hash."""
    return _encode(
        _SnapshotFile(
            format=FORMAT,
            compiled_us=snapshot.compiled_us,
            rules=snapshot.rules,
            unsigned=snapshot.unsigned,
            flagged_models=snapshot.flagged_models,
            services=tuple(snapshot.services.values()),
            groups=tuple(snapshot.groups.values()),
            grants=tuple(snapshot.grants),
        )
    )


def load(data: bytes | bytearray, expected_hash: str) -> Snapshot:
    """Read what ``dump`` wrote; raises ``PolicyUnavailableError`` if damaged or forbidden."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected_hash:
        raise PolicyUnavailableError("The policy snapshot is damaged: its hash differs.")
    try:
        content = msgspec.json.decode(data, type=_SnapshotFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyUnavailableError(f"The policy snapshot cannot be read: {error}") from error
    if content.format != FORMAT:
        raise PolicyUnavailableError(f"The policy snapshot has format {content.format}, not {FORMAT}.")
    snapshot = _build(content, digest)
    if len(snapshot.services) != len(content.services) or len(snapshot.groups) != len(content.groups):
        raise PolicyUnavailableError("The policy snapshot names a service or a group twice.")
    problem = next(_problems(snapshot), None)
    if problem is not None:
        raise PolicyUnavailableError(f"The policy snapshot says what it may not: {problem}")
    return snapshot


def _encode(content: _SnapshotFile) -> bytes:
    return msgspec.json.encode(content, order="sorted")


def _build(content: _SnapshotFile, digest: str) -> Snapshot:
    services = {service.id: service for service in content.services}
    groups = {group.name: group for group in content.groups}
    return Snapshot(
        hash=digest,
        compiled_us=content.compiled_us,
        rules=content.rules,
        unsigned=content.unsigned,
        flagged_models=content.flagged_models,
        services=services,
        groups=groups,
        grants=content.grants,
        _index=Index(services.values(), groups.values(), content.grants),
    )


def _problems(snapshot: Snapshot) -> Iterator[Problem]:
    return problems_of(snapshot.services, snapshot.groups, snapshot.grants, snapshot.rules)
