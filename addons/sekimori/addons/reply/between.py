"""The page between: a notice to read or a question to answer, with one click back to where one was.

Served in the origin of the service, as every refusal is: no script, no cookie, and a form that only this
origin takes. Japanese first, English beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sekimori.addons.reply.answer import Answer
from sekimori.addons.reply.layout import Layout, in_japan
from sekimori.addons.reply.page import Sentence
from sekimori.addons.reply.text import header_token, visible
from sekimori.policy.reasons import Reason, explain
from sekimori.policy.standing import NoticeToShow, Owed

_LAYOUT = Layout("between.html", "refusal.css", "between.css", form="'self'")
TEXT_LIMIT = 2000


class Choice(NamedTuple):
    """One of the five answers, and what its button says."""

    value: str
    ja: str
    en: str


ANSWERS = (
    Choice("USEFUL", "役に立った", "Useful"),
    Choice("WRONG", "誤りがあった", "Wrong"),
    Choice("HARMFUL", "有害な内容があった", "Harmful"),
    Choice("CONFIDENTIAL_CONCERN", "機密の混入が心配", "Confidentiality concern"),
    Choice("COPYRIGHT_CONCERN", "著作権が心配", "Copyright concern"),
)
_HEADLINES = {
    Reason.ACK_REQUIRED: Sentence("ご利用の前に", "Before you go on"),
    Reason.CONSENT_MISSING: Sentence("テスト参加の同意", "Consent to take part in a trial"),
    Reason.FEEDBACK_OVERDUE: Sentence("フィードバックのお願い", "Your feedback, please"),
}
_BUTTONS = {
    Reason.ACK_REQUIRED: Sentence("読みました。続ける", "I have read this; go on"),
    Reason.CONSENT_MISSING: Sentence("同意して続ける", "I agree; go on"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What the page shows: why, for whom, where to, and what its form names."""

    code: Reason
    reference: str
    user: str
    host: str
    service: str
    action: str
    notices: Sequence[NoticeToShow] = ()
    owed: Sequence[Owed] = ()


def between_page(shown: Between) -> Answer:
    """Return the whole answer: a 403 that a browser shows."""
    asks = shown.code is Reason.FEEDBACK_OVERDUE
    text = explain(shown.code)
    body = _LAYOUT.render(
        headline=_HEADLINES[shown.code],
        reason=Sentence(text.ja, text.en),
        button=_BUTTONS.get(shown.code),
        action=shown.action,
        notices=shown.notices,
        answers=ANSWERS if asks else (),
        owed=_owed(shown.owed),
        text_limit=TEXT_LIMIT,
        code=shown.code.value,
        reference=visible(shown.reference, 64),
        service=visible(shown.service),
        host=visible(shown.host, 253),
        user=visible(shown.user),
    )
    headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-language", b"ja, en"),
        (b"content-security-policy", _LAYOUT.policy.encode("ascii")),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"x-sekimori-reason", shown.code.value.encode("ascii")),
        (b"x-sekimori-reference", header_token(shown.reference)),
        (b"cache-control", b"no-store"),
        # "no-referrer" would make the form's Origin "null", and no one could tell it from a foreign one.
        (b"referrer-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", str(len(body)).encode("ascii")),
    )
    return Answer(explain(shown.code).status, headers, body)


def go_back(url: str) -> Answer:
    """Send a browser on after its click, with a GET whatever it came with."""
    headers = (
        (b"location", url.encode("ascii", "ignore")),
        (b"cache-control", b"no-store"),
        (b"content-length", b"0"),
    )
    return Answer(303, headers, b"")


def _owed(owed: Sequence[Owed]) -> Sentence:
    count = sum(one.unanswered for one in owed)
    since = min((one.since_us for one in owed), default=0)
    day = in_japan(since)
    return Sentence(
        f"{day.year}年{day.month}月{day.day}日からの{count}回の利用について、一つ選んでください。",
        f"Choose one for your {count} exchanges since {day:%Y-%m-%d}.",
    )
