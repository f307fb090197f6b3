"""The single-use link with which the first administrator chooses a password.

The token in the address is all that a holder has, so the page leaks it nowhere (no referrer to
others, no store), answers wrong, used and expired tokens alike, and takes its form from itself only.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from sekimori.console.limits import Attempts
from sekimori.console.ports import PendingSetup
from sekimori.console.render import fault, page
from sekimori.console.settings import ConsoleSettings

_SHORTEST = 12
_LONGEST = 256
# With "no-referrer" browsers send "Origin: null", and the form could not be told from a foreign one.
_HEADERS = {"referrer-policy": "same-origin"}


def router(settings: ConsoleSettings) -> APIRouter:
    """Return the routes of this module."""
    routes = APIRouter()
    desk = _Desk(settings)

    @routes.get("/setup/{token}")
    def ask(request: Request, token: str) -> Response:
        return desk.ask(_client(request), token)

    @routes.post("/setup/{token}")
    def choose(
        request: Request,
        token: str,
        password: Annotated[str, Form()] = "",
        password_again: Annotated[str, Form()] = "",
    ) -> Response:
        if not from_our_own_page(request, settings):
            return fault(403)
        return desk.choose(_client(request), token, password, password_again)

    return routes


class _Desk:
    """Decides about one token and one password; knows nothing of requests."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._attempts = Attempts(settings.setup_attempts, settings.setup_window_s * 1_000_000)

    def ask(self, client: str, token: str) -> Response:
        """Show the form to whoever holds the link."""
        found = self._find(client, token)
        return found if isinstance(found, Response) else _form(found)

    def choose(self, client: str, token: str, password: str, again: str) -> Response:
        """Set the password, if link and password are good."""
        found = self._find(client, token)
        if isinstance(found, Response):
            return found
        if problem := password_problem(password, again, name=found.name):
            return _form(found, problem=problem)
        if not self._settings.setup.complete(found, self._settings.hasher.hash(password)):
            return _gone()
        return page("setup_done.html", name=found.name, headers=_HEADERS)

    def _find(self, client: str, token: str) -> PendingSetup | Response:
        now_us = self._settings.clock_us()
        if wait_us := self._attempts.wait_us(client, now_us):
            return fault(429, headers={"retry-after": str(-(-wait_us // 1_000_000))})
        pending = self._settings.setup.pending()
        expected = pending.token_sha256 if pending else bytes(32)
        right = hmac.compare_digest(hashlib.sha256(token.encode()).digest(), expected)
        if pending is None or not right or now_us >= pending.expires_us:
            self._attempts.failed(client, now_us)
            return _gone()
        return pending


def password_problem(password: str, again: str, *, name: str) -> tuple[str, str] | None:
    """Say in both languages why a password won't do, or nothing if it will."""
    if len(password) < _SHORTEST:
        return f"{_SHORTEST}文字以上にしてください。", f"Use at least {_SHORTEST} characters."
    if len(password) > _LONGEST:
        return f"{_LONGEST}文字以下にしてください。", f"Use at most {_LONGEST} characters."
    if len(set(password)) < 5 or password.casefold().replace(name.casefold(), "") == "":
        return "推測しやすいため使えません。", "This is too easy to guess."
    if password != again:
        return "二つの入力が一致しません。", "The two entries differ."
    return None


def from_our_own_page(request: Request, settings: ConsoleSettings) -> bool:
    """Tell a form sent by our own page, or by a program, from one that another site made a browser send."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.lower() in {settings.origin, _own_origin(request)}


def _own_origin(request: Request) -> str:
    # The Host was checked against the configured names before any page sees it.
    return f"{request.url.scheme}://{request.headers['host']}".lower()


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _form(setup: PendingSetup, *, problem: tuple[str, str] | None = None) -> Response:
    status = 422 if problem else 200
    return page(
        "setup.html", status=status, headers=_HEADERS, name=setup.name, problem=problem, shortest=_SHORTEST
    )


def _gone() -> Response:
    return page("setup_gone.html", status=404, headers=_HEADERS)
