"""What is known of one refusal when it is answered, and the sentences made from it.

The reasons and their wording belong to ``policy.reasons``; here they are put together with the
particulars of this request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from sekimori.addons.reply.text import visible
from sekimori.policy.reasons import Reason, ReasonText, explain

_RETRY_AFTER_S = 10
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was stopped: why, which, and where to go from here.

    ``code`` decided, ``all_codes`` names every reason that failed. ``time_us`` (UTC, 0 for unknown)
    is only shown; ``see_url`` is the page to read or answer at, ``acknowledge`` the header value with which a
    program says that a notice was read. Everything but the codes may come from the wire and is escaped
    where it is used.
    """

    code: Reason
    reference: str
    host: str
    service_name: str = ""
    user: str = ""
    details: tuple[str, ...] = ()
    all_codes: tuple[Reason, ...] = ()
    apply_url: str = ""
    status: int | None = None
    retry_after: int | None = None
    time_us: int = 0
    see_url: str = ""
    acknowledge: str = ""

    @property
    def text(self) -> ReasonText:
        """The wording of the reason that decided."""
        return explain(self.code)

    @property
    def http_status(self) -> int:
        """The status of the answer, always one that clients take for a failure."""
        status = self.text.status if self.status is None else self.status
        return status if 400 <= status <= 599 else 403

    @property
    def retryable(self) -> bool:
        """Whether the same request may pass a little later without anybody's doing."""
        return self.http_status == 503

    @property
    def wait_s(self) -> int:
        """How long a client should wait before it tries a retryable refusal again."""
        return _RETRY_AFTER_S if self.retry_after is None else max(0, self.retry_after)

    @property
    def link(self) -> str:
        """The address to apply at; none where that would not help or a browser should not open it."""
        if self.http_status != 403 or self.see_link or not _WEB_ADDRESS.fullmatch(self.apply_url):
            return ""
        return self.apply_url

    @property
    def see_link(self) -> str:
        """The page at which the person can do what is asked; none where there is nothing to do there."""
        return self.see_url if _WEB_ADDRESS.fullmatch(self.see_url) else ""

    @property
    def other_codes(self) -> tuple[Reason, ...]:
        """The reasons that failed besides the one that decided, each once, in their order."""
        return tuple(dict.fromkeys(code for code in self.all_codes if code is not self.code))

    @property
    def shown_details(self) -> tuple[str, ...]:
        """The particulars, fit to be shown, at most ten of them."""
        return tuple(dict.fromkeys(visible(detail) for detail in self.details[:10] if detail))


def message(refusal: Refusal) -> str:
    """Say the refusal to the user of an API client: a line in Japanese, then one in English."""
    return "\n".join(message_lines(refusal))


def message_lines(refusal: Refusal) -> tuple[str, str]:
    """Return the Japanese and the English line of ``message``."""
    text, link = refusal.text, refusal.link
    details = "; ".join(refusal.shown_details)
    reference = visible(refusal.reference, 64)
    ja = f"{text.ja}{text.action_ja}" + (f"（{details}）" if details else "")
    see = refusal.see_link
    ja += f" [{refusal.code.value} 受付番号 {reference}" + (f" 申請 {link}" if link else "")
    ja += f" 画面 {see}]" if see else "]"
    en = f"{text.en} {text.action_en}" + (f" ({details})" if details else "")
    en += f" [{refusal.code.value} reference {reference}" + (f" apply {link}" if link else "")
    en += f" page {see}]" if see else "]"
    return ja, en


def apply_link(base: str, *, service: str, reference: str) -> str:
    """Point the console's application page at ``base`` to a service and the refusal that led there."""
    if not base:
        return ""
    pairs = [(name, value) for name, value in (("service", service), ("ref", reference)) if value]
    return f"{base.rstrip('/')}/apply" + (f"?{urlencode(pairs)}" if pairs else "")
