"""What somebody gets who has a notice to read: a page once, or a refusal with a link.

A page remembers where a browser was, on the server and never in a parameter: only for GET, only on the
host that was asked, only for the person who asked. A POST is never kept and never replayed. There is one
page a user, host and minute: what a page loads beside itself gets a plain refusal, and a second visit in
the same minute gets the same page. ``Pages`` is short-lived, no record of anything: that the notice was
due is in the record of the refused request, that it was read in the acknowledgement.
"""

from __future__ import annotations

import hmac
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from sekimori.governance.notices import Notice
from sekimori.governance.use_rules import NoticeRules
from sekimori.policy.people import canonical_name

_MINUTE_US = 60_000_000
_LONGEST_URL = 2048
_AT_ONCE = 50_000


class Visit(msgspec.Struct, frozen=True):
    """A request that met a notice; ``navigation`` is whether a person would see the answer as a page."""

    subject: str
    service: str
    host: str
    method: str
    url: str
    navigation: bool


class Page(msgspec.Struct, frozen=True):
    """A page that is shown; ``url`` is empty where there is nothing to go back to."""

    id: str
    subject: str
    host: str
    url: str
    notices: tuple[str, ...]
    shown_us: int
    expires_us: int


class Shown(msgspec.Struct, frozen=True):
    """The answer to a visit: PASS, PAGE with its id, or REFUSE (403) with the notices to read."""

    verdict: Literal["PASS", "PAGE", "REFUSE"]
    page: Page | None = None
    notices: tuple[Notice, ...] = ()


class Pages(msgspec.Struct, frozen=True):
    """The pages that are shown now, the oldest first; bounded, whoever asks for how many."""

    shown: dict[str, Page] = {}

    def at(self, at_us: int) -> dict[str, Page]:
        """Give what has not expired."""
        return {id_: page for id_, page in self.shown.items() if at_us < page.expires_us}


def page_id(key: bytes, subject: str, host: str, at_us: int) -> str:
    """Give the id of the one page of a user, host and minute; nobody without ``key`` can guess it."""
    named = msgspec.json.encode([canonical_name(subject), _host(host), at_us // _MINUTE_US])
    return hmac.digest(key, b"page\0" + named, "sha256").hex()


def show(
    pages: Pages, visit: Visit, due: tuple[Notice, ...], key: bytes, at_us: int, rules: NoticeRules
) -> tuple[Pages, Shown]:
    """Answer a visit for which the notices ``due`` have to be read first."""
    if not due:
        return pages, Shown("PASS")
    if not visit.navigation:
        return pages, Shown("REFUSE", None, due)
    id_ = page_id(key, visit.subject, visit.host, at_us)
    page, url = pages.at(at_us).get(id_), way_back(visit)
    if page is not None and (page.url or not url):
        return pages, Shown("PAGE", page, due)
    made = Page(
        id_,
        visit.subject,
        _host(visit.host),
        url,
        tuple(notice.id for notice in due),
        at_us,
        at_us + rules.page_minutes * _MINUTE_US,
    )
    kept = {**pages.at(at_us), id_: made}
    while len(kept) > _AT_ONCE:
        del kept[next(iter(kept))]
    return Pages(kept), Shown("PAGE", made, due)


def way_back(visit: Visit) -> str:
    """Give the URL that may be opened again after reading; empty unless a plain GET of the same host."""
    if visit.method != "GET" or not visit.navigation or len(visit.url) > _LONGEST_URL:
        return ""
    if any(char <= " " or char in '\\"<>' or char == "\x7f" for char in visit.url):
        return ""
    try:
        parts = urlsplit(visit.url)
        host = parts.hostname or ""
        plain = parts.port in (None, 443) and parts.username is None and parts.password is None
    except ValueError:
        return ""
    same_host = parts.scheme == "https" and host == _host(visit.host)
    return visit.url.partition("#")[0] if same_host and plain else ""


def go_back(pages: Pages, id_: str, subject: str, at_us: int) -> tuple[Pages, str]:
    """Take a page off and give where its reader was; empty if it is not theirs, used or expired."""
    kept = pages.at(at_us)
    page = kept.get(id_)
    if page is None or canonical_name(page.subject) != canonical_name(subject):
        return pages, ""
    return Pages({key: value for key, value in kept.items() if key != id_}), page.url


def _host(host: str) -> str:
    return host.lower().rstrip(".")
