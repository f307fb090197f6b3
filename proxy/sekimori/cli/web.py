"""The web server's process: the console's pages over one inherited socket."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.asgi import serve
from sekimori.cli.checks import bound
from sekimori.cli.ending import ends_with
from sekimori.cli.noting import account_book
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
    line_to,
    remote_duties,
    service_names,
)
from sekimori.console import ConsoleSettings, Contact, create_app


def run(orders: Orders) -> int:
    """Serve the pages until told to stop."""
    places, config = orders.places, orders.settings
    # uvicorn raises the signal again once it has drained: our own handler makes that an orderly end.
    ends_with(orders.lifeline_fd)
    listener = socket.socket(fileno=orders.listen_fd)
    catalogue = Catalogue.load()
    policy = PublishedPolicy(places)
    public_url, proxy_url = orders.addresses["public_url"], orders.addresses["proxy_url"]
    names = service_names(policy, catalogue)
    with store(places) as engine:
        # The hardened units keep the archive's keys from the web server: `sekimori govern serve` has them there.
        governed = governed_on(places, config, engine) if has_keys(places) else None
        settings = ConsoleSettings(
            public_url=public_url,
            hosts=host_names(public_url, bound(listener)),
            proxy_url=proxy_url,
            health=TreeHealth(places, config),
            authority=PublicAuthority(places, config, policy, catalogue, proxy_url),
            refusals=RecordedRefusals(engine),
            setup=OneSetup(engine, people_names(places), book=account_book(places)),
            hasher=Argon2(),
            service_name=names,
            clock_us=now_us,
            contact=Contact(note=config.console.contact),
            api=api_ports(governed) if governed else None,
            line=None if governed else line_to(places),
            duties=duties_desk(places, governed, names) if governed else remote_duties(places),
        )
        serve(create_app(settings), listener, orders.lifeline_fd)
    return 0


def host_names(public_url: str, address: Address) -> frozenset[str]:
    """List the Host headers that are answered: the public one, and this machine's own for loopback."""
    names = {urlsplit(public_url).netloc.lower(), str(address)}
    if address.loopback:
        names |= {f"{name}:{address.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(names)
