"""The page that a person meets at the gate: Japanese first, English beside it.

It is served in the origin of the service that was refused. So it has no script, no cookie, loads
nothing, sends nowhere, and shows of the user only what the reason is about: a script of that origin
might read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sekimori.addons.reply.layout import Layout, in_japan
from sekimori.addons.reply.quotes import quotes
from sekimori.addons.reply.refusal import Refusal
from sekimori.addons.reply.text import shown_path, visible
from sekimori.policy.reasons import Reason, explain

_LAYOUT = Layout("refusal.html", "refusal.css", form="'none'")
PAGE_POLICY = _LAYOUT.policy

# What the page says first, by status.
_HEADLINES = {
    400: ("要求を読み取れませんでした", "The request could not be read"),
    407: ("認証が必要です", "Please sign in to the proxy"),
    413: ("送信できる大きさを超えています", "The request is too large"),
    503: ("いまは利用できません", "Not available right now"),
}
_STOPPED = ("この通信を止めました", "This request was stopped")


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same thing said in both languages."""

    ja: str
    en: str


# Reasons that nobody can follow without knowing whom the gate took them for.
_ABOUT_THE_USER = frozenset(
    {
        Reason.USER_OUT_OF_SCOPE,
        Reason.CONSENT_MISSING,
        Reason.ACK_REQUIRED,
        Reason.TRAINING_REQUIRED,
        Reason.FEEDBACK_OVERDUE,
    }
)


def render_page(refusal: Refusal, *, path: str = "") -> bytes:
    """Return the page as UTF-8."""
    text = refusal.text
    return _LAYOUT.render(
        headline=Sentence(*_HEADLINES.get(refusal.http_status, _STOPPED)),
        reason=Sentence(text.ja, text.en),
        action=Sentence(text.action_ja, text.action_en),
        quotes=quotes(refusal.code),
        others=[(code.value, explain(code)) for code in refusal.other_codes],
        details=refusal.shown_details,
        code=refusal.code.value,
        reference=visible(refusal.reference, 64),
        service=visible(refusal.service_name),
        host=visible(refusal.host, 253),
        path=shown_path(path),
        user=visible(refusal.user) if refusal.code in _ABOUT_THE_USER else "",
        link=refusal.link,
        when=_when(refusal.time_us),
    )


def _when(time_us: int) -> tuple[str, str, str] | None:
    """Write the moment for machines, in Japanese and in English; always the time of Japan."""
    if not time_us:
        return None
    moment = in_japan(time_us)
    ja = f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M:%S}"
    return moment.isoformat(), ja, f"{moment:%Y-%m-%d %H:%M:%S} JST"
