"""What a child process is told on its standard input: never on its command line, which everybody can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sekimori.cli.config import Config
from sekimori.cli.places import Places
from sekimori.cli.units import Address

if TYPE_CHECKING:
    from sekimori.gate.settings import WorkerSettings


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """One child's orders. ``addresses`` are where the tree really listens, by role."""

    data: str
    keys: str
    config: dict[str, Any]
    lifeline_fd: int
    listen_fd: int = -1
    slot: int = 0
    addresses: dict[str, str] = {}

    @property
    def places(self) -> Places:
        """The folders of the installation, and its database where that lies elsewhere."""
        return Places.of(Path(self.data), Path(self.keys), self.settings)

    @property
    def settings(self) -> Config:
        """The configuration."""
        return Config.model_validate(self.config)


def reachable(address: Address, name: str) -> Address:
    """Say what a client types for a listener that may listen everywhere."""
    return Address(name, address.port) if address.host in {"0.0.0.0", "::"} else address  # noqa: S104 (compared only)


def identity_settings(config: Config) -> dict[str, Any]:
    """Translate who may say who is asking."""
    from sekimori.gate.directory.settings import DirectorySettings
    from sekimori.gate.settings import TlsFiles, VoucherSettings

    identity, tls = config.identity, config.gate.tls
    by_header, by_certificate = "header" in identity.sources, "mtls" in identity.sources
    return {
        "identity_sources": identity.sources,
        "listener_tls": TlsFiles(tls.certificate_file, tls.key_file, tls.client_ca_file, tls.client_crl_file),
        "vouchers": VoucherSettings(
            parents=identity.header.parents,
            header=identity.header.name.lower() if by_header else "",
            realm=identity.header.realm if identity.header.strip_realm else "",
            certificate=identity.mtls.name if by_certificate else "",
        ),
        "directory": DirectorySettings(**dict(identity.ldap)),  # what was read, not what is written
    }


def worker_settings(orders: Orders) -> WorkerSettings:
    """Translate the configuration into what a gate worker may know."""
    from sekimori.gate.settings import WorkerSettings

    config, places = orders.settings, orders.places
    gate, upstream, spool = config.gate, config.upstream, config.spool
    return WorkerSettings(
        slot=orders.slot,
        listen_fd=orders.listen_fd,
        lifeline_fd=orders.lifeline_fd,
        data=str(places.data),
        gate_keys=str(places.keys / "gate"),
        profile=config.profile,
        uncatalogued=gate.uncatalogued,
        connect_ports=gate.connect_ports,
        http_ports=gate.http_ports,
        mismatch=gate.mismatch,
        decrypt_mixed=gate.decrypt_mixed,
        inspect_hosts=gate.inspect_hosts,
        max_upload=gate.max_upload,
        upload_budget=gate.upload_budget,
        max_capture=gate.max_capture,
        capture_budget=gate.capture_budget,
        snapshot_max_age=gate.snapshot_max_age,
        drain=gate.drain,
        decision_timeout=gate.decision_timeout,
        upstream_ca_file=upstream.ca_file,
        upstream_proxy=upstream.proxy,
        upstream_resolve={host: str(address) for host, address in upstream.resolve.items()},
        identity_required=config.identity.required,
        **identity_settings(config),
        public_url=orders.addresses.get("public_url", config.public_url),
        spool_high_water=spool.high_water,
        spool_min_free=spool.min_free,
        spool_segment=spool.segment,
        record_timeout=gate.record_timeout,
        unwitnessed_limit=config.ledger.unwitnessed_limit if config.ledger.witnesses else 0.0,
    )
