"""Tell systemd how we are: the ``sd_notify`` protocol, one datagram a state."""

from __future__ import annotations

import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str]) -> None:
    """Send ``READY=1`` or ``STOPPING=1`` where ``NOTIFY_SOCKET`` names somebody who listens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # A leading @ is the usual spelling of Linux's abstract names, which begin with a zero byte.
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(name)
        channel.sendall(state.encode("utf-8"))
