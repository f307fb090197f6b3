"""Consent of the public to take part in a trial (テスト参加の同意) [MOU-2-9].

A service for the public that is not in general operation shows that it is in trial and is used only by
those who agreed to the text in force; another version asks again, and who withdraws is out at once.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from sekimori.governance.actors import Actor
from sekimori.governance.change import Change, Changing
from sekimori.governance.machine import START, Case, Machine, Transition
from sekimori.governance.notices import Notice, in_force
from sekimori.governance.service import RegisteredService
from sekimori.governance.state import Aggregate, State
from sekimori.governance.use_refusals import refuse_use
from sekimori.governance.use_rules import UseRules
from sekimori.policy.admission import Finding
from sekimori.policy.codes import Reason
from sekimori.policy.people import canonical_name


class TrialConsent(Aggregate, frozen=True, kw_only=True):
    """That somebody agreed to the text of a trial: which version, which words, when."""

    noun: ClassVar[str] = "trial_consent"

    notice: str
    service: str
    subject: str
    number: int = 0
    sha256: str = ""
    given_us: int = 0
    withdrawn_us: int = 0


class GiveTrialConsent(msgspec.Struct, frozen=True):
    """Agree to this version, these words."""

    notice: str
    number: int
    sha256: str


class WithdrawTrialConsent(msgspec.Struct, frozen=True):
    """Agree no more."""

    notice: str


def _is_the_text_in_force(case: Case[TrialConsent]) -> None:
    notice = case.state.get(Notice, case.subject.notice)
    if notice.audience != "TRIAL" or not in_trial(case.state, notice.service):
        raise refuse_use("not-trial")
    shown = notice.status in ("PUBLISHED", "REVISING") and notice.current is not None
    sha256 = notice.current.sha256 if notice.current else ""
    if not shown or (case.command.number, case.command.sha256) != (notice.number, sha256):
        raise refuse_use("notice-differs")


_SHOWN = ("is_the_text_in_force",)
MACHINE = Machine(
    TrialConsent.noun,
    [
        Transition(START, "give", "GIVEN", _SHOWN),
        Transition("GIVEN", "give", "GIVEN", _SHOWN),
        Transition("GIVEN", "withdraw", "WITHDRAWN"),
        Transition("WITHDRAWN", "give", "GIVEN", _SHOWN),
    ],
    {"is_the_text_in_force": _is_the_text_in_force},
)


def in_trial(state: State, service: str) -> bool:
    """Say whether the public uses a service that is not in general operation yet."""
    entry = state.find(RegisteredService, service)
    return entry is not None and entry.facts.audience == "PUBLIC" and entry.facts.phase != "GENERAL"


def consent_id(notice: str, subject: str) -> str:
    """Give the id of what one person says of one text."""
    return f"{notice}:{canonical_name(subject)}"


def give_trial_consent(
    state: State, command: GiveTrialConsent, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Keep that the actor takes part."""
    notice = state.get(Notice, command.notice)
    id_ = consent_id(notice.id, actor.name)
    before = state.find(TrialConsent, id_) or TrialConsent(
        tenant=state.tenant,
        id=id_,
        status=START,
        notice=notice.id,
        service=notice.service,
        subject=actor.name,
    )
    fields: dict[str, Any] = {"number": command.number, "sha256": command.sha256, "given_us": at_us}
    status = MACHINE.move("give", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("give", before, status=status, withdrawn_us=0, **fields)
    return changing.done()


def withdraw_trial_consent(
    state: State, command: WithdrawTrialConsent, actor: Actor, at_us: int, rules: UseRules
) -> Change:
    """Keep that the actor takes part no more."""
    before = state.get(TrialConsent, consent_id(command.notice, actor.name))
    status = MACHINE.move("withdraw", Case(state, before, command, actor, at_us, rules))
    changing = Changing(state, actor, at_us)
    changing.edit("withdraw", before, status=status, withdrawn_us=at_us)
    return changing.done()


def trial_findings(state: State, subject: str, service: str) -> list[Finding]:
    """Say what stands against a request of somebody of the public; a trial without a text admits nobody."""
    if not in_trial(state, service):
        return []
    texts = tuple(in_force(state, service, "TRIAL"))
    if not texts:
        return [Finding(Reason.CONSENT_MISSING, "no text is published")]
    return [
        Finding(Reason.CONSENT_MISSING, f"{text.id};version={text.number}")
        for text in texts
        if not _given(state.find(TrialConsent, consent_id(text.id, subject)), text)
    ]


def _given(consent: TrialConsent | None, text: Notice) -> bool:
    if consent is None or consent.status != "GIVEN" or text.current is None:
        return False
    return (consent.number, consent.sha256) == (text.number, text.current.sha256)
