"""A gate's desk with parts that can be told to fail, and flows as mitmproxy would bring them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace

from mitmproxy import connection, http
from mitmproxy.test import tflow

from sekimori.addons.desk import Desk
from sekimori.addons.exchange import Budget, Tunnel
from sekimori.addons.judge import Judge
from sekimori.addons.view import Policy
from sekimori.catalogue.catalogue import Catalogue
from sekimori.errors import PolicyUnavailableError, RecordError
from sekimori.ledger.record import Entry
from support.policies import NOW, policy

CATALOGUE = Catalogue.load()


@dataclass
class Notebook:
    """A record that keeps entries in memory, or fails as it is told."""

    entries: list[Entry] = field(default_factory=list)
    fault: Exception | None = None
    hold: asyncio.Event | None = None

    async def append(self, entry: Entry) -> None:
        if self.hold is not None:
            await self.hold.wait()
        self.offer(entry)

    def offer(self, entry: Entry) -> None:
        if self.fault is not None:
            raise self.fault
        self.entries.append(entry)


FULL = RecordError("no space left on device")


@dataclass
class View:
    """What the publisher published; ``None`` is nothing that can be trusted."""

    current: Policy | None

    @property
    def policy(self) -> Policy:
        if self.current is None:
            raise PolicyUnavailableError("none")
        return self.current


@dataclass
class Clock:
    """UTC microseconds that only move when told."""

    us: int = NOW

    def __call__(self) -> int:
        return self.us


def options(**changes: object) -> SimpleNamespace:
    """Return the gate's options with some of them changed."""
    values: dict[str, object] = {
        "uncatalogued": "tunnel",
        "connect_ports": (443,),
        "http_ports": (80,),
        "mismatch": "close",
        "decrypt_mixed": (),
        "inspect_hosts": (),
        "max_upload": 1 << 20,
        "max_capture": 1 << 20,
        "decision_timeout": 0.2,
        "identity_required": "all",
        "public_url": "http://127.0.0.1:8081",
        "upstream_resolve": {},
    }
    return SimpleNamespace(**(values | changes))


def desk(
    record: Notebook | None = None, view: View | None = None, clock: Clock | None = None, **changes: object
) -> Desk:
    """Return a desk with doubles in place of disk, publisher and clock."""
    return Desk(
        options=options(**changes),
        view=view or View(policy()),  # type: ignore[arg-type]
        catalogue=CATALOGUE,
        record=record or Notebook(),
        now=clock or Clock(),
        random=lambda size: b"\7" * size,
        fingerprint=lambda _: "f" * 16,
        budget=Budget(1 << 24),
    )


def judge(pool: ThreadPoolExecutor, timeout: float = 5.0) -> Judge:
    """Return a judge with the catalogue's flagged models."""
    return Judge(pool=pool, timeout=timeout, flagged_models=CATALOGUE.flagged_models)


def chat_flow(
    body: bytes,
    tunnels: dict[connection.Client, Tunnel],
    *,
    user: str = "yamada",
    host: str = "api.openai.com",
) -> http.HTTPFlow:
    """Return a chat request inside a tunnel of ``user``."""
    flow = tflow.tflow()
    flow.request = http.Request.make(
        "POST",
        f"https://{host}/v1/chat/completions",
        body,
        ((b"Host", host.encode()), (b"Content-Type", b"application/json")),
    )
    flow.request.authority = ""
    person = policy().people.get(user)
    tunnels[flow.client_conn] = Tunnel(
        host=host, port=443, kind="ai", user=person, user_source="basic", reference="R", decrypt=True
    )
    return flow


def wrap(handler: Callable[..., object]) -> Callable[..., object]:
    """Return a hook that does what ``handler`` does and then fails."""

    def failing(*arguments: object) -> object:
        handler(*arguments)
        raise RuntimeError("a bug of ours")

    return failing
