"""What a person owes before an admitted request goes on: consent to a trial, notices, feedback, limits.

Asked after the policy has said yes, and never remembered: all of it hangs on the minute, the person or what
they did just now. Where nobody owes anything it is one look at the published standing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sekimori.addons.noted import Noted
from sekimori.addons.rates import Rates
from sekimori.addons.view import Policy
from sekimori.governance.acknowledgement import Acknowledge
from sekimori.governance.calendar import jst_date
from sekimori.governance.limits import Ask, Limits, limit_findings
from sekimori.governance.standing import limits_of
from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason, stage
from sekimori.policy.decide import Decision
from sekimori.policy.people import canonical_name
from sekimori.policy.reasons import explain
from sekimori.policy.standing import NoticeToShow, Owed, Standing

_OF_ALL = "service_minute"
_COUNTED = ("user_minute", "user_day", _OF_ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One admitted request as the duties see it; ``said`` is what its header acknowledges."""

    user: str
    service: str
    time_us: int
    terms_of_service: bool
    size: int = 0
    model: str | None = None
    operation: str = "generate"
    attachments: int = 0
    said: tuple[Acknowledge, ...] = ()
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Weighed:
    """A decision after the duties; what there is to read, to answer, and what was read with this request."""

    decision: Decision
    to_read: tuple[NoticeToShow, ...] = ()
    to_answer: tuple[Owed, ...] = ()
    read: tuple[NoticeToShow, ...] = ()


class Duties:
    """Holds admitted requests against the standing and what people said since."""

    def __init__(self, noted: Noted, rates: Rates) -> None:
        self._noted = noted
        self._rates = rates
        self._limits: tuple[Standing | None, dict[str, Limits]] = (None, {})

    def weigh(self, decision: Decision, asked: Asked, policy: Policy) -> Weighed:
        """Return the decision, or the refusal that a duty makes of it."""
        standing = policy.standing
        if decision.verdict != "allow" or _is_quiet(standing, asked.service):
            return Weighed(decision)
        to_read, read = self._notices(standing, asked)
        to_answer = self._owed(standing, asked)
        found = [*_trial_findings(standing, asked), *(_to_read(n, standing) for n in to_read)]
        found += [_to_answer(one) for one in to_answer]
        found += self._limit_findings(standing, asked, count=asked.counts and not found)
        weighed = Weighed(decision, to_read, to_answer, read)
        return replace(weighed, decision=_refused(decision, found)) if found else weighed

    def remember_read(self, user: str, notices: Iterable[NoticeToShow], at_us: int) -> None:
        """Keep that notices were read, for the requests before the next standing."""
        day = jst_date(at_us).isoformat()
        for notice in notices:
            self._noted.remember(user, _mark(notice, day))

    def remember_answered(self, user: str, conversations: Iterable[str], since_us: int) -> None:
        """Keep that somebody answered on what they owed since an instant."""
        for conversation in conversations:
            self._noted.remember(user, f"answered/{conversation}/{since_us}")

    # --- notices and trials ------------------------------------------------------------------

    def _notices(
        self, standing: Standing, asked: Asked
    ) -> tuple[tuple[NoticeToShow, ...], tuple[NoticeToShow, ...]]:
        """Divide what is due into what still has to be read, and what this very request acknowledges."""
        if not standing.notices and asked.service not in standing.trials:
            return (), ()
        day = jst_date(asked.time_us).isoformat()
        tos = asked.terms_of_service
        due = [
            *_trial_texts(standing, asked),
            *standing.due(asked.user, asked.service, day, terms_of_service=tos),
        ]
        due = [notice for notice in due if not self._noted.has(asked.user, _mark(notice, day))]
        said = {(one.notice, one.number, one.sha256) for one in asked.said}
        read = tuple(notice for notice in due if (notice.id, notice.version, notice.sha256) in said)
        return tuple(notice for notice in due if notice not in read), read

    # --- feedback ----------------------------------------------------------------------------

    def _owed(self, standing: Standing, asked: Asked) -> tuple[Owed, ...]:
        return tuple(
            one
            for one in standing.owes(asked.user, asked.service)
            if not (
                one.conversations
                and all(
                    self._noted.has(asked.user, f"answered/{each}/{one.since_us}")
                    for each in one.conversations
                )
            )
        )

    # --- limits ------------------------------------------------------------------------------

    def _limit_findings(self, standing: Standing, asked: Asked, *, count: bool) -> list[Finding]:
        limits = self._limits_of(standing, asked.service)
        if limits is None:
            return []
        ask = Ask(
            at_us=asked.time_us,
            size=asked.size,
            model=asked.model,
            operation=asked.operation,
            attachments=asked.attachments,
        )
        found = limit_findings(limits, ask)
        names = tuple(name for name in _COUNTED if getattr(limits, name.replace("_", "_per_")) is not None)
        if found or not count or not names:
            return found
        taken: dict[str, int] = {}
        for some in (names[:-1], names[-1:]) if _OF_ALL in names else (names,):
            # A person's own limit first: what is refused to one takes no place from the others of a service.
            taken |= self._rates.take(asked.service, asked.user, asked.time_us, names=some)
            counted = Ask(at_us=asked.time_us, model=asked.model, operation=asked.operation, **taken)
            if found := limit_findings(limits, counted):
                return found
        return []

    def _limits_of(self, standing: Standing, service: str) -> Limits | None:
        given = standing.limits.get(service)
        if given is None:
            return None
        under, known = self._limits
        if under is not standing:
            known = {}
            self._limits = (standing, known)
        if service not in known:
            known[service] = limits_of(given)
        return known[service]


def _is_quiet(standing: Standing, service: str) -> bool:
    return not (
        standing.notices or standing.overdue or service in standing.limits or service in standing.trials
    )


def _mark(notice: NoticeToShow, day: str) -> str:
    return f"read/{notice.mark(day)}"


def _trial_texts(standing: Standing, asked: Asked) -> list[NoticeToShow]:
    if asked.service not in standing.trials:
        return []
    given = standing.consented.get(canonical_name(asked.user), frozenset())
    return [
        text
        for text in standing.trial_texts
        if text.service == asked.service and f"{text.id}/{text.version}" not in given
    ]


def _trial_findings(standing: Standing, asked: Asked) -> list[Finding]:
    """Admit nobody to a trial whose text nobody has published."""
    if asked.service not in standing.trials:
        return []
    published = any(text.service == asked.service for text in standing.trial_texts)
    return [] if published else [Finding(Reason.CONSENT_MISSING, "no text is published")]


def _to_read(notice: NoticeToShow, standing: Standing) -> Finding:
    code = Reason.CONSENT_MISSING if notice in standing.trial_texts else Reason.ACK_REQUIRED
    return Finding(code, header_entry(notice))


def _to_answer(owed: Owed) -> Finding:
    since = jst_date(owed.since_us).isoformat()
    whose = "owner: " if owed.of == "owner" else ""
    return Finding(Reason.FEEDBACK_OVERDUE, f"{whose}{owed.unanswered} since {since}")


def header_entry(notice: NoticeToShow) -> str:
    """Give what an API client sends to say that it has shown a notice to its person."""
    return f"{notice.id};version={notice.version};sha256={notice.sha256}"


def _refused(decision: Decision, found: list[Finding]) -> Decision:
    told: dict[Reason, list[str]] = {}
    for finding in sorted(found, key=lambda one: stage(one.code)):
        told.setdefault(finding.code, []).append(finding.detail)
    reasons = tuple(Finding(code, ", ".join(details)) for code, details in told.items())
    return replace(
        decision,
        verdict="deny",
        reasons=reasons,
        rule=explain(reasons[0].code).rule,
        valid_until_us=None,
        retryable=False,
    )
