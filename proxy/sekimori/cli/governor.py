"""The governing process: the API and the desk of duties, for a web server that has no keys of the archive."""

from __future__ import annotations

import socket

from sekimori.catalogue.catalogue import Catalogue
from sekimori.cli.asgi import serve
from sekimori.cli.ending import ends_with
from sekimori.cli.opened import store
from sekimori.cli.orders import Orders
from sekimori.cli.web_api import api_ports, governed_on
from sekimori.cli.web_duties import duties_desk
from sekimori.cli.web_ports import PublishedPolicy, service_names
from sekimori.console.governor import create_governor


def run(orders: Orders) -> int:
    """Answer on the socket until told to stop."""
    places = orders.places
    # uvicorn raises the signal again once it has drained: our own handler makes that an orderly end.
    ends_with(orders.lifeline_fd)
    listener = socket.socket(fileno=orders.listen_fd)
    names = service_names(PublishedPolicy(places), Catalogue.load())
    with store(places) as engine:
        governed = governed_on(places, orders.settings, engine)
        app = create_governor(api_ports(governed), duties_desk(places, governed, names))
        serve(app, listener, orders.lifeline_fd)
    return 0
