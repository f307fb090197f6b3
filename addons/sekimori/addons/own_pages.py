"""The gate's own pages in a tunnel: a notice to read, a question to answer, and the way back.

They live under ``/.sekimori/`` of the host that somebody asked for; ``clicks`` takes what is said on them.
Programs get the address of the web pages and the header instead.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from mitmproxy import http

from sekimori.addons.clicks import FEEDBACK, NOTICES, ROOT, Clicks, named_text
from sekimori.addons.desk import Desk
from sekimori.addons.duties import header_entry
from sekimori.addons.judge import Case, Judgement
from sekimori.addons.kept_pages import KeptPages
from sekimori.addons.reply import is_navigation
from sekimori.addons.reply.between import Between, between_page
from sekimori.governance.interstitial import Page, Visit, page_id, way_back
from sekimori.governance.said import subject_of
from sekimori.policy.reasons import Reason
from sekimori.policy.standing import Owed
from sekimori.policy.subject import Source
from sekimori.vault.published import PolicySeal
from sekimori.vault.tickets import Kind, Ticket, issue

_PAGE_US = 30 * 60 * 1_000_000
_LINK_US = 7 * 86_400_000_000
_ASKING = frozenset({Reason.ACK_REQUIRED, Reason.CONSENT_MISSING, Reason.FEEDBACK_OVERDUE})


@dataclass(frozen=True, slots=True)
class OwnPages:
    """Shows the pages, on which ``clicks`` takes what is said; ``key`` makes their ids, ``seal`` the links."""

    desk: Desk
    clicks: Clicks
    kept: KeptPages
    key: bytes
    seal: PolicySeal

    def answer(
        self, flow: http.HTTPFlow, case: Case, judgement: Judgement, reference: str
    ) -> http.Response | None:
        """Answer a request that waits for its person; None where nobody can do anything about it here."""
        code = judgement.decision.reasons[0].code
        if code not in _ASKING or not (judgement.to_read or judgement.to_answer):
            return None
        asks = code is Reason.FEEDBACK_OVERDUE
        mine = tuple(one for one in judgement.to_answer if one.of == "self" and one.conversations)
        navigation = is_navigation(flow.request.method, tuple(flow.request.headers.items(multi=True)))
        if navigation and (mine if asks else judgement.to_read):
            return self._page(flow, case, judgement, reference, code, mine)
        return None

    def link(self, case: Case, judgement: Judgement) -> str:
        """Give the address of the web page where the person can do what is asked, for API clients.

        None for an agent: whoever holds the link speaks for the person, and the key's owner did not ask for it.
        """
        code = judgement.decision.reasons[0].code
        if code not in _ASKING or Source.read(case.user_source).agent:
            return ""
        if code is Reason.FEEDBACK_OVERDUE:
            return self._link("list", case.user)
        return self._link("notice", case.user, judgement.to_read[0].id) if judgement.to_read else ""

    @staticmethod
    def header_value(judgement: Judgement) -> str:
        """Give the header with which an API client says that it has shown the texts."""
        return ", ".join(header_entry(notice) for notice in judgement.to_read)

    def _link(self, kind: Kind, user: str, about: str = "") -> str:
        ticket = Ticket(kind=kind, subject=user, about=about, expires_us=self.desk.now() + _LINK_US)
        return f"{self.desk.options.public_url.rstrip('/')}/my/{issue(self.seal, ticket)}"

    def _page(
        self,
        flow: http.HTTPFlow,
        case: Case,
        judgement: Judgement,
        reference: str,
        code: Reason,
        mine: tuple[Owed, ...],
    ) -> http.Response:
        kind = FEEDBACK if code is Reason.FEEDBACK_OVERDUE else NOTICES
        about = _owed_ids(mine) if kind == FEEDBACK else tuple(named_text(n) for n in judgement.to_read)
        page = self._kept(flow, case, judgement, kind, about)
        self.desk.count_refusal(code, case.destination)
        shown = between_page(
            Between(
                code=code,
                reference=reference,
                user=case.user,
                host=case.destination.host,
                service=case.destination.service_name,
                action=f"{ROOT}{kind}/{page.id}",
                notices=() if kind == FEEDBACK else judgement.to_read,
                owed=mine,
            )
        )
        return http.Response.make(shown.status, shown.body, shown.headers)

    def _kept(
        self, flow: http.HTTPFlow, case: Case, judgement: Judgement, kind: str, about: tuple[str, ...]
    ) -> Page:
        """Give the one page of a user, host and minute; the first URL that one can go back to stays."""
        host, now, subject = case.destination.host, self.desk.now(), subject_of(case.user, case.user_source)
        url = f"https://{host}{flow.request.path}"
        visit = Visit(subject, judgement.service, host, flow.request.method, url, navigation=True)
        id_ = page_id(self._key(kind), subject, host, now)
        back = way_back(visit)
        page = self.kept.find(id_)
        if page is None or page.notices != about or (back and not page.url):
            url = page.url if page is not None and page.url else back
            page = Page(id_, subject, host, url, about, now, now + _PAGE_US)
            self.kept.keep(page)
        return page

    def _key(self, kind: str) -> bytes:
        return hmac.digest(self.key, kind.encode(), "sha256")


def _owed_ids(owed: tuple[Owed, ...]) -> tuple[str, ...]:
    """Give service, instant and conversations of the first that is owed: one click answers one service."""
    first = owed[0]
    return (first.service, str(first.since_us), *first.conversations)
