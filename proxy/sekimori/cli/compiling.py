"""What the policy hangs on beside the applied files: profile, catalogue, host names, interception."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from importlib import resources
from typing import TYPE_CHECKING

from sekimori.catalogue.catalogue import Catalogue
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.cli.opened import now_us
from sekimori.errors import ConfigError
from sekimori.governance.rules import rules_for
from sekimori.store.compiling import Compiler

if TYPE_CHECKING:
    from sekimori.cli.config import Config
    from sekimori.policy.snapshot import Snapshot

_CATALOGUE_DATA = ("services.json", "sites.json")


def compiler(config: Config, catalogue: Catalogue) -> Compiler:
    """Compose what turns applied files and the register into a snapshot; the law is that of the profile."""
    rules = rules_for(config.profile, now_us(), **config.policy.chosen())
    law = rules.for_policy
    return Compiler(
        profile=law.profile,
        catalogue=catalogue_version(),
        catalogue_flags=flags_by(catalogue),
        check_host=lambda text: canonical_host(text).name,
        flagged_models=catalogue.flagged_models,
        advice_required=law.advice_required,
        consent_required=law.consent_required,
        signatures_needed=rules.signatures_needed,
    )


def flags_by(catalogue: Catalogue) -> Callable[[str], Collection[str]]:
    """Give what the catalogue says of a host, as far as it is a matter of policy."""

    def flags_of(host: str) -> Collection[str]:
        entry = catalogue.lookup(host)
        return () if entry is None else {*entry.flags, entry.interception} - {"ai"}

    return flags_of


def catalogue_version() -> str:
    """Name the catalogue's data by its hash."""
    data = resources.files("sekimori.catalogue") / "data"
    return hashlib.sha256(b"".join((data / name).read_bytes() for name in _CATALOGUE_DATA)).hexdigest()


def interception_rules(
    snapshot: Snapshot, catalogue: Catalogue, config: Config
) -> Iterator[tuple[str, bool]]:
    """List every host that the gate decrypts, as name and whether names under it belong to it."""
    for entry in catalogue.hosts():
        if entry.interception == "ai":
            yield entry.host, entry.match == "suffix"
    for rule in snapshot.hosts():
        if rule.decrypt:
            yield rule.name, rule.suffix
    inspected = config.gate.inspect_hosts if config.gate.uncatalogued == "inspect" else ()
    for name in (*config.gate.decrypt_mixed, *inspected):
        yield name, False


def check_hosts(config: Config) -> None:
    """Refuse configured hosts that are no host names in their one spelling: they would match nothing."""
    for key in ("decrypt_mixed", "inspect_hosts"):
        for name in getattr(config.gate, key):
            try:
                canonical = canonical_host(name).name
            except HostError as error:
                raise ConfigError(f"gate.{key}: {name!r} is no host name ({error.message}).") from error
            if canonical != name:
                raise ConfigError(f"gate.{key}: write {name!r} as {canonical!r}.")
