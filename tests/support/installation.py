"""A real installation in a folder of its own: ``sekimori up`` as a child, beside the stand-in."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEKIMORI = Path(sys.executable).with_name("sekimori")
START_SECONDS = 60.0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass(slots=True)
class Installation:
    """One installation; ``config`` is TOML beyond the addresses, ``resolve`` pins hosts to the stand-in."""

    folder: Path
    upstream_ca: Path | None = None
    resolve: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    workers: int = 1
    gate: int = 0
    web: int = 0
    metrics: int = 0
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.gate, self.web, self.metrics = free_ports(3)

    # --- folders -----------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def keys(self) -> Path:
        """The key folder."""
        return self.folder / "keys"

    @property
    def log(self) -> Path:
        """Where the tree's output goes."""
        return self.folder / "up.log"

    def write_config(self) -> Path:
        """Write the configuration file and return its path."""
        lines = ['[gate]\nrecord_timeout = "10s"\ndrain = "5s"\n' if "[gate]" not in self.config else ""]
        if "[feedback]" not in self.config:
            # Whoever tests something else sends more than a person is asked about.
            lines.append("[feedback]\nafter_exchanges = 0\nafter_days = 0")
        lines.append("[upstream]")
        if self.upstream_ca is not None:
            lines.append(f'ca_file = "{self.upstream_ca}"')
        if self.resolve:
            lines.append("[upstream.resolve]")
            lines.extend(f'"{host}" = "{address}"' for host, address in self.resolve.items())
        lines.append(self.config)
        path = self.folder / "sekimori.toml"
        path.write_text("\n".join(lines), "utf-8")
        return path

    def arguments(self) -> list[str]:
        """Return the command line of ``up``."""
        return [
            str(SEKIMORI),
            "up",
            *("--data", str(self.data), "--keys", str(self.keys), "--config", str(self.write_config())),
            *("--listen", f"127.0.0.1:{self.gate}", "--console", f"127.0.0.1:{self.web}"),
            *("--metrics", f"127.0.0.1:{self.metrics}", "--workers", str(self.workers)),
        ]

    # --- life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the tree and return once it says that it is ready."""
        log = self.log.open("ab")
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.process = subprocess.Popen(
            self.arguments(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            env=self.environment(),
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"up ended with {self.process.returncode}:\n{self.output(offset)}")
            if self.answers():
                return
            time.sleep(0.1)
        raise AssertionError(f"up did not become ready:\n{self.output(offset)}")

    def answers(self) -> bool:
        """Tell whether the web server says that everything is well."""
        import urllib.error
        import urllib.request

        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self.web}/healthz", timeout=2) as answer:
                return bool(answer.status == 200) and _listens(self.gate, tls="[gate.tls]" in self.config)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> int:
        """Ask the tree to end and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.process = None
        return code

    def kill(self) -> None:
        """Kill the supervisor alone, as the kernel would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def children(self) -> dict[str, int]:
        """Return the process ids of the tree's children by role."""
        assert self.process is not None
        found: dict[str, int] = {}
        for pid, words in _processes({self.process.pid}):
            role = words[-2].decode()
            found[role if role not in found else f"{role}-{pid}"] = pid
        return found

    def recorders(self) -> list[int]:
        """Return the process ids of what writes the workers' records."""
        return [
            pid
            for pid, words in _processes(set(self.children().values()))
            if words[-2] == b"sekimori.gate.recording"
        ]

    def output(self, offset: int = 0) -> str:
        """Return what the tree printed."""
        return self.log.read_bytes()[offset:].decode("utf-8", "replace")[-6000:]

    @staticmethod
    def environment() -> dict[str, str]:
        """Return an environment in which no setting of this machine reaches the program."""
        kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
        return kept | {"NO_COLOR": "1"}

    # --- commands ----------------------------------------------------------------------------

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the program on this installation."""
        folders = ["--data", str(self.data), "--keys", str(self.keys)]
        result = subprocess.run(
            [str(SEKIMORI), *arguments, *folders],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env=self.environment(),
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{arguments} → {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def apply(self, text: str, name: str = "policy.yaml") -> subprocess.CompletedProcess[str]:
        """Write a policy file and apply it."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        config = ["--config", str(self.folder / "sekimori.toml")]
        return self.run("apply", str(path), *config)

    def user(self, name: str, password: str = "", *groups: str) -> None:
        """Add a person with a proxy password."""
        options = [part for group in groups for part in ("--group", group)]
        self.run(
            "user", "add", name, *options, "--proxy-password-stdin", stdin=(password or secret(name)) + "\n"
        )

    def records(self, *options: str) -> list[dict[str, Any]]:
        """Return the log."""
        result = self.run("log", "list", "--json", *options)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def content(self, record: str) -> dict[str, Any]:
        """Read one record with its content."""
        result = self.run("log", "show", record, "--json", "--content", "--reason", "test")
        return json.loads(result.stdout)  # type: ignore[no-any-return]

    def root(self) -> Path:
        """Return the CA file that clients must trust."""
        path = self.folder / "root.pem"
        path.write_text(self.run("ca", "export").stdout)
        return path

    def proxy(self, user: str = "yamada", password: str | None = None) -> str:
        """Return the proxy's address with credentials."""
        secret_text = secret(user) if password is None else password
        return f"http://{user}:{secret_text}@127.0.0.1:{self.gate}"


def secret(name: str) -> str:
    """Return the proxy password that tests give a person."""
    return f"pass-{name}-12345"


def _listens(port: int, *, tls: bool) -> bool:
    """Tell whether a gate worker answers; the supervisor's socket alone would accept, too."""
    with socket.socket() as probe:
        probe.settimeout(2)
        try:
            probe.connect(("127.0.0.1", port))
            with _unverified().wrap_socket(probe) if tls else probe as speaking:
                speaking.sendall(b"CONNECT ready.invalid:443 HTTP/1.1\r\nHost: ready.invalid:443\r\n\r\n")
                return speaking.recv(12).startswith(b"HTTP/1.1 4")
        except OSError:
            return False


def _unverified() -> ssl.SSLContext:
    """Return a context that only wants to know whether somebody answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def readable_within(descriptor: int, seconds: float) -> bool:
    """Tell whether something can be read from a descriptor in time."""
    return bool(select.select([descriptor], [], [], seconds)[0])


def _processes(parents: set[int]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the children of processes, each with its command line."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if int(stat[1]) in parents and len(words) > 1:  # otherwise it has died and was not waited for yet
                yield int(entry.name), words
