"""One benchmark's processes: the service, a real ``sekimori up``, a bare mitmdump, and the client.

Everything lives in one folder, so that the disk on which records become durable is the one measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from processes import cpu_seconds, rss_mb, tree

from sekimori.gate.tls import upstream_trust
from support.installation import Installation, free_ports, secret
from support.rawclient import basic
from support.standin.certificates import make

API, SITE, LOCAL = "api.openai.com", "www.example.jp", "localhost"
USER = "yamada"
STREAMING = "stream_large_bodies=1"
_HERE = Path(__file__).parent
_START_SECONDS = 30.0

_POLICY = f"""
services:
  - {{id: openai-api, name: OpenAI API, provider: OpenAI, hosts: [{API}], contract: individual,
      contract_no: K-1, data_locations: [US]}}
grants:
  - {{id: g-bench, service: openai-api, users: [{USER}], purpose: 計測, max_class: 1, models: ["gpt-*"],
      period: {{start: 2026-04-01, end: 2099-03-31}}, administrator: tanaka, decided_by: sasaki,
      decided_on: 2026-03-20, reference: 情シ第1号}}
"""


class Helper:
    """A process of ours that is told things on standard input and answers in JSON lines."""

    def __init__(self, *arguments: str, log: Path) -> None:
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def read(self) -> dict[str, Any]:
        """Return the next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a helper process of the benchmark ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def tell(self, **command: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        """Close its input, which ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


@dataclass(slots=True)
class Proxy:
    """One of the two: ``pid`` is the root of its tree, ``worker`` the process that carries the traffic."""

    name: str
    pid: int
    worker: int

    def cpu(self) -> float:
        """Return the CPU seconds that its tree has used."""
        return cpu_seconds(self.pid)

    def rss(self) -> float:
        """Return the memory of the process that carries the traffic."""
        return rss_mb(self.worker)

    def tree_rss(self) -> float:
        """Return the memory of its whole tree."""
        return rss_mb(*tree(self.pid))


@dataclass(slots=True)
class Stage:
    """Starts everything on entry, ends it on exit.

    ``site`` measures tunnels instead of decrypted traffic; ``streams`` has the peer pass bodies on as they
    come, as the gate does, where it would by itself wait for the last byte.
    """

    folder: Path
    site: bool = False
    streams: bool = False
    gate: Proxy = field(init=False)
    bare: Proxy = field(init=False)
    client: Helper = field(init=False)
    _ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            ca, certificate = make(self.folder / "tls", [API, SITE, LOCAL])
            service = Helper(str(_HERE / "service.py"), str(certificate), log=self.folder / "service.log")
            ends.callback(service.stop)
            port = int(service.read()["port"])
            self.client = Helper(str(_HERE / "client.py"), log=self.folder / "client.log")
            ends.callback(self.client.stop)
            self._start_gate(ends, ca, port)
            self._start_bare(ends, ca, port)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def both(self) -> tuple[Proxy, Proxy]:
        """The gate and the peer."""
        return self.gate, self.bare

    # --- the gate ----------------------------------------------------------------------------

    def _start_gate(self, ends: contextlib.ExitStack, ca: Path, port: int) -> None:
        address = f"127.0.0.1:{port}"
        gate = Installation(self.folder / "gate", upstream_ca=ca, resolve={API: address, SITE: address})
        gate.start()
        ends.callback(gate.stop)
        gate.user(USER)
        gate.apply(_POLICY)
        assert gate.process is not None
        self.gate = Proxy("gate", gate.process.pid, gate.children()["gate"])
        self.client.tell(
            do="target",
            target="gate",
            proxy=gate.gate,
            authorization=basic(USER, secret(USER)),
            ca=str(ca if self.site else gate.root()),
            host=SITE if self.site else API,
            port=443,
        )
        self._until_in_force()

    def _until_in_force(self) -> None:
        """Wait for the policy to reach the worker."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if self.site:
                    self.client.tell(do="fetch", target="gate", size=1)
                else:
                    self.client.tell(do="open", target="gate", connections=1)
                    self.client.tell(do="release", target="gate")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    # --- the peer ----------------------------------------------------------------------------

    def _start_bare(self, ends: contextlib.ExitStack, ca: Path, port: int) -> None:
        """Start mitmdump as it comes; it only learns whom to trust, where to listen and to print nothing."""
        confdir = self.folder / "mitmproxy"
        confdir.mkdir()
        (listen,) = free_ports(1)
        options = [
            f"confdir={confdir}",
            f"ssl_verify_upstream_trusted_ca={upstream_trust(str(ca), self.folder)}",
            *(["ignore_hosts=.*"] if self.site else []),
            *([STREAMING] if self.streams else []),
        ]
        with (self.folder / "mitmdump.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("mitmdump")),
                    *("-q", "--listen-host", "127.0.0.1", "--listen-port", str(listen)),
                    *(part for option in options for part in ("--set", option)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=Installation.environment(),
            )
        ends.callback(_end, process)
        root = confdir / "mitmproxy-ca-cert.pem"
        deadline = time.monotonic() + _START_SECONDS
        while not (root.exists() and _listens(listen)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mitmdump did not start: {(self.folder / 'mitmdump.log').read_text()}")
            time.sleep(0.1)
        self.bare = Proxy("bare", process.pid, process.pid)
        self.client.tell(
            do="target",
            target="bare",
            proxy=listen,
            authorization="",
            ca=str(ca if self.site else root),
            host=LOCAL,
            port=port,
        )


def fdatasync_ms(folder: Path, count: int = 200) -> float:
    """Return the median time of writing 4 KiB and making them durable, over blocks that exist already."""
    path = folder / "fdatasync.probe"
    block, taken = os.urandom(4096), []
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, bytes(4096 * count), 0)
        os.fsync(handle)
        for number in range(count):
            before = time.perf_counter()
            os.pwrite(handle, block, 4096 * number)
            os.fdatasync(handle)
            taken.append(time.perf_counter() - before)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(taken) * 1e3


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
