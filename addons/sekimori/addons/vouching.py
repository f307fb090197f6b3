"""Who is known by the connection: a client certificate, or what a listed parent proxy says of its client.

A parent is known by the certificate that it shows to the gate, never by its address. Its header counts on what
it says to the gate itself (a CONNECT, or a plain request), exactly once; anybody else's is as if it were not
there, and within a tunnel nobody looks for one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sekimori import metrics
from sekimori.addons.identity import Identity
from sekimori.addons.peers import Certificate, Peers
from sekimori.policy import subject
from sekimori.policy.people import Person

if TYPE_CHECKING:
    from mitmproxy import http

_LONGEST = 256
_FORWARDED = "x-forwarded-for"


class Doubtful(Exception):  # noqa: N818 - about the request, not about us
    """A parent says who its client is more than once, or in no readable way."""


@dataclass(frozen=True, slots=True)
class Vouchers:
    """Whose word counts. ``parents`` are DNS names or ``sha256:`` fingerprints of parents' certificates.

    ``header`` names what they say it in, lower case, empty for none; ``realm`` is cut off what they say, and a
    person of any other realm is another one.
    ``certificate`` says which name of a client's certificate is the person, empty for none.
    """

    parents: frozenset[str] = frozenset()
    header: str = ""
    realm: str = ""
    certificate: str = ""


class Vouching:
    """Identify by connection; ``present`` returns a person that the gate knows, by name."""

    def __init__(
        self,
        vouchers: Vouchers,
        peers: Peers,
        *,
        present: Callable[[str], Awaitable[Person | None]],
        now: Callable[[], int],
    ) -> None:
        self._vouchers = vouchers
        self._peers = peers
        self._present = present
        self._now = now

    def address(self, flow: http.HTTPFlow) -> str | None:
        """Return the device behind a listed parent: the last hop, which the parent itself has added."""
        if self._parent(flow) is None:
            return None
        hops = ",".join(flow.request.headers.get_all(_FORWARDED)).split(",")
        try:
            return str(ipaddress.ip_address(hops[-1].strip()))
        except ValueError:
            return None

    async def identify(self, flow: http.HTTPFlow) -> Identity | None:
        """Return whom the connection or the parent names; raises ``Doubtful`` and what ``present`` raises."""
        shown = self._shown(flow)
        if shown is None:
            self._count_stray(flow)
            return None
        if self._parent(flow) is not None:  # a parent's own certificate is nobody's
            return await self._identity(self._named(flow), str(subject.Source(subject.HEADER, subject.MTLS)))
        self._count_stray(flow)
        return await self._identity(shown.names.get(self._vouchers.certificate, ""), subject.MTLS)

    async def _identity(self, name: str, source: str) -> Identity | None:
        if not name or len(name) > _LONGEST:
            return None
        person = await self._present(name)
        metrics.AUTHENTICATIONS.labels("refused" if person is None else "vouched").inc()
        return None if person is None else Identity(person, source)

    def _named(self, flow: http.HTTPFlow) -> str:
        values = flow.request.headers.get_all(self._vouchers.header)
        if len(values) > 1 or any("," in value for value in values):
            raise Doubtful
        name = values[0].strip() if values else ""
        if name == "-":  # Squid's word for nobody
            return ""
        plain, _, realm = name.rpartition("@")
        own = bool(plain and realm) and realm.casefold() == self._vouchers.realm.casefold()
        return plain if own else name

    def _shown(self, flow: http.HTTPFlow) -> Certificate | None:
        shown = self._peers.certificate(flow.client_conn)
        return shown if shown is not None and self._now() < shown.until_us else None

    def _parent(self, flow: http.HTTPFlow) -> Certificate | None:
        shown = self._shown(flow)
        if shown is None or not self._vouchers.header:
            return None
        listed = not self._vouchers.parents.isdisjoint({f"sha256:{shown.sha256}", *shown.hosts})
        return shown if listed else None

    def _count_stray(self, flow: http.HTTPFlow) -> None:
        if self._vouchers.header and self._vouchers.header in flow.request.headers:
            metrics.AUTHENTICATIONS.labels("ignored").inc()
