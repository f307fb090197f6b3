"""The clicks on the gate's own pages: whose they are, whether a person made them, and that they are on record.

Who somebody is comes from the tunnel, so that no link can be passed on; an agent is not the person whose key
it holds. A click is a POST of a page that this gate showed to this person, from a browser that says that a
person clicked. It is durable before the person goes on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qs

from mitmproxy import http

from sekimori import metrics
from sekimori.addons.desk import Desk, client_address
from sekimori.addons.duties import Duties
from sekimori.addons.exchange import Tunnel
from sekimori.addons.framing import Refused
from sekimori.addons.kept_pages import KeptPages
from sekimori.addons.reply.between import ANSWERS, TEXT_LIMIT, go_back
from sekimori.addons.view import Policy
from sekimori.governance import said
from sekimori.governance.interstitial import Page
from sekimori.governance.use_rules import AnswerKind
from sekimori.ledger.record import Body, Intent, Outcome
from sekimori.policy.people import canonical_name
from sekimori.policy.reasons import Reason
from sekimori.policy.standing import NoticeToShow
from sekimori.policy.subject import may_act

ROOT = "/.sekimori/"
NOTICES, FEEDBACK = "notices", "feedback"
_MAX_FORM = 64 * 1024
_KNOWN = {answer.value for answer in ANSWERS}


@dataclass(frozen=True, slots=True)
class Clicks:
    """Takes what people say at the gate."""

    desk: Desk
    duties: Duties
    kept: KeptPages

    async def serve(
        self, flow: http.HTTPFlow, tunnel: Tunnel, policy: Policy, reference: str
    ) -> http.Response:
        """Take a click; raises ``Refused`` for whatever is not one, ``RecordError`` if it can't be kept."""
        user = _person(tunnel, policy)
        kind, _, id_ = flow.request.path.partition("?")[0].removeprefix(ROOT).partition("/")
        if kind == FEEDBACK and not id_:
            return await self._answer_by_program(flow, tunnel, policy, user, reference)
        page = self.kept.find(id_)
        now = self.desk.now()
        subject = said.subject_of(user, tunnel.user_source)
        if kind not in (NOTICES, FEEDBACK) or page is None or not _is_theirs(page, subject, tunnel, now):
            # Used, expired or somebody else's: the service's own page shows what is still to do.
            return _reply(f"https://{tunnel.host}/")
        _must_be_clicked(flow.request, tunnel.host)
        if kind == NOTICES:
            await self._take_read(flow, tunnel, policy, user, page, reference)
        else:
            await self._take_answer(flow, tunnel, policy, user, page, reference)
        self.kept.drop(page.id)
        return _reply(page.url or f"https://{tunnel.host}/")

    async def _take_read(
        self, flow: http.HTTPFlow, tunnel: Tunnel, policy: Policy, user: str, page: Page, reference: str
    ) -> None:
        named = set(page.notices)
        texts = (*policy.standing.trial_texts, *policy.standing.notices)
        read = tuple(notice for notice in texts if named_text(notice) in named)
        if read:
            await self.record_read(flow, tunnel, policy, user, read, reference=reference, channel="page")

    async def record_read(
        self,
        flow: http.HTTPFlow,
        tunnel: Tunnel,
        policy: Policy,
        user: str,
        read: tuple[NoticeToShow, ...],
        *,
        reference: str,
        channel: str,
    ) -> None:
        """Make durable that somebody has read, then let the next requests know."""
        notices = tuple((notice.id, notice.version, notice.sha256) for notice in read)
        entry = said.SaidRead(notices, "header" if channel == "header" else "page")
        await self._record(flow, tunnel, policy, user, reference, entry, b"")
        subject = said.subject_of(user, tunnel.user_source)
        self.duties.remember_read(subject, read, self.desk.now())

    async def _take_answer(
        self, flow: http.HTTPFlow, tunnel: Tunnel, policy: Policy, user: str, page: Page, reference: str
    ) -> None:
        answer, text = _form(flow.request)
        service, since, *conversations = page.notices
        entry = said.SaidAnswer(service, tuple(conversations), answer)
        await self._record(flow, tunnel, policy, user, reference, entry, text)
        subject = said.subject_of(user, tunnel.user_source)
        self.duties.remember_answered(subject, conversations, int(since))

    async def _answer_by_program(
        self, flow: http.HTTPFlow, tunnel: Tunnel, policy: Policy, user: str, reference: str
    ) -> http.Response:
        """Take an answer that a program sends with its person's sign-in, or an agent with its own key."""
        if "sec-fetch-site" in flow.request.headers or "origin" in flow.request.headers:
            raise Refused(Reason.MALFORMED, "a browser answers on the page that it was shown")
        if flow.request.method != "POST":
            raise Refused(Reason.MALFORMED, "POST answer=... and text=...")
        answer, text = _form(flow.request)
        subject = said.subject_of(user, tunnel.user_source)
        service = self.desk.locate(tunnel.host).service
        for place, one in enumerate(policy.standing.owes(subject, service)):
            if one.of == "self" and one.conversations:
                entry = said.SaidAnswer(one.service, one.conversations, answer)
                record = reference if place == 0 else self.desk.reference()
                await self._record(flow, tunnel, policy, user, record, entry, text)
                self.duties.remember_answered(subject, one.conversations, one.since_us)
        return http.Response.make(204, b"", {"Cache-Control": "no-store"})

    async def _record(
        self,
        flow: http.HTTPFlow,
        tunnel: Tunnel,
        policy: Policy,
        user: str,
        reference: str,
        entry: said.Said,
        text: bytes,
    ) -> None:
        desk, now, key = self.desk, self.desk.now(), self.desk.record_key()
        digest = hashlib.sha256(text).hexdigest() if text else ""
        destination = desk.locate(tunnel.host)
        intent = Intent(
            rid=reference,
            key=key,
            time_us=now,
            user=user,
            user_source=tunnel.user_source,
            client=client_address(flow.client_conn),
            service=entry.service if isinstance(entry, said.SaidAnswer) else destination.service,
            provider=destination.provider,
            host=tunnel.host,
            method=flow.request.method[:32],
            path=ROOT,
            decision="allow",
            details=(said.write(entry),),
            rule="gate",
            policy=policy.snapshot.hash,
            kind=said.KIND,
            parse="parsed",
            body=Body(
                sha256=digest,
                size=len(text),
                stored=text,
                stored_sha256=digest,
                content_type="text/plain; charset=utf-8" if text else "",
            ),
        )
        desk.record.offer(intent)
        await desk.record.append(
            Outcome(rid=reference, key=key, time_us=now, state="complete", policy=intent.policy)
        )
        metrics.DECISIONS.labels("allow", "", metrics.service_label(intent.service, known=True)).inc()


def _person(tunnel: Tunnel, policy: Policy) -> str:
    person = policy.people.get(tunnel.user.name) if tunnel.user else None
    if person is None or not may_act(person, tunnel.user_source):
        raise Refused(Reason.AUTH_REQUIRED)
    return person.name


def _is_theirs(page: Page, subject: str, tunnel: Tunnel, now_us: int) -> bool:
    same = canonical_name(page.subject) == canonical_name(subject)
    return same and page.host == tunnel.host and now_us < page.expires_us


def _must_be_clicked(request: http.Request, host: str) -> None:
    """Refuse what a script of the service, or another site, might have sent in a person's place."""
    fields = request.headers
    origin = fields.get("origin")
    site = fields.get("sec-fetch-site")
    clicked = site is None or (site == "same-origin" and fields.get("sec-fetch-user") == "?1")
    if request.method != "POST" or not clicked or origin not in (None, f"https://{host}"):
        raise Refused(Reason.MALFORMED, "a click on the gate's own page is asked for")


def _form(request: http.Request) -> tuple[AnswerKind, bytes]:
    body = request.raw_content or b""
    if len(body) > _MAX_FORM:
        raise Refused(Reason.TOO_LARGE)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8, encoding="utf-8", errors="strict")
    except ValueError as error:
        raise Refused(Reason.MALFORMED, "the form can't be read") from error
    answer = fields.get("answer", [""])[0]
    if answer not in _KNOWN:
        raise Refused(Reason.MALFORMED, "none of the five answers")
    return cast("AnswerKind", answer), fields.get("text", [""])[0].strip()[:TEXT_LIMIT].encode()


def named_text(notice: NoticeToShow) -> str:
    """Name a version of a text in one word."""
    return f"{notice.id}/{notice.version}/{notice.sha256}"


def _reply(url: str) -> http.Response:
    shown = go_back(url)
    return http.Response.make(shown.status, shown.body, shown.headers)
