from __future__ import annotations

import hashlib
import socket
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.testclient import TestClient

from sekimori.console import (
    ConsoleSettings,
    Contact,
    HealthReport,
    PendingSetup,
    RefusalNote,
    create_app,
)
from sekimori.console.ports import DutyDesk
from sekimori.policy.reasons import Reason

TOKEN = "4f9d2c7b-a-long-secret-token"
MINUTE_US = 60_000_000


def make_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Sekimori test")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@dataclass
class House:
    """Everything behind the console's protocols, in memory, with the power to fail."""

    now_us: int = 1_795_205_167_000_000
    health: HealthReport | Exception = field(
        default_factory=lambda: HealthReport(True, "abc123", 2.5, 0, 0.0, "running")
    )
    pem: bytes = field(default_factory=make_certificate)
    notes: dict[str, RefusalNote] = field(
        default_factory=lambda: {"7Q2K-9MXD": RefusalNote(Reason.NO_GRANT, 1_795_205_167_000_000)}
    )
    waiting: PendingSetup | None = None
    passwords: list[str] = field(default_factory=list)
    hashed: int = 0
    outrun: bool = False
    duties: DutyDesk | None = None

    def report(self) -> HealthReport:
        if isinstance(self.health, Exception):
            raise self.health
        return self.health

    def certificate_pem(self) -> bytes:
        return self.pem

    def proxy_pac(self) -> bytes:
        return b"function FindProxyForURL(url, host) { return 'PROXY proxy.example:8080'; }"

    def note(self, reference: str) -> RefusalNote | None:
        return self.notes.get(reference)

    def pending(self) -> PendingSetup | None:
        return self.waiting

    def complete(self, setup: PendingSetup, password_hash: str) -> bool:
        if self.waiting != setup or self.outrun:
            return False
        self.waiting = None
        self.passwords.append(password_hash)
        return True

    def hash(self, password: str) -> str:
        self.hashed += 1
        return "hash of " + unicodedata.normalize("NFC", password)

    def settings(self) -> ConsoleSettings:
        return ConsoleSettings(
            public_url="http://sekimori.example:8081",
            hosts=frozenset({"sekimori.example:8081"}),
            proxy_url="http://proxy.example:8080",
            health=self,
            authority=self,
            refusals=self,
            setup=self,
            hasher=self,
            service_name={"chatgpt": "ChatGPT（Web）"}.get,
            clock_us=lambda: self.now_us,
            duties=self.duties,
            contact=Contact(name="情報システム課", mail="ai@example.go.jp", url="https://forms.example/ai"),
        )


@pytest.fixture
def house() -> House:
    hashed = hashlib.sha256(TOKEN.encode()).digest()
    made = House()
    made.waiting = PendingSetup(hashed, "admin", made.now_us + 30 * MINUTE_US)
    return made


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    app = create_app(house.settings())
    with TestClient(app, base_url="http://sekimori.example:8081", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def served(house: House) -> Iterator[str]:
    """The console as a real server on loopback; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        settings = replace(house.settings(), public_url=f"http://{host}", hosts=frozenset({host}))
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://{host}"
        server.should_exit = True
        thread.join()
