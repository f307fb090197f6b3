"""Where the gate may connect to: public addresses, and the few that the administrator pinned.

Knows addresses and asyncio's ways to a socket. A name is resolved once, its addresses are sifted, and the
connection is opened to what is left, so a second answer of the name server changes nothing. Which hosts
people may use at all is not decided here.

==========================  ================================================================================
``getaddrinfo``             names and literals: what is not public is dropped, nothing left is an error
``create_connection``       resolves through the above; asyncio alone would skip it for address literals
``sock_connect``            the last step of every outgoing connection, TCP or UDP: one more look
==========================  ================================================================================
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sekimori.errors import ConfigError
from sekimori.gate.waking import WakingEventLoop

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type AddressInfo = tuple[Any, ...]
type Lookup = Callable[..., Sequence[tuple[Any, ...]]]

_RESOLVER_THREADS = 16
_PIN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?")
_REFUSAL = "private address refused"

# The IANA registries of special-purpose addresses as of 2025, what is not globally reachable, with multicast
# and class E. Written out, because ipaddress.is_global changes its mind between Python releases.
_NOT_PUBLIC_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            # Azure answers its guests' questions about metadata on this public-looking address.
            "168.63.129.16/32",
        ),
    )
)  # fmt: skip
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")


class PrivateAddressError(OSError):
    """A name leads to nothing but addresses that the gate does not connect to."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{_REFUSAL}: {host}")
        self.host = host


def is_private_refusal(error: str | None) -> bool:
    """Tell whether a connection failed so; mitmproxy keeps only the text of an exception."""
    return error is not None and error.startswith(f"{_REFUSAL}: ")


def is_public(address: str | Address) -> bool:
    """Tell whether ``address`` is on the public Internet; what embeds an IPv4 address is judged by that."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = _embedded_v4(ip)
        if embedded is None:
            return ip.scope_id is None and ip in _PUBLIC_V6 and not any(ip in net for net in _NOT_PUBLIC_V6)
        ip = embedded
    return not any(ip in net for net in _NOT_PUBLIC_V4)


def _embedded_v4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _6TO4:
        return ip.sixtofour
    return None


@dataclass(frozen=True, slots=True)
class Pin:
    """An address in place of a name server's answer, and perhaps a port in place of the one asked for."""

    address: str
    port: int | None = None

    @classmethod
    def read(cls, host: str, text: str) -> Pin:
        """Read ``127.0.0.1``, ``127.0.0.1:9443``, ``::1`` or ``[::1]:9443``; raise ConfigError otherwise."""
        try:
            found = _PIN.fullmatch(text)
            bracketed, dotted, port = found.groups() if found else (None, text, None)
            ip, number = ipaddress.ip_address(bracketed or dotted), int(port) if port else None
            if number is not None and not 0 < number < 65536:
                raise ValueError("no such port")
        except ValueError as error:
            message = f'upstream.resolve: "{host}" = "{text}" is neither "address" nor "address:port".'
            raise ConfigError(message) from error
        return cls(str(ip), number)


class AddressGuard:
    """Decides, for a host and an address that it resolved to, whether the gate may connect there."""

    def __init__(
        self, pins: Mapping[str, str] | None = None, *, parent_proxy: tuple[str, int] | None = None
    ) -> None:
        self._pins = {_plain(host): Pin.read(host, text) for host, text in (pins or {}).items()}
        self._parent = (_plain(parent_proxy[0]), parent_proxy[1]) if parent_proxy else None

    def pin(self, host: str) -> Pin | None:
        """Return where ``host`` was pinned to."""
        return self._pins.get(_plain(host))

    def admits(self, host: str, port: int | None, address: str) -> bool:
        """Tell whether a connection meant for ``host``:``port`` may go to ``address``."""
        if (_plain(host), port) == self._parent:
            return True
        pin = self.pin(host)
        return address == pin.address if pin else is_public(address)

    def admits_peer(self, host: str, port: int, peername: tuple[Any, ...] | None) -> bool:
        """Tell whether a connection made for ``host``:``port`` has ended where it may."""
        return peername is not None and self.admits(host, port, str(peername[0]))


class GuardedEventLoop(WakingEventLoop):
    """An event loop whose outgoing connections reach public and pinned addresses only."""

    def __init__(self, guard: AddressGuard, *, lookup: Lookup = socket.getaddrinfo) -> None:
        super().__init__()
        self._guard = guard
        self._lookup = lookup
        self._granted: set[str] = set()  # the pinned or parent's addresses that were given out
        # asyncio's shared pool is small: a slow name server would hold up all else that uses it.
        self._resolver = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve")

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | bytes | None,
        port: int | str | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Sequence[AddressInfo]:
        """Return the addresses of ``host`` that are admitted; raise PrivateAddressError if none is."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if flags & socket.AI_PASSIVE:  # for listening: nobody is connected to
            return await self._resolve(name, port, family, type, proto, flags)
        if not name:  # would be loopback
            raise PrivateAddressError("")
        pin = self._guard.pin(name)
        target = (pin.address, pin.port or port) if pin else (name, port)
        found = await self._resolve(*target, family, type, proto, flags)
        number = port if isinstance(port, int) else None
        admitted = [info for info in found if self._guard.admits(name, number, str(info[4][0]))]
        if not admitted:
            raise PrivateAddressError(name)
        self._granted.update(info[4][0] for info in admitted if not is_public(info[4][0]))
        return admitted

    async def _resolve(self, host: str | None, *rest: Any) -> Sequence[AddressInfo]:
        ask = functools.partial(self._lookup, host, *rest)
        try:
            return await self.run_in_executor(self._resolver, ask)
        except UnicodeError as error:  # a label longer than 63; mitmproxy expects an OSError
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} cannot be a host name") from error

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: Any = None,
        **options: Any,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Connect to the first address of ``host`` that is admitted and answers."""
        connect = super().create_connection
        if host is None:
            return await connect(protocol_factory, None, port, **options)
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        infos = await self.getaddrinfo(host, port, family=options.pop("family", 0), type=socket.SOCK_STREAM)
        refused: list[OSError] = []
        for _, _, _, _, address in infos:
            try:
                return await connect(protocol_factory, address[0], address[1], **options)
            except OSError as error:
                refused.append(error)
        raise refused[0] if len(refused) == 1 else OSError("; ".join(str(error) for error in refused))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect ``sock``, unless nobody may go to ``address``."""
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            target = str(address[0])
            if target not in self._granted and not is_public(target):
                raise PrivateAddressError(target)
        await super().sock_connect(sock, address)

    def close(self) -> None:
        """Close the loop and let go of the resolver's threads."""
        self._resolver.shutdown(wait=False, cancel_futures=True)
        super().close()


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")
