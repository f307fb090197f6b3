"""Signing in and out, who one is, and one's API tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from sekimori.console.api.nouns import AGENT, NOUNS
from sekimori.console.api.problems import Refused
from sekimori.console.api.routes import Call, Reply, Route
from sekimori.console.api.sessions import COOKIE, Sessions
from sekimori.console.limits import Attempts
from sekimori.governance.acting import actor_of
from sekimori.policy.people import canonical_name

_DAY_US = 86_400_000_000
_WINDOW_US = 600_000_000
_ATTEMPTS = 10
# Many people may come from one address, behind one proxy.
_ATTEMPTS_OF_AN_ADDRESS = 100
# More names than can be tried from hundreds of addresses in one window: a locked one is not pushed out.
_REMEMBERED = 65_536
_MOST_TOKENS = 20
KINDS = ("read", "write", "content")
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Scope = Annotated[str, msgspec.Meta(pattern=r"^([a-z-]{1,32}:)?(read|write|content)$")]


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and password of a local account."""

    name: Name
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Me(msgspec.Struct, frozen=True):
    """Who asks, as what, and how that is known; ``csrf_token`` goes into X-CSRF-Token of a session's writes."""

    name: str
    roles: list[str]
    unit: str
    how: str
    owner: str = ""
    csrf_token: str | None = None
    expires_us: int | None = None


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a token."""

    label: Label
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=16)]
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 90


class Token(msgspec.Struct, frozen=True):
    """A token without its secret."""

    id: str
    label: str
    scopes: tuple[str, ...]
    created_us: int
    expires_us: int


class Issued(msgspec.Struct, frozen=True):
    """A fresh token; this is the one time that it is shown."""

    token: str


class Tokens(msgspec.Struct, frozen=True):
    """All tokens of an account."""

    items: list[Token]
    next: None = None


def routes(sessions: Sessions) -> Iterator[Route]:
    """Make the routes of this module."""
    desk = _Desk(sessions)
    account: dict[str, Any] = {"tag": "account", "kind": "account"}
    yield Route(
        method="POST",
        path="/session",
        tag="account",
        summary="サインイン。Sign in with a local account.",
        run=desk.sign_in,
        kind="open",
        reply=Me,
        status=201,
        body=SignIn,
    )
    yield Route(
        method="DELETE",
        path="/session",
        summary="サインアウト。Sign out.",
        run=desk.sign_out,
        reply=None,
        status=204,
        **account,
    )
    yield Route(
        method="GET",
        path="/me",
        tag="account",
        summary="自分の名前と役割。Who I am here.",
        run=desk.me,
        kind="read",
        reply=Me,
    )
    yield Route(
        method="GET", path="/tokens", summary="自分のAPIトークン", run=desk.tokens, reply=Tokens, **account
    )
    yield Route(
        method="POST",
        path="/tokens",
        summary="APIトークンの発行。The token is shown once.",
        run=desk.issue,
        reply=Issued,
        status=201,
        body=NewToken,
        **account,
    )
    yield Route(
        method="DELETE",
        path="/tokens/{id}",
        summary="APIトークンの失効",
        run=desk.revoke,
        reply=None,
        status=204,
        **account,
    )


class _Desk:
    """Signs people in and hands tokens out."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._clients = Attempts(_ATTEMPTS_OF_AN_ADDRESS, _WINDOW_US, clients=_REMEMBERED)
        self._names = Attempts(_ATTEMPTS, _WINDOW_US, clients=_REMEMBERED)

    def sign_in(self, call: Call) -> Reply:
        """Begin a session; wrong names and wrong passwords look alike and are counted alike."""
        name = canonical_name(call.body.name)
        if wait_us := self._names.wait_us(name, call.at_us) or self._clients.begin(call.client, call.at_us):
            raise _too_many(wait_us)
        if wait_us := self._names.begin(name, call.at_us):
            raise _too_many(wait_us)
        known = call.ports.accounts.sign_in(name, call.body.password)
        if known is None:
            raise Refused("sign-in", headers={"www-authenticate": 'Session realm="sekimori"'})
        self._clients.forgive(call.client, call.at_us)
        self._names.forgive(name, call.at_us)
        id_, session = self._sessions.begin(known.name, call.at_us, known.stamp)
        with call.ports.governing.state() as state:
            actor = actor_of(state, known.name, known.unit, call.at_us, roles=known.roles)
        me = Me(actor.name, sorted(actor.roles), actor.unit, "session", "", session.csrf, session.expires_us)
        return Reply(me, 201, {"set-cookie": f"{COOKIE}={id_}; {_ATTRIBUTES}"})

    def sign_out(self, call: Call) -> Reply:
        """End the session of the caller."""
        _by_a_person(call)
        self._sessions.end(call.caller.cookie)
        return Reply(None, 204, {"set-cookie": f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"})

    def me(self, call: Call) -> Reply:
        """Say who asks."""
        caller, session = call.caller, call.caller.session
        csrf, expires = (session.csrf, session.expires_us) if session else (None, None)
        actor = caller.actor
        me = Me(actor.name, sorted(caller.roles), actor.unit, caller.how, caller.owner, csrf, expires)
        return Reply(me)

    def tokens(self, call: Call) -> Reply:
        """List the caller's own tokens."""
        _by_a_person(call)
        held = call.ports.accounts.tokens(call.caller.actor.name)
        items = [Token(e.id, e.label, e.scopes, e.created_us, e.expires_us) for e in held]
        return Reply(Tokens(items))

    def issue(self, call: Call) -> Reply:
        """Make a token; one that acts as an agent can do nothing else than what agents do."""
        _by_a_person(call)
        body, name = call.body, call.caller.actor.name
        _check_scopes(body.scopes)
        living = [each for each in call.ports.accounts.tokens(name) if each.expires_us > call.at_us]
        if len(living) >= _MOST_TOKENS:
            raise Refused("invalid", why=f"{_MOST_TOKENS} tokens are the most; end one first")
        if call.ports.accounts.known(name) is None:
            raise Refused("invalid", why="only a local account has tokens")
        expires_us = call.at_us + body.days * _DAY_US
        token = call.ports.accounts.issue(name, body.label, body.scopes, expires_us)
        return Reply(Issued(token), 201)

    def revoke(self, call: Call) -> Reply:
        """End one of the caller's tokens."""
        _by_a_person(call)
        if not call.ports.accounts.revoke(call.caller.actor.name, call.path["id"]):
            raise Refused("no-route")
        return Reply(None, 204)


def _too_many(wait_us: int) -> Refused:
    return Refused("too-many", headers={"retry-after": str(-(-wait_us // 1_000_000))})


def _by_a_person(call: Call) -> None:
    # A token that could make tokens would outlive its own end.
    if call.caller.how in ("token", "key"):
        raise Refused("scope", scope="a session")


def _check_scopes(scopes: tuple[str, ...]) -> None:
    tags = {noun.path for noun in NOUNS} | {AGENT.name, "account", "log", "reports"}
    for scope in scopes:
        tag, colon, _ = scope.partition(":")
        if colon and tag not in tags:
            raise Refused("invalid", why=f"no scope is called {tag}")
