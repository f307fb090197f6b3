"""What one gate worker is told at its start: sockets, folders, limits. Plain data, passed as JSON."""

from __future__ import annotations

import msgspec

from sekimori.gate.directory.settings import DirectorySettings


class TlsFiles(msgspec.Struct, frozen=True):
    """The files of the listener's TLS; without a certificate it speaks plain HTTP."""

    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    client_crl: str = ""


class VoucherSettings(msgspec.Struct, frozen=True):
    """Whose word counts beside credentials: listed parents in their header, certificates by one name."""

    parents: tuple[str, ...] = ()
    header: str = ""
    realm: str = ""
    certificate: str = ""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a gate worker may know; it holds no path to the archivist's or the CA root's keys.

    ``listen_fd`` is the inherited listening socket, ``lifeline_fd`` the read end of a pipe whose
    end-of-file tells that the supervisor died. Sizes are bytes, times are seconds.
    """

    slot: int
    listen_fd: int
    lifeline_fd: int
    data: str
    gate_keys: str
    profile: str = "enterprise"
    uncatalogued: str = "tunnel"
    connect_ports: tuple[int, ...] = (443,)
    http_ports: tuple[int, ...] = (80,)
    mismatch: str = "close"
    decrypt_mixed: tuple[str, ...] = ()
    inspect_hosts: tuple[str, ...] = ()
    max_upload: int = 64 * 1024 * 1024
    upload_budget: int = 512 * 1024 * 1024
    max_capture: int = 8 * 1024 * 1024
    capture_budget: int = 256 * 1024 * 1024
    snapshot_max_age: float = 900.0
    drain: float = 30.0
    decision_timeout: float = 5.0
    upstream_ca_file: str = ""
    upstream_proxy: str = ""
    upstream_resolve: dict[str, str] = {}
    identity_required: str = "all"
    identity_sources: tuple[str, ...] = ("basic", "apikey")
    listener_tls: TlsFiles = TlsFiles()
    vouchers: VoucherSettings = VoucherSettings()
    directory: DirectorySettings = DirectorySettings()
    public_url: str = "http://127.0.0.1:8081"
    spool_high_water: int = 4 * 1024 * 1024 * 1024
    spool_min_free: int = 256 * 1024 * 1024
    spool_segment: int = 64 * 1024 * 1024
    record_timeout: float = 2.0
    unwitnessed_limit: float = 0.0
