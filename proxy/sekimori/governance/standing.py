"""The standing of people, grants and services, as the gate's workers are told it within seconds.

Derived from the state of one instant. What is suspended or revoked here is refused before the next
snapshot is compiled; which notices are due and which feedback is overdue is known nowhere else at the gate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from sekimori.governance.acknowledgement import Acknowledgement
from sekimori.governance.calendar import jst_date
from sekimori.governance.conversation import Conversation, Tally, overdue, owner_overdue
from sekimori.governance.grant import LIVE, Grant
from sekimori.governance.limiting import ServiceLimits as LimitsInForce
from sekimori.governance.limits import Limits, Window
from sekimori.governance.notices import ALL, TOS, Notice, NoticeText
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import State
from sekimori.governance.terms import TermsChange, stops
from sekimori.governance.trial import TrialConsent, in_trial
from sekimori.governance.use_rules import FeedbackRules, UseRules
from sekimori.policy import standing as told
from sekimori.policy.people import canonical_name
from sekimori.policy.standing import Hours, NoticeToShow, Owed, ServiceLimits, Standing

_PLACES = {ALL: told.ALL, TOS: told.TOS}
_SHOWN = ("PUBLISHED", "REVISING")
_STOPPED = ("SUSPENDED", "RETIRED")


def standing_of(
    state: State,
    at_us: int,
    rules: UseRules,
    *,
    version: int = 0,
    disabled: Iterable[str] = (),
    notices_required: bool = True,
) -> Standing:
    """Give how everything stands; ``disabled`` names accounts, which are kept elsewhere."""
    notices = tuple(notices_in_force(state)) if notices_required else ()
    trials = frozenset(
        each.id for each in state.all(RegisteredService) if not each.owner_file and in_trial(state, each.id)
    )
    texts = tuple(text for text in notices_in_force(state, "TRIAL") if text.service in trials)
    return Standing(
        version=version,
        at_us=at_us,
        suspended_grants=frozenset(_suspended_grants(state)),
        suspended_services=frozenset(_suspended_services(state, at_us)),
        disabled_users=frozenset(canonical_name(name) for name in disabled),
        notices=notices,
        acknowledged=_acknowledged(state, notices),
        overdue=overdue_of(state.all(Conversation), at_us, rules.feedback),
        limits={
            each.id: limits_for_policy(each.limits)
            for each in state.all(LimitsInForce)
            if each.limits != Limits()
        },
        trials=trials,
        trial_texts=texts,
        consented=_consented(state, texts),
    )


def _suspended_grants(state: State) -> Iterator[str]:
    for grant in state.all(Grant):
        if grant.status in ("SUSPENDED", "REVOKED") or (grant.status in LIVE and not grant.administrator):
            yield grant.id


def _suspended_services(state: State, at_us: int) -> Iterator[str]:
    yield from (each.id for each in state.all(RegisteredService) if each.status in _STOPPED)
    yield from (each.id for each in state.all(LimitsInForce) if each.suspended)
    yield from (each.service for each in state.all(TermsChange) if stops(each, at_us))


def notices_in_force(state: State, audience: str = "NOTICE") -> Iterator[NoticeToShow]:
    """Walk the notices that somebody has to read, by id."""
    for notice in sorted(state.all(Notice), key=lambda each: each.id):
        if notice.status in _SHOWN and notice.audience == audience and notice.current is not None:
            yield _to_show(notice, notice.current)


def _to_show(notice: Notice, text: NoticeText) -> NoticeToShow:
    return NoticeToShow(
        id=notice.id,
        version=notice.number,
        sha256=text.sha256,
        service=_PLACES.get(notice.service, notice.service),
        title_ja=text.title,
        text_ja=text.ja,
        text_en=text.en,
        daily=text.frequency == "DAILY",
    )


def notice_of(shown: NoticeToShow) -> Notice:
    """Give the notice behind what a worker was told, as the rules of showing it want it."""
    places = {there: here for here, there in _PLACES.items()}
    text = NoticeText(
        title=shown.title_ja,
        ja=shown.text_ja,
        en=shown.text_en,
        frequency="DAILY" if shown.daily else "FIRST_USE",
    )
    service = places.get(shown.service, shown.service)
    return Notice(id=shown.id, status="PUBLISHED", service=service, number=shown.version, current=text)


def _acknowledged(state: State, notices: tuple[NoticeToShow, ...]) -> dict[str, frozenset[str]]:
    in_force = {notice.id: notice for notice in notices}
    marks: defaultdict[str, set[str]] = defaultdict(set)
    for held in state.all(Acknowledgement) if in_force else ():
        notice = in_force.get(held.notice)
        if notice is not None and (held.number, held.sha256) == (notice.version, notice.sha256):
            marks[canonical_name(held.subject)].add(notice.mark(jst_date(held.at_us).isoformat()))
    return {subject: frozenset(found) for subject, found in marks.items()}


def _consented(state: State, texts: tuple[NoticeToShow, ...]) -> dict[str, frozenset[str]]:
    in_force = {text.id: text for text in texts}
    marks: defaultdict[str, set[str]] = defaultdict(set)
    for given in state.all(TrialConsent) if in_force else ():
        text = in_force.get(given.notice)
        holds = given.status == "GIVEN" and text is not None
        if holds and text and (given.number, given.sha256) == (text.version, text.sha256):
            marks[canonical_name(given.subject)].add(f"{text.id}/{text.version}")
    return {subject: frozenset(found) for subject, found in marks.items()}


def overdue_of(
    conversations: Iterable[Conversation], at_us: int, rules: FeedbackRules
) -> Mapping[str, tuple[Owed, ...]]:
    """Give what is overdue at an instant, by subject: in few pages, as each person counts once a service."""
    own: defaultdict[tuple[str, str], list[Conversation]] = defaultdict(list)
    sampled: defaultdict[tuple[str, str], list[Conversation]] = defaultdict(list)
    for each in conversations:
        key = (canonical_name(each.subject), each.service)
        if each.unanswered:
            own[key].append(each)
        if each.owner and each.sampled_us:
            sampled[key].append(each)
    found: defaultdict[str, list[Owed]] = defaultdict(list)
    for (subject, service), held in own.items():
        tally = Tally()
        for each in held:
            tally = tally.plus(each.unanswered, each.since_us)
        if overdue(tally, at_us, rules):
            ids = tuple(each.id for each in sorted(held, key=lambda each: each.since_us))
            found[subject].append(_owed(service, tally, ids[: rules.covered_limit + 1]))
    for (subject, service), held in sampled.items():
        sample = Tally()
        for each in held:
            sample = sample.plus(1, each.sampled_us)
        if owner_overdue(sample, at_us, rules):
            ids = tuple(each.id for each in held)[: rules.covered_limit]
            found[subject].append(msgspec.structs.replace(_owed(service, sample, ids), of="owner"))
    return {subject: tuple(each) for subject, each in found.items()}


def _owed(service: str, tally: Tally, ids: tuple[str, ...]) -> Owed:
    return Owed(service=service, unanswered=tally.unanswered, since_us=tally.since_us, conversations=ids)


def limits_for_policy(limits: Limits) -> ServiceLimits:
    """Give limits as workers are told them."""
    fields = msgspec.structs.asdict(limits)
    windows = tuple(
        Hours(start=each.start, end=each.end, days=tuple(sorted(each.days)), holidays=each.holidays)
        for each in limits.windows
    )
    return ServiceLimits(**{**fields, "windows": windows})


def limits_of(limits: ServiceLimits) -> Limits:
    """Give the limits behind what a worker was told; ``limits.limit_findings`` judges by them."""
    fields = msgspec.structs.asdict(limits)
    windows = tuple(
        Window(start=each.start, end=each.end, days=frozenset(each.days), holidays=each.holidays)
        for each in limits.windows
    )
    return Limits(**{**fields, "windows": windows})
