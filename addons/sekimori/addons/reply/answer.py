"""One whole HTTP answer for a refusal: status, headers, body."""

from __future__ import annotations

from dataclasses import dataclass

from sekimori.addons.reply.page import PAGE_POLICY, render_page
from sekimori.addons.reply.refusal import Refusal
from sekimori.addons.reply.shapes import Headers, error_body
from sekimori.addons.reply.text import header_token


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; ``headers`` are lower-case and in order."""

    status: int
    headers: Headers
    body: bytes


def answer(
    refusal: Refusal, *, navigation: bool, shape: str = "problem", path: str = "", method: str = "GET"
) -> Answer:
    """Refuse before the first byte: a page for a person, the provider's error for a program.

    ``content-length`` is that of the body even where ``method`` is HEAD, which has none.
    """
    if navigation:
        own, body = _PAGE, render_page(refusal, path=path)
    else:
        own, body = error_body(refusal, shape)
    headers = (*own, *_common(refusal), (b"content-length", str(len(body)).encode("ascii")))
    return Answer(refusal.http_status, headers, b"" if method.upper() == "HEAD" else body)


def _common(refusal: Refusal) -> Headers:
    headers: list[tuple[bytes, bytes]] = [
        (b"x-sekimori-reason", refusal.code.value.encode("ascii")),
        (b"x-sekimori-reference", header_token(refusal.reference)),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        # The OpenAI and Anthropic SDKs obey it; others look at the status alone.
        (b"x-should-retry", b"true" if refusal.retryable else b"false"),
    ]
    if refusal.retryable:
        headers.append((b"retry-after", str(refusal.wait_s).encode("ascii")))
    if refusal.http_status == 407:
        headers.append((b"proxy-authenticate", b'Basic realm="Sekimori", charset="UTF-8"'))
    return tuple(headers)


_PAGE: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-language", b"ja, en"),
    (b"content-security-policy", PAGE_POLICY.encode("ascii")),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
