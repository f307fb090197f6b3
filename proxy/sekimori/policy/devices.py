"""Names of devices by their addresses, for statistics: an address is never a person."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


class Devices:
    """Networks and what is there; of several that hold an address the smallest names it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        networks = [(ipaddress.ip_network(network), name) for network, name in names.items()]
        self._networks = sorted(networks, key=lambda one: one[0].prefixlen, reverse=True)

    def name_of(self, address: str) -> str | None:
        """Return the name of the device or the place at ``address``, if there is one."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return next((name for network, name in self._networks if ip in network), None)
