"""Who asks: by API token, agent's key or bearer token of the configured issuer, or else by session.

A header that is wrong is never made good by a cookie: whoever sends ``Authorization`` is judged by it alone.
Roles come from what was confirmed in governance and from the account, anew for each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sekimori.console.api.oidc import BadToken
from sekimori.console.api.permissions import AGENT
from sekimori.console.api.ports import ApiPorts, Known
from sekimori.console.api.problems import Refused
from sekimori.console.api.sessions import COOKIE, Session, Sessions, right_csrf
from sekimori.governance.acting import actor_of
from sekimori.governance.actors import Actor
from sekimori.policy.agentkeys import PREFIX as AGENT_KEY
from sekimori.policy.people import name_fault
from sekimori.store.api_tokens import PREFIX

_CHALLENGE = {"www-authenticate": 'Bearer realm="sekimori"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; ``scopes`` bind a token, None binds nobody. ``owner`` is the person behind an agent."""

    actor: Actor
    how: Literal["session", "token", "key", "oidc"]
    scopes: tuple[str, ...] | None = None
    session: Session | None = None
    cookie: str = ""
    owner: str = ""

    @property
    def roles(self) -> frozenset[str]:
        """Give the roles that the table of permissions knows."""
        return frozenset({AGENT}) if self.owner else self.actor.roles

    def in_scope(self, tag: str, kind: str) -> bool:
        """Say whether the caller's token is for this; ``content`` is never part of ``read``."""
        return self.scopes is None or bool({kind, f"{tag}:{kind}"} & set(self.scopes))


class Callers:
    """Finds out who asks."""

    def __init__(self, ports: ApiPorts, sessions: Sessions) -> None:
        self._ports = ports
        self._sessions = sessions

    def of(self, headers: Mapping[str, str], cookies: Mapping[str, str], now_us: int) -> Caller:
        """Give who asks, or refuse."""
        if "authorization" in headers:
            return self._bearer(headers["authorization"], now_us)
        cookie = cookies.get(COOKIE, "")
        session = self._sessions.find(cookie, now_us) if cookie else None
        known = self._ports.accounts.known(session.name) if session else None
        if session is None or known is None:
            raise Refused("unauthenticated", headers=_CHALLENGE)
        if known.stamp != session.stamp:
            self._sessions.end(cookie)
            raise Refused("unauthenticated", headers=_CHALLENGE)
        return Caller(self._actor(known, now_us), "session", None, session, cookie)

    def _bearer(self, header: str, now_us: int) -> Caller:
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused("unauthenticated", headers=_CHALLENGE)
        if token.startswith(PREFIX):
            return self._own_token(token, now_us)
        if token.startswith(AGENT_KEY):
            return self._agent(token)
        if self._ports.issuer is None:
            raise Refused("unauthenticated", headers=_CHALLENGE)
        try:
            name = self._ports.issuer.name(token, now_us)
        except BadToken:
            raise Refused("unauthenticated", headers=_CHALLENGE) from None
        if name_fault(name) or self._ports.accounts.closed(name):
            raise Refused("unauthenticated", headers=_CHALLENGE)
        known = self._ports.accounts.known(name) or Known(name)
        return Caller(self._actor(known, now_us), "oidc")

    def _own_token(self, token: str, now_us: int) -> Caller:
        found = self._ports.accounts.holder(token, now_us)
        if found is None:
            raise Refused("unauthenticated", headers=_CHALLENGE)
        known, held = found
        return Caller(self._actor(known, now_us), "token", held.scopes)

    def _agent(self, key: str) -> Caller:
        found = self._ports.accounts.agent(key)
        if found is None:
            raise Refused("unauthenticated", headers=_CHALLENGE)
        owner, subject = found
        # An agent has no role of a person, whoever it belongs to.
        return Caller(Actor(subject), "key", None, owner=owner.name)

    def _actor(self, known: Known, now_us: int) -> Actor:
        with self._ports.governing.state() as state:
            return actor_of(state, known.name, known.unit, now_us, roles=known.roles)


def check_csrf(caller: Caller, headers: Mapping[str, str]) -> None:
    """Let a session write only from a page that knows its token; other sites' pages do not."""
    if caller.session is None:
        return
    foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign or not right_csrf(caller.session, headers.get("x-csrf-token", "")):
        raise Refused("csrf")
