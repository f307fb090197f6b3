"""Tells somebody who looks at a browser window from a program that waits for data."""

from __future__ import annotations

from collections.abc import Iterable

# Where a program signs its requests; a browser that opens a page sends none of them.
_API_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-date"})


def is_navigation(method: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a person would see the answer as a page.

    Browsers say so themselves (Fetch Metadata: ``Sec-Fetch-Mode: navigate``), but only to https
    origins; elsewhere a GET that wants HTML and carries no API credentials is taken for one.
    """
    seen: dict[str, str] = {}
    for name, value in headers:
        seen.setdefault(name.lower(), value.strip().lower())
    mode = seen.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate" and seen.get("sec-fetch-dest", "document") == "document"
    if method.upper() not in {"GET", "HEAD"} or not _API_CREDENTIALS.isdisjoint(seen):
        return False
    return _wants_html(seen.get("accept", ""))


def _wants_html(accept: str) -> bool:
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media in {"text/html", "application/xhtml+xml"}:
            return not any(p.replace(" ", "").rstrip("0") in {"q=", "q=0."} for p in parameters)
    return False
