"""Where a request wants to go: a host name, looked up in the policy first and the catalogue second."""

from __future__ import annotations

from dataclasses import dataclass

from sekimori.addons.options import GateOptions
from sekimori.catalogue.catalogue import Catalogue
from sekimori.policy.snapshot import Snapshot, interception_of


@dataclass(frozen=True, slots=True)
class Destination:
    """A host and what is known of it.

    ``kind`` is ``ai`` (decrypt, default deny), ``mixed`` or ``support`` (tunnel, counted), ``inspect``
    (uncatalogued, decrypted because a person listed it) or ``uncatalogued``. ``guess`` names the rule of
    the name heuristic that took an uncatalogued host for AI.
    """

    host: str
    kind: str
    service: str = ""
    service_name: str = ""
    provider: str = ""
    api_style: str = ""
    guess: str = ""
    flagged: bool = False

    @property
    def decrypt(self) -> bool:
        """Whether TLS to this host is terminated at the gate."""
        return self.kind in {"ai", "inspect"}


def locate(
    host: str, *, snapshot: Snapshot | None, catalogue: Catalogue, options: GateOptions
) -> Destination:
    """Say what ``host`` (canonical) is; what the organisation registered goes before the catalogue."""
    entry = catalogue.lookup(host)
    service = snapshot.service_of(host) if snapshot is not None else None
    api_style = entry.api_style if entry is not None else ""
    if service is not None:
        name, provider = service.name, service.provider
        kind = _enabled(interception_of(service, host), host, options)
        return Destination(host, kind, service.id, name, provider, api_style, flagged=service.flagged)
    if entry is not None:
        kind = _enabled(entry.interception, host, options)
        flagged = "advisory_required" in entry.flags
        return Destination(host, kind, entry.service, entry.name, entry.provider, api_style, flagged=flagged)
    if options.uncatalogued == "inspect" and host in options.inspect_hosts:
        return Destination(host, "inspect")
    return Destination(host, "uncatalogued", guess=catalogue.looks_like_ai(host) or "")


def _enabled(kind: str, host: str, options: GateOptions) -> str:
    return "ai" if kind == "mixed" and host in options.decrypt_mixed else kind
