"""What people owe, by a link that the gate gave them: notices to read, feedback to give.

Whoever holds the link is whom it was issued for. Opening it changes nothing; reading and answering are a
POST of its own page. An answer is taken once, and a link that is wrong, old or foreign looks like no link.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from sekimori.addons.reply.between import ANSWERS, TEXT_LIMIT
from sekimori.console.guide import day_of
from sekimori.console.limits import Attempts
from sekimori.console.ports import DutyDesk, FeedbackDuty, NoticeDuty, Opened
from sekimori.console.render import fault, page
from sekimori.console.settings import ConsoleSettings
from sekimori.console.setup import from_our_own_page

# With "no-referrer" browsers send "Origin: null", and the form could not be told from a foreign one.
_HEADERS = {"referrer-policy": "same-origin"}


def router(settings: ConsoleSettings) -> APIRouter:
    """Return the routes of this module; none where the process may not change what is governed."""
    routes = APIRouter()
    desk = settings.duties
    if desk is None:
        return routes
    pages = _Pages(settings, desk)

    @routes.get("/my/{ticket}")
    def show(request: Request, ticket: str) -> Response:
        return pages.show(_client(request), ticket)

    @routes.post("/my/{ticket}")
    def click(
        request: Request,
        ticket: str,
        answer: Annotated[str, Form()] = "",
        text: Annotated[str, Form()] = "",
        number: Annotated[int, Form()] = 0,
        sha256: Annotated[str, Form()] = "",
    ) -> Response:
        if not from_our_own_page(request, settings):
            return fault(403)
        return pages.click(_client(request), ticket, answer=answer, text=text, read=(number, sha256))

    return routes


class _Pages:
    """Decides about one link; knows nothing of requests."""

    def __init__(self, settings: ConsoleSettings, desk: DutyDesk) -> None:
        self._settings = settings
        self._desk = desk
        self._attempts = Attempts(settings.setup_attempts, settings.setup_window_s * 1_000_000)

    def show(self, client: str, ticket: str) -> Response:
        """Show what a link is about."""
        found = self._open(client, ticket)
        if isinstance(found, Response):
            return found
        if found.notice is not None:
            return _notice(found, found.notice)
        if found.feedback is not None:
            return _feedback(found, found.feedback)
        return page("my.html", headers=_HEADERS, subject=found.subject, owed=found.owed, day_of=day_of)

    def click(self, client: str, ticket: str, *, answer: str, text: str, read: tuple[int, str]) -> Response:
        """Take a click of that page."""
        found = self._open(client, ticket)
        if isinstance(found, Response):
            return found
        if found.notice is not None:
            done = self._desk.read(ticket, *read)
        elif found.feedback is not None and answer in {choice.value for choice in ANSWERS}:
            # The list makes a fresh link each time it is opened: what was answered is answered whatever the link.
            done = found.feedback.open and self._desk.answer(ticket, answer, text.strip()[:TEXT_LIMIT])
        else:
            return fault(400)
        if not done:
            return self.show(client, ticket)
        return page("my_done.html", headers=_HEADERS, more=found.list_ticket)

    def _open(self, client: str, ticket: str) -> Opened | Response:
        now_us = self._settings.clock_us()
        if wait_us := self._attempts.wait_us(client, now_us):
            return fault(429, headers={"retry-after": str(-(-wait_us // 1_000_000))})
        found = self._desk.open(ticket)
        if found is None:
            self._attempts.failed(client, now_us)
            return page("my_gone.html", status=404, headers=_HEADERS)
        return found


def _notice(found: Opened, notice: NoticeDuty) -> Response:
    return page("my_notice.html", headers=_HEADERS, subject=found.subject, notice=notice)


def _feedback(found: Opened, feedback: FeedbackDuty) -> Response:
    return page(
        "my_feedback.html",
        headers=_HEADERS,
        subject=found.subject,
        feedback=feedback,
        answers=ANSWERS,
        text_limit=TEXT_LIMIT,
        since=day_of(feedback.since_us),
    )


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
