"""The shipped data as records: services with their hosts, read strictly from JSON.

The closed sets live here, in the types: data that uses any other word does not load. What the hosts mean
for a look-up is for ``index`` to say.
"""

from __future__ import annotations

from typing import Literal

import msgspec

type Kind = Literal[
    "agent",
    "api",
    "chat-web",
    "coding-assistant",
    "gateway",
    "image",
    "meeting",
    "model-hub",
    "other",
    "saas-embedded",
    "search",
    "video",
    "voice",
    "writing",
]
type ContractType = Literal["terms_of_service", "individual_contract"]
type Interception = Literal["ai", "mixed", "support"]
type Match = Literal["full", "suffix", "pattern"]
type ApiStyle = Literal["openai", "anthropic", "gemini", "bedrock", ""]
type Flag = Literal["advisory_required"]


class HostRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule for host names; ``pattern`` has one label with a ``*`` in it."""

    host: str
    match: Match
    interception: Interception


class ServiceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One AI service as the catalogue knows it; ``data_locations`` holds only what a source states."""

    id: str
    name: str
    provider: str
    kind: Kind
    contract_type: ContractType
    hosts: tuple[HostRecord, ...]
    name_ja: str = ""
    operator_country: str = ""
    data_locations: tuple[str, ...] = ()
    api_style: ApiStyle = ""
    flags: tuple[Flag, ...] = ()
    flag_source: str = ""
    sources: tuple[str, ...] = ()


class ServicesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/services.json``: the services that were looked at one by one."""

    flagged_models: tuple[str, ...]
    services: tuple[ServiceRecord, ...]


class SitesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``data/sites.json``: the long tail, known by host name only, grouped by interception and match."""

    ai: tuple[str, ...]
    ai_full: tuple[str, ...]
    mixed: tuple[str, ...]


def read_services(data: bytes) -> ServicesFile:
    """Read ``services.json``; raise msgspec.ValidationError at any word outside the closed sets."""
    return msgspec.json.decode(data, type=ServicesFile)


def read_sites(data: bytes) -> tuple[ServiceRecord, ...]:
    """Read ``sites.json`` into services of their own, so that each can be approved alone."""
    sites = msgspec.json.decode(data, type=SitesFile)
    return (
        *(_site(host, "suffix", "ai") for host in sites.ai),
        *(_site(host, "full", "ai") for host in sites.ai_full),
        *(_site(host, "suffix", "mixed") for host in sites.mixed),
    )


def _site(host: str, match: Match, interception: Interception) -> ServiceRecord:
    return ServiceRecord(
        id=host.replace(".", "-"),
        name=host,
        provider="",
        kind="other",
        contract_type="terms_of_service",
        hosts=(HostRecord(host, match, interception),),
        sources=("laylavish",),
    )
