"""A real Squid that asks its clients for a password and brings their requests to the gate over mutual TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.installation import free_ports

SQUID = Path("/usr/sbin/squid")
_ACCOUNT = "proxy"

_CONFIG = """\
http_port 127.0.0.1:{port}
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/passwords
auth_param basic children 2
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache_peer localhost parent {gate} 0 no-query no-digest no-netdb-exchange default name=gate {tls}
never_direct allow all
forwarded_for on
request_header_access X-Authenticated-User deny all
request_header_add X-Authenticated-User "%ul" all
cache deny all
memory_cache_shared off
cache_mem 1 MB
access_log none
cache_log {folder}/cache.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
netdb_filename none
shutdown_lifetime 1 seconds
"""


@dataclass(slots=True)
class Squid:
    """One Squid; ``files`` are its certificate, its key and the CA of the gate's listener."""

    gate: int
    files: tuple[Path, Path, Path]
    people: dict[str, str]
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="squid-")))
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, and return once it answers."""
        (self.port,) = free_ports(1)
        kept = [self.folder / name for name in ("squid.crt", "squid.key", "gate-ca.pem")]
        for source, target in zip(self.files, kept, strict=True):
            shutil.copy(source, target)
        certificate, key, ca = kept
        tls = f"tls tls-cert={certificate} tls-key={key} tls-cafile={ca} tls-domain=localhost"
        text = _CONFIG.format(port=self.port, folder=self.folder, gate=self.gate, tls=tls)
        (self.folder / "squid.conf").write_text(text, "utf-8")
        (self.folder / "passwords").write_text("".join(map(_hashed, self.people.items())), "utf-8")
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, _ACCOUNT, _ACCOUNT)
        self.process = subprocess.Popen(
            [str(SQUID), "-N", "-f", str(self.folder / "squid.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return what Squid says of itself."""
        file = self.folder / "cache.log"
        return file.read_text("utf-8", "replace")[-3000:] if file.exists() else "(no log)"

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def _hashed(account: tuple[str, str]) -> str:
    name, password = account
    done = subprocess.run(
        ["openssl", "passwd", "-apr1", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return f"{name}:{done.stdout.strip()}\n"
