"""Which processes an installation consists of, and how each is started.

The gate is drained first, so that the archivist still ships what the last exchanges left behind.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from sekimori.cli.checks import bound
from sekimori.cli.config import Config
from sekimori.cli.orders import Orders, reachable
from sekimori.cli.places import Places
from sekimori.cli.supervisor import ChildSpec
from sekimori.cli.units import Address

ROLES = ("gate", "archive", "console")
KEYS_OF = {"gate": ("gate",), "archive": ("archive", "root"), "console": ("web",), "govern": ("archive",)}
"""The folders of keys that each role needs, and no others; only a web server without keys needs ``govern``."""
_SOON = 10.0
# Above the worker's own drain, so that the worker ends by its own deadline and not by ours.
_MARGIN = 5.0


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets that the supervisor bound; a role that is not run has none."""

    gate: socket.socket | None = None
    console: socket.socket | None = None
    metrics: socket.socket | None = None
    govern: socket.socket | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """What clients and people type."""

    proxy: str
    web: str
    metrics: str

    @classmethod
    def of(cls, config: Config, listeners: Listeners) -> Addresses:
        """Name each listener as it is reached, with the port that the system chose."""
        proxy = _proxy(listeners.gate, config)
        web = config.console.public_url.rstrip("/") or _url(listeners.console, config.console.listen)
        return cls(proxy, web, _url(listeners.metrics, config.metrics.listen) + "/metrics")


def _proxy(listener: socket.socket | None, config: Config) -> str:
    url = _url(listener, config.gate.listen)
    if not config.gate.encrypted:
        return url
    # A client compares what it typed with the certificate.
    name = config.gate.tls.name or urlsplit(url).hostname
    return f"https://{name}:{urlsplit(url).port}"


def _url(listener: socket.socket | None, configured: Address) -> str:
    return f"http://{reachable(bound(listener) if listener else configured, socket.gethostname())}"


def children(
    roles: tuple[str, ...],
    *,
    config: Config,
    places: Places,
    listeners: Listeners,
    lifeline_fd: int,
    published: bool,
) -> Iterator[ChildSpec]:
    """Describe the processes of ``roles``; workers wait for the first policy where none is ``published``."""
    addresses = Addresses.of(config, listeners)

    def orders(listener: socket.socket | None = None, slot: int = 0) -> bytes:
        return msgspec.json.encode(
            Orders(
                data=str(places.data.resolve()),
                keys=str(places.keys.resolve()),
                config=config.model_dump(mode="json"),
                lifeline_fd=lifeline_fd,
                listen_fd=listener.fileno() if listener else -1,
                slot=slot,
                addresses={"public_url": addresses.web, "proxy_url": addresses.proxy},
            )
        )

    if "archive" in roles:
        yield _child("publisher", "publisher", orders())
        yield _child("archivist", "archive", orders())
    if "console" in roles:
        yield _child("console", "web", orders(listeners.console), listener=listeners.console)
    if "govern" in roles:
        yield _child("governor", "govern", orders(listeners.govern), listener=listeners.govern)
    if "gate" in roles:
        after = () if published or "archive" not in roles else ("publisher",)
        for slot in range(config.gate.workers):
            yield ChildSpec(
                f"gate-{slot}",
                _argv("gate"),
                stdin=orders(listeners.gate, slot),
                fds=_fds(listeners.gate),
                after=after,
                announces=True,
                stage=0,
                drain=config.gate.drain + _MARGIN,
            )


def _child(name: str, role: str, orders: bytes, listener: socket.socket | None = None) -> ChildSpec:
    return ChildSpec(
        name, _argv(role), stdin=orders, fds=_fds(listener), announces=True, stage=1, drain=_SOON
    )


def _argv(role: str) -> tuple[str, ...]:
    # -I: neither the working directory nor PYTHON* variables decide what code a gate runs.
    return (sys.executable, "-I", "-m", "sekimori.cli.child", role)


def _fds(listener: socket.socket | None) -> tuple[int, ...]:
    return (listener.fileno(),) if listener else ()


def role_of(child: str) -> str:
    """Fold a child's name into the closed set of metric labels."""
    return child.partition("-")[0]


def count_roles(names: Iterable[str], running: Collection[str]) -> dict[str, int]:
    """Count the running children of each role, those without any too."""
    counted = dict.fromkeys(map(role_of, names), 0)
    for child in running:
        counted[role_of(child)] += 1
    return counted
