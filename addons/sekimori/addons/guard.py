"""The first hook on every connection: who, where to, and whether TLS is terminated here.

Owns deny-first: ``http_connect`` sets a refusal before anything else and only a completed decision
clears it, because mitmproxy logs an exception of an addon and lets the flow go on.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mitmproxy import http, tls

from sekimori import metrics
from sekimori.addons.asking import Asking, Credentials
from sekimori.addons.desk import INLINE_LIMIT, Desk, client_address
from sekimori.addons.destination import Destination
from sekimori.addons.exchange import HOPELESS, Tunnel
from sekimori.addons.headers import strip, unsafe_fields
from sekimori.addons.identity import Identity, Overloaded
from sekimori.addons.passthrough import counted
from sekimori.addons.roster import Unavailable
from sekimori.addons.vouching import Doubtful, Vouching
from sekimori.catalogue.hosts import HostError, canonical_host
from sekimori.ledger.record import Intent
from sekimori.policy.reasons import Reason
from sekimori.policy.subject import may_act

if TYPE_CHECKING:
    from mitmproxy.connection import Client
    from mitmproxy.proxy.server_hooks import ServerConnectionHookData

logger = logging.getLogger(__name__)

_AI_PORT = 443
_SERVER_NAME = 0  # RFC 6066, extension type
_KIND = "sekimori.tunnel-kind"
_NOWHERE = Destination("", "uncatalogued")


class Stop(Exception):  # noqa: N818 - control flow of one hook, never leaves it
    """The connection or request is refused here."""

    def __init__(self, reason: Reason, destination: Destination = _NOWHERE, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.destination = destination
        self.detail = detail


class Guard:
    """Authenticate, look the host up, and choose between refusing, decrypting and tunnelling."""

    name = "sekimori_guard"

    def __init__(
        self,
        desk: Desk,
        credentials: Credentials,
        *,
        public_peer: Callable[[str, int, tuple[Any, ...] | None], bool],
        abort: Callable[[ServerConnectionHookData], None],
        parent: tuple[str, int] | None = None,
        vouching: Vouching | None = None,
    ) -> None:
        self._desk = desk
        self._asking = Asking(credentials, vouching)
        self._public_peer = public_peer
        self._abort = abort
        self._parent = parent
        self.tunnels: weakref.WeakKeyDictionary[Client, Tunnel] = weakref.WeakKeyDictionary()
        self._plain_hosts: weakref.WeakKeyDictionary[Client, set[str]] = weakref.WeakKeyDictionary()

    # --- CONNECT -----------------------------------------------------------------------------

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse the tunnel, or let it be opened and note how it is treated."""
        reference = self._desk.reference()
        flow.response = self._gate_error(reference)
        identity: Identity | None = None
        try:
            destination, fault = self._named(flow.request.host)
            identity = await self._identify(flow, destination)
            if fault is not None:  # only now: whoever is not known learns and leaves nothing
                raise fault
            self._check_port(destination, flow.request.port, self._desk.options.connect_ports)
            self._check_name(destination)
            tunnel = self._open(destination, flow.request.port, identity, reference)
        except Stop as stop:
            self._refuse(flow, stop, identity, reference)
            return
        flow.request.host = destination.host
        self.tunnels[flow.client_conn] = tunnel
        flow.response = None

    def _open(self, destination: Destination, port: int, identity: Identity | None, reference: str) -> Tunnel:
        return Tunnel(
            host=destination.host,
            port=port,
            kind=destination.kind,
            user=identity.person if identity else None,
            user_source=identity.source if identity else "none",
            reference=reference,
            decrypt=destination.decrypt,
            opened_us=self._desk.now(),
        )

    # --- TLS ---------------------------------------------------------------------------------

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Decide by CONNECT host and SNI whether TLS is terminated here."""
        data.ignore_connection = False
        data.establish_server_tls_first = False
        tunnel = self.tunnels.get(data.context.client)
        if tunnel is None:
            return
        sni = data.client_hello.sni
        named = any(kind == _SERVER_NAME for kind, _ in data.client_hello.extensions)
        tunnel.sni = sni
        # A server name that cannot be read is not a missing one: the far end may read it.
        self._compare(tunnel, "" if sni is None and named else sni)
        if tunnel.refusal is not None or tunnel.decrypt:
            data.establish_server_tls_first = tunnel.refusal is None and self._may_use(tunnel)
            return
        metrics.TUNNELS.labels(_tunnel_kind(tunnel.kind)).inc()
        data.ignore_connection = True

    def _compare(self, tunnel: Tunnel, sni: str | None) -> None:
        if sni is None:
            return
        try:
            named = canonical_host(sni).name if sni else ""
        except HostError:
            named = ""
        if named == tunnel.host:
            return
        other = self._desk.locate(named) if named else _NOWHERE
        if tunnel.kind == "ai" or other.kind == "ai":
            tunnel.refusal = Reason.MISMATCH
            tunnel.detail = "CONNECT and SNI name different hosts"
            tunnel.decrypt = True
        elif self._desk.options.mismatch == "close":
            # No leaf is minted for a host outside the interception list, so the handshake fails: closed.
            tunnel.refusal = Reason.MISMATCH
            metrics.DECISIONS.labels("deny", Reason.MISMATCH.value, "other").inc()

    def _may_use(self, tunnel: Tunnel) -> bool:
        """Tell whether any request of this tunnel could pass, so that a connection may be opened."""
        policy = self._desk.policy()
        if policy is None or tunnel.user is None:
            return False
        if not self._desk.clock_ok() or not self._desk.witnessed():
            return False
        person = policy.people.get(tunnel.user.name)
        if person is None or not may_act(person, tunnel.user_source):
            return False
        if tunnel.kind == "inspect":
            return True
        return policy.snapshot.may_reach(tunnel.host, person.name, person.groups, self._desk.now())

    # --- plain HTTP --------------------------------------------------------------------------

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Decide a plain ``http://`` request; what runs inside a tunnel is for ``Admit``."""
        tunnel = self.tunnels.get(flow.client_conn)
        if tunnel is None:
            return self._plain_request(flow)
        if _may_be_costly(flow.request) and (tunnel.refusal is not None or not self._may_use(tunnel)):
            flow.metadata[HOPELESS] = True
        return None

    async def _plain_request(self, flow: http.HTTPFlow) -> None:
        reference = self._desk.reference()
        flow.response = self._gate_error(reference)
        identity: Identity | None = None
        try:
            destination, fault = self._plain(flow.request)
            identity = await self._identify(flow, destination)
            if fault is not None:
                raise fault
            self._check_plain(destination, flow.request)
        except Stop as stop:
            self._refuse(flow, stop, identity, reference)
            return
        strip(flow.request.headers)
        flow.request.host = destination.host
        kind = flow.metadata[_KIND] = _tunnel_kind(destination.kind)
        metrics.TUNNELS.labels(kind).inc()
        self._plain_hosts.setdefault(flow.client_conn, set()).add(destination.host)
        flow.response = None
        flow.request.stream = counted(kind, "up")

    def _plain(self, request: http.Request) -> tuple[Destination, Stop | None]:
        destination, fault = self._named(request.host)
        if fault is None:
            try:
                self._check_framing(destination, request)
            except Stop as stop:
                fault = stop
        return destination, fault

    def _check_framing(self, destination: Destination, request: http.Request) -> None:
        if request.scheme != "http" or unsafe_fields(request.headers):
            raise Stop(Reason.MALFORMED, destination)
        for value in request.headers.get_all("host"):
            name, _, port = value.partition(":")
            if self._host(name) != destination.host or (port and port != str(request.port)):
                raise Stop(Reason.MISDIRECTED, destination)

    def _check_plain(self, destination: Destination, request: http.Request) -> None:
        if destination.decrypt:
            raise Stop(Reason.PLAIN_HTTP, destination)
        self._check_name(destination)
        if request.port not in self._desk.options.http_ports:
            raise Stop(Reason.PORT, destination, str(request.port))
        if request.headers.get("upgrade"):
            raise Stop(Reason.NOT_TLS, destination)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Pass the answer of a plain site on unread."""
        if flow.client_conn not in self.tunnels and flow.response is not None and flow.request.stream:
            flow.response.stream = counted(flow.metadata[_KIND], "down")

    # --- the way out -------------------------------------------------------------------------

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Open no connection that nobody decided: the last look before the socket."""
        data.server.error = "refused by the gate"
        tunnel = self.tunnels.get(data.client)
        if tunnel is None:
            hosts = self._plain_hosts.get(data.client, set())
            address = tuple(data.server.address[:2]) if data.server.address else ("", 0)
            decided = address[0] in hosts or (bool(hosts) and address == self._parent)
        else:
            decided = tunnel.refusal is None and (not tunnel.decrypt or self._may_use(tunnel))
        if decided:
            data.server.error = None

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Close a connection whose address is not public, however the name came to resolve to it."""
        address, port = data.server.address[:2] if data.server.address else ("", 0)
        if not self._public_peer(address, port, data.server.peername):
            metrics.DECISIONS.labels("deny", Reason.PRIVATE_ADDRESS.value, "other").inc()
            self._abort(data)

    def tunnel_kind(self, client: Client) -> str:
        """Return of which kind the tunnel of ``client`` is, as it is counted."""
        tunnel = self.tunnels.get(client)
        return _tunnel_kind(tunnel.kind if tunnel else "")

    # --- helpers -----------------------------------------------------------------------------

    def _named(self, raw: str) -> tuple[Destination, Stop | None]:
        try:
            return self._desk.locate(self._host(raw)), None
        except Stop as stop:
            return stop.destination, stop

    def _host(self, raw: str) -> str:
        try:
            return canonical_host(raw).name
        except HostError as error:
            if error.reason == "ip-literal":
                raise Stop(Reason.IP_LITERAL, Destination(raw, "uncatalogued")) from error
            raise Stop(Reason.MALFORMED, Destination(raw, "uncatalogued")) from error

    async def _identify(self, flow: http.HTTPFlow, destination: Destination) -> Identity | None:
        needed = self._desk.options.identity_required == "all" or destination.decrypt
        try:
            identity = await self._asking.who(flow)
        except Overloaded as error:
            raise Stop(Reason.OVERLOADED, destination) from error
        except Unavailable as error:
            raise Stop(Reason.IDENTITY_UNAVAILABLE, destination) from error
        except Doubtful as error:
            raise Stop(
                Reason.MALFORMED, destination, "the parent proxy names its client more than once"
            ) from error
        if identity is None and (needed or len(flow.request.headers.get_all("proxy-authorization")) > 1):
            raise Stop(Reason.AUTH_REQUIRED, destination)
        return identity

    @staticmethod
    def _check_port(destination: Destination, port: int, allowed: tuple[int, ...]) -> None:
        if port != _AI_PORT if destination.decrypt else port not in allowed:
            raise Stop(Reason.PORT, destination, str(port))

    def _check_name(self, destination: Destination) -> None:
        if destination.kind != "uncatalogued":
            return
        if destination.guess:
            raise Stop(Reason.UNKNOWN_AI, destination, destination.guess)
        if self._desk.options.uncatalogued == "refuse":
            raise Stop(Reason.UNCATALOGUED, destination)

    def _refuse(self, flow: http.HTTPFlow, stop: Stop, identity: Identity | None, reference: str) -> None:
        user = identity.person.name if identity else ""
        flow.response = self._desk.refuse(
            stop.reason,
            reference=reference,
            destination=stop.destination,
            user=user,
            details=(stop.detail,) if stop.detail else (),
            request=None if flow.request.method == "CONNECT" else flow.request,
        )
        if stop.reason is Reason.AUTH_REQUIRED:
            return  # every browser's first request; counted as a decision, not evidence
        self._desk.note(
            Intent(
                rid=reference,
                key=self._desk.record_key(),
                time_us=self._desk.now(),
                mode="connect" if flow.request.method == "CONNECT" else "http",
                user=user,
                user_source=identity.source if identity else "none",
                client=client_address(flow.client_conn),
                service=stop.destination.service,
                provider=stop.destination.provider,
                host=stop.destination.host[:255],
                port=flow.request.port,
                method=flow.request.method[:32],
                decision="deny",
                reasons=(stop.reason.value,),
                details=(stop.detail,) if stop.detail else (),
                rule="gate",
                policy=self._policy_hash(),
            )
        )

    def _policy_hash(self) -> str:
        policy = self._desk.policy()
        return policy.snapshot.hash if policy else ""

    def _gate_error(self, reference: str) -> http.Response:
        return http.Response.make(
            503,
            b"",
            {"X-Sekimori-Reason": "DENY_GATE_ERROR", "X-Sekimori-Reference": reference, "Retry-After": "5"},
        )


def _may_be_costly(request: http.Request) -> bool:
    """Tell whether a body may be large, or may decode to something large."""
    if "content-encoding" in request.headers:
        return True
    length = request.headers.get("content-length", "")
    return not (length.isdecimal() and int(length) <= INLINE_LIMIT)


def _tunnel_kind(kind: str) -> str:
    return kind if kind in {"mixed", "support"} else "uncatalogued"
