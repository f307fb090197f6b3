"""The web server's process: the console's pages over one inherited socket."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import uvicorn

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.checks import bound
from sekimori.cli.ending import announce, ends_with
from sekimori.cli.lifeline import watch
from sekimori.cli.opened import now_us, people_names, store
from sekimori.cli.orders import Orders
from sekimori.cli.units import Address
from sekimori.cli.web_api import api_ports, governed_on, has_keys
from sekimori.cli.web_duties import duties_desk
from sekimori.cli.web_ports import (
    Argon2,
    OneSetup,
    PublicAuthority,
    PublishedPolicy,
    RecordedRefusals,
    TreeHealth,
)
from sekimori.console import ConsoleSettings, Contact, create_app

_DRAIN_S = 5


class _Announcing(uvicorn.Server):
    """A server that says when it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell the supervisor."""
        await super().startup(sockets)
        announce()


def run(orders: Orders) -> int:
    """Serve the pages until told to stop."""
    places, config = orders.places, orders.settings
    # uvicorn raises the signal again once it has drained: our own handler makes that an orderly end.
    ends_with(orders.lifeline_fd)
    listener = socket.socket(fileno=orders.listen_fd)
    catalogue = Catalogue.load()
    policy = PublishedPolicy(places)
    public_url, proxy_url = orders.addresses["public_url"], orders.addresses["proxy_url"]

    def service_name(service: str) -> str | None:
        snapshot = policy.snapshot()
        known = snapshot.services.get(service) if snapshot else None
        found = known or catalogue.get(service)
        return found.name if found else None

    with store(places) as engine:
        health = TreeHealth(places, config)
        # The hardened units keep the archive's keys from the web server: then it has pages and no API.
        governed = governed_on(places, config, engine) if has_keys(places) else None
        settings = ConsoleSettings(
            public_url=public_url,
            hosts=host_names(public_url, bound(listener)),
            proxy_url=proxy_url,
            health=health,
            authority=PublicAuthority(places, config, policy, catalogue, proxy_url),
            refusals=RecordedRefusals(engine),
            setup=OneSetup(engine, people_names(places)),
            hasher=Argon2(),
            service_name=service_name,
            clock_us=now_us,
            contact=Contact(note=config.console.contact),
            api=api_ports(governed, health) if governed else None,
            duties=duties_desk(places, governed, service_name) if governed else None,
        )
        server = _Announcing(
            uvicorn.Config(
                create_app(settings),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=_DRAIN_S,
            )
        )
        watch(orders.lifeline_fd, lambda: setattr(server, "should_exit", True))
        server.run(sockets=[listener])
    return 0


def host_names(public_url: str, address: Address) -> frozenset[str]:
    """List the Host headers that are answered: the public one, and this machine's own for loopback."""
    names = {urlsplit(public_url).netloc.lower(), str(address)}
    if address.loopback:
        names |= {f"{name}:{address.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(names)
