"""Outside memories to experiment with: a small log, a real witness process, a time-stamping authority."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from sekimori.ledger.tlog.checkpoint import parse_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import KeySigner, PublicKey, key_hash, parse_ssh_line, ssh_line
from sekimori.ledger.tlog.merkle import leaf_hash
from sekimori.ledger.tlog.note import COSIGNATURE, Verifier
from sekimori.ledger.tlog.seams import Offer
from support.installation import free_ports
from support.tlog import LOG, Naive

SEKIMORI = Path(sys.executable).with_name("sekimori")


class SmallLog:
    """A log of a few hundred leaves that can show any of its sizes; ``mark`` makes another history."""

    def __init__(self, mark: str = "", signer: KeySigner = LOG, leaves: int = 300) -> None:
        self._signer = signer
        self._tree = Naive([leaf_hash(f"{mark}{n}".encode()) for n in range(leaves)])

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof by the definition of RFC 6962."""
        return tuple(self._tree.proof(old, size))

    def offer(self, size: int) -> Offer:
        """Return what is asked of witnesses at that size."""
        note = sign_checkpoint(size, self._tree.mth(0, size), self._signer)
        return Offer(note, parse_checkpoint(note.text), lambda old: self.proof(old, size))


class Scripted:
    """A server that answers what it is told, request by request, and keeps what it was asked."""

    def __init__(self, answer: Callable[[str, bytes], tuple[int, str, bytes]]) -> None:
        self.asked: list[tuple[str, bytes]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.path, body))
                status, kind, data = answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def sekimori_witness(*arguments: str | Path) -> str:
    """Run a command of the witness's administrator."""
    command = [str(SEKIMORI), "witness", *map(str, arguments)]
    done: str = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return done.strip()


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], address: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a server until it listens, and end it."""
    process = subprocess.Popen(
        list(map(str, command)), stderr=subprocess.PIPE, text=True, env=os.environ | dict(environment or {})
    )
    try:
        until = time.monotonic() + 20
        while not _listens(address) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


class WitnessHost:
    """A witness on its own host: its folder, its key, and where it listens."""

    def __init__(self, folder: Path, name: str = "witness.example/w1") -> None:
        self.folder = folder
        self.vkey = sekimori_witness("init", name, "--folder", folder)
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"

    def add_log(self, vkey: str) -> None:
        """Accept a log."""
        sekimori_witness("add-log", vkey, "--folder", self.folder)

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """Serve for a while."""
        with running(
            [SEKIMORI, "witness", "--folder", self.folder, "--listen", self.address], self.address
        ) as process:
            yield process


# --- a time-stamping authority -------------------------------------------------------------------

_CONFIG = """
[tsa]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ordering = no
tsa_name = no
ess_cert_id_chain = no
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = name
[name]
"""


class TimeStamping:
    """A CA and an authority under it, made and run by OpenSSL alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        (folder / "ts.cnf").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        made = [*key, "-config", "ts.cnf", "-days", "30"]
        self.openssl(
            "req",
            "-x509",
            *made,
            "-subj",
            "/CN=ca",
            "-extensions",
            "ca",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        )
        self.openssl(
            *("req", "-x509", *made, "-subj", "/CN=tsa", "-extensions", "stamping"),
            *("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "tsa.key", "-out", "tsa.pem"),
        )

    def openssl(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run OpenSSL beside the keys."""
        program = shutil.which("openssl") or pytest.skip("openssl is not installed")
        return subprocess.run(
            [program, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, check=check
        )

    def answer(self, query: bytes) -> bytes:
        """Stamp."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            asked, reply = Path(folder) / "q", Path(folder) / "r"
            asked.write_bytes(query)
            self.openssl(
                "ts", "-reply", "-config", "ts.cnf", "-section", "tsa", "-queryfile", asked, "-out", reply
            )
            return reply.read_bytes()

    def accepts(self, stamp: Path, data: Path) -> bool:
        """Ask OpenSSL, as an auditor would."""
        asked = self.openssl("ts", "-verify", "-data", data, "-in", stamp, "-CAfile", self.ca, check=False)
        assert (asked.returncode == 0) == ("Verification: OK" in asked.stdout + asked.stderr)
        return asked.returncode == 0

    def server(self) -> Scripted:
        """Answer over HTTP."""
        return Scripted(lambda _, query: (200, "application/timestamp-reply", self.answer(query)))


@lru_cache(maxsize=1)
def authority() -> TimeStamping:
    """Return the one authority of a test run."""
    folder = tempfile.mkdtemp(prefix="sekimori-tsa-")
    atexit.register(shutil.rmtree, folder)
    return TimeStamping(Path(folder))


# --- Debian's witness ----------------------------------------------------------------------------


class SigsumWitness:
    """Debian's unmodified ``sigsum-witness``: another implementation of the same protocol."""

    def __init__(self, folder: Path, log: bytes) -> None:
        self._program = shutil.which("sigsum-witness") or pytest.skip("sigsum-witness is not installed")
        self._folder = folder
        (folder / "log.pub").write_text(ssh_line(log))
        subprocess.run(["sigsum-key", "generate", "-o", "key"], cwd=folder, check=True, capture_output=True)
        self.public = parse_ssh_line((folder / "key.pub").read_text())
        name = f"sigsum.org/v1/witness/{key_hash(self.public).hex()}"
        self.verifier = Verifier(name, COSIGNATURE, PublicKey(self.public))
        (port,) = free_ports(1)
        self.address, self.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Serve for a while."""
        folder = self._folder
        command: list[str | Path] = [self._program, "-k", folder / "key", "--log-key", folder / "log.pub"]
        command += ["--state-file", folder / "state", self.address]
        # Built in Debian's way it would take its own addresses for a Go of before 1.22 and find none.
        with running(command, self.address, {"GODEBUG": "httpmuxgo121=0"}):
            yield
