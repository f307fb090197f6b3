"""What must end while it runs: a grant's last second, a revoked person, a suspension, a policy that went away.

Once a second every live exchange is looked at; one whose permission ended is told so inside its
stream and its connection is closed a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mitmproxy import http

from sekimori import metrics
from sekimori.addons.desk import Desk
from sekimori.addons.exchange import Exchange, Tunnel
from sekimori.addons.reply import close_code
from sekimori.addons.view import Policy
from sekimori.policy.people import Person, canonical_name
from sekimori.policy.reasons import Reason
from sekimori.policy.subject import Source, may_act

if TYPE_CHECKING:
    from mitmproxy.connection import Client

    from sekimori.ledger.record import Intent

_GRACE_US = 1_000_000


class Boundary:
    """Cut what may not go on: ``close`` closes a client's connection, ``close_websocket`` a socket."""

    def __init__(
        self,
        desk: Desk,
        *,
        close: Callable[[Client], None],
        close_websocket: Callable[[http.HTTPFlow, int, bytes], None],
        tunnels: Mapping[Client, Tunnel] | None = None,
    ) -> None:
        self._desk = desk
        self._tunnels = {} if tunnels is None else tunnels
        self._seen: Policy | None = None
        self._close = close
        self._close_websocket = close_websocket

    async def watch(self, interval: float = 1.0) -> None:
        """Look at every live exchange for ever."""
        while True:
            self.sweep()
            await asyncio.sleep(interval)

    def sweep(self) -> None:
        """Cut what has to be cut now."""
        now = self._desk.now()
        policy = self._desk.policy()
        if policy is not None and policy is not self._seen:
            self._seen = policy
            self._close_stale_tunnels(policy)
        for exchange in self._desk.live:
            if exchange.cut is None:
                reason = self._ended(exchange, now)
                if reason is not None:
                    exchange.cut = reason
                    exchange.cut_us = now
                    self._tell_websocket(exchange, reason)
                    metrics.CUTS.labels(reason.value).inc()
            elif now - exchange.cut_us >= _GRACE_US:
                self._close(exchange.client)

    def _close_stale_tunnels(self, policy: Policy) -> None:
        """Close tunnels whose person or treatment changed since their CONNECT: nobody asks again in one."""
        for client, tunnel in list(self._tunnels.items()):
            if _is_stale(tunnel, policy) or self._desk.locate(tunnel.host).decrypt != tunnel.decrypt:
                metrics.CUTS.labels(Reason.USER_OUT_OF_SCOPE.value).inc()
                self._close(client)

    def _tell_websocket(self, exchange: Exchange, reason: Reason) -> None:
        flow = exchange.flow() if exchange.flow is not None else None
        if exchange.websocket is None or flow is None:
            return
        refusal = self._desk.refusal(
            reason,
            reference=exchange.rid,
            destination=self._desk.locate(exchange.intent.host),
            user=exchange.intent.user,
        )
        self._close_websocket(flow, *close_code(refusal))

    def _ended(self, exchange: Exchange, now: int) -> Reason | None:
        if exchange.valid_until_us is not None and now >= exchange.valid_until_us:
            return Reason.PLAN_EXPIRED
        policy = self._desk.policy()
        if policy is None:
            return None  # new requests are refused; what was let through under a good policy may end
        intent = exchange.intent
        person = policy.people.get(intent.user)
        if person is None or not may_act(person, intent.user_source):
            return Reason.USER_OUT_OF_SCOPE
        stopped = policy.standing.findings(intent.user, intent.service)
        if stopped:
            return stopped[0].code
        if intent.grant and policy.standing.stops_grant(intent.grant):
            return Reason.SUSPENDED
        if Source.read(intent.user_source).agent and not _grant_lives(policy, intent, person):
            return Reason.SUSPENDED
        if policy.snapshot.hash != intent.policy and not policy.snapshot.may_use(
            intent.service, person.name, person.groups, now
        ):
            return Reason.SUSPENDED
        return None


def _grant_lives(policy: Policy, intent: Intent, person: Person) -> bool:
    """Tell whether the one grant of an agent's key is still good: another of its owner's does not stand in."""
    snapshot = policy.snapshot
    if snapshot.hash == intent.policy:
        return True
    name = canonical_name(person.name)
    groups = snapshot.groups_of(name).union(map(canonical_name, person.groups))
    covering = snapshot.grants_for(intent.service, name, groups)
    return any(grant.id == intent.grant and grant.status == "active" for grant in covering)


def _is_stale(tunnel: Tunnel, policy: Policy) -> bool:
    if tunnel.user is None:
        return False
    person = policy.people.get(tunnel.user.name)
    if policy.standing.disables(tunnel.user.name):
        return True
    if person is None or not may_act(person, tunnel.user_source):
        return True
    return person.proxy_password != tunnel.user.proxy_password
