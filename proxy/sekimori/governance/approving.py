"""What stands between an application and its approval: the guards, each a rule with a name.

``LEGAL`` is asked twice: when the authority approves, and again when the appointed administrator accepts,
because the register, the evidence and the calendar may have changed in between.
"""

from __future__ import annotations

from typing import Any

from sekimori.governance.actors import Actor, among, same
from sekimori.governance.advice import advice_missing
from sekimori.governance.application import Application, Review
from sekimori.governance.assessment import RiskAssessment
from sekimori.governance.authority import authorities_for, deciding
from sekimori.governance.consent import consent_for, consent_needed
from sekimori.governance.machine import Case, Guard
from sekimori.governance.operating_rules import rules_in_force
from sekimori.governance.plan_checks import checklist_faults, plan_faults
from sekimori.governance.refusals import Missing, refuse
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.rules import Rules
from sekimori.governance.service import ContractType, RegisteredService
from sekimori.governance.state import State
from sekimori.governance.terms import pending

_NOTE = 20


def _service(case: Case[Application]) -> RegisteredService:
    return case.state.get(RegisteredService, case.subject.plan.external_service)


# --- who -------------------------------------------------------------------------------------------


def is_the_applicant(case: Case[Application]) -> None:
    """Let only the applicant write, submit and withdraw."""
    if not same(case.subject.applicant, case.actor.name):
        raise refuse("not-yours", who=case.subject.applicant)


def is_not_the_applicant(case: Case[Application]) -> None:
    """Let nobody examine or decide on their own application [MOU-1-5]."""
    if same(case.subject.applicant, case.actor.name):
        raise refuse("own-application")


def is_not_among_the_users(case: Case[Application]) -> None:
    """Let nobody decide on their own use."""
    if among(case.actor.name, case.subject.plan.users):
        raise refuse("own-use")


def holds_authority(case: Case[Application]) -> None:
    """Let only an authority for this service and unit decide, or a deputy in their days."""
    plan = case.subject.plan
    deciding(
        case.state,
        case.actor,
        plan.external_service,
        case.subject.unit,
        case.at_us,
        about=(case.subject.applicant, *plan.users),
    )


def an_authority_lives(case: Case[Application]) -> None:
    """Let nobody apply into the void [UK-423-1a-イ]."""
    if not authorities_for(case.state, case.subject.plan.external_service, case.subject.unit, case.at_us):
        raise refuse("no-authority")


# --- how -------------------------------------------------------------------------------------------


def gives_a_reason(case: Case[Application]) -> None:
    """Ask why it is refused or returned."""
    if not case.command.reason.strip():
        raise refuse("reason-missing")


def decides_on_what_was_read(case: Case[Application]) -> None:
    """Hold the decision to the very plan that was read."""
    if case.command.plan_hash != case.subject.plan_hash:
        raise refuse("stale")


def has_gone_through_the_ten_risks(case: Case[Application]) -> None:
    """Ask whoever approves to go through each of the ten risks of this plan themself [UK-423-2b]."""
    review = own_review(case.subject, case.actor)
    read = set() if review is None else set(review.risks)
    open_ = [key for key in RISK_KEYS if key not in read]
    if open_:
        raise refuse(
            "risks-unreviewed", missing=[Missing(key, "未確認です。", "was not reviewed") for key in open_]
        )
    _read_about_foreign_law(_service(case), review)


def _read_about_foreign_law(service: RegisteredService, review: Review | None) -> None:
    missing = []
    if set(service.facts.governing_law) - {"JP"} and not (review and review.foreign_law_acknowledged):
        missing.append(
            Missing("foreign_law", "現地の法令の適用を確認してください。", "acknowledge the foreign law")
        )
    if service.abroad and len(review.foreign_law_note.strip() if review else "") < _NOTE:
        missing.append(Missing("foreign_law_note", "20字以上で記載してください。", "needs 20 characters"))
    if missing:
        raise refuse("risks-unreviewed", missing=missing)


def own_review(application: Application, actor: Actor) -> Review | None:
    """Find the latest review of the plan as it stands by ``actor``."""
    for review in reversed(application.reviews):
        if same(review.reviewer, actor.name) and review.plan_hash == application.plan_hash:
            return review
    return None


def nominates_an_administrator(case: Case[Application]) -> None:
    """Ask for a cloud service administrator, who is not whoever decides [UK-423-2c]."""
    if not case.command.administrator.strip():
        raise refuse("administrator-missing")
    if same(case.command.administrator, case.actor.name):
        raise refuse("own-appointment")


def says_how_advice_was_reflected(case: Case[Application]) -> None:
    """Ask, where advice was needed, what it changed [DSN-5-3]."""
    flagged = _service(case).flagged(case.rules.caution_locations)
    if case.rules.advice_required and flagged and not case.command.advice_reflected.strip():
        raise refuse("advice-unreflected")


# --- what ------------------------------------------------------------------------------------------


def class_is_possible(case: Case[Application]) -> None:
    """Refuse what nobody can approve: class 3; class 2 on 約款型, in caution, or where it trains a model."""
    klass, service = case.subject.plan.information_confidentiality, _service(case)
    if klass not in (1, 2):
        raise refuse("class-3")
    if klass == 2 and service.facts.contract_type is ContractType.TERMS_OF_SERVICE:
        raise refuse("tos-confidential")
    if klass == 2 and (capped := service.capped(case.rules.caution_locations)):
        raise refuse("class-cap", locations=", ".join(capped))
    if klass == 2 and service.trains:
        raise refuse("training-use")


def plan_is_complete(case: Case[Application]) -> None:
    """Ask every field of the form to say what it must [MOU-1-4]."""
    if missing := list(plan_faults(case.subject.plan, case.state, _sheets_us(case), case.rules)):
        raise refuse("incomplete", missing=missing)


def service_is_active(case: Case[Application]) -> None:
    """Ask for a service that may be used."""
    if _service(case).status != "ACTIVE":
        raise refuse("service-inactive")


def facts_are_settled(case: Case[Application]) -> None:
    """Ask that no facts wait for approval, and that what the profile wants checked was checked."""
    service = _service(case)
    if service.proposal is not None:
        raise refuse(
            "register-incomplete", missing=[Missing("proposal", "承認待ちです。", "waits for approval")]
        )
    check = service.facts.it_procurement_check
    if case.rules.it_procurement_check and (check is None or not check.reason or not check.checker):
        text = Missing(
            "it_procurement_check", "IT調達申合せの対象・非対象の確認が必要です。", "is not checked [DSN-4-1]"
        )
        raise refuse("register-incomplete", missing=[text])


def rules_are_in_force(case: Case[Application]) -> None:
    """Ask for operating rules in force that name every work scope of the plan [UK-423-1a]."""
    held = rules_in_force(case.state, case.at_us)
    if held is None:
        raise refuse("rules-missing")
    outside = [code for code in case.subject.plan.work_scopes if code not in held.sections.scopes]
    if outside:
        raise refuse(
            "scope-missing",
            missing=[Missing(code, "運用規程にありません。", "is not in the rules") for code in outside],
        )


def terms_are_accepted(case: Case[Application]) -> None:
    """Ask that no change of terms waits, and that the copy that was read is the current one."""
    service = _service(case)
    if pending(case.state, service.id):
        raise refuse("terms-pending")
    if service.terms is not None and service.terms.sha256 != case.subject.plan.terms_check.sha256:
        raise refuse("terms-differ")


def advice_is_recorded(case: Case[Application]) -> None:
    """Ask for the advice of every body on a flagged provider, paid or free [DSN-5-1, DSN-5-2]."""
    if missing := advice_missing(case.state, _service(case), case.rules):
        raise refuse("advice-missing", bodies=", ".join(missing))


def six_items_are_proven(case: Case[Application]) -> None:
    """Ask, for class 2, row 11 of the form to be はい [FORM-11]."""
    if _class_two(case):
        missing = list(checklist_faults(case.subject.plan, _service(case), _sheets_us(case), case.rules))
        if missing:
            raise refuse("checklist-incomplete", missing=missing)


def information_types_are_listed(case: Case[Application]) -> None:
    """Ask, for class 2, which part of it (「一部の」) [MOU-2-11]."""
    if _class_two(case) and not any(each.strip() for each in case.subject.plan.information_types):
        raise refuse("information-types")


def risk_analysis_is_signed(case: Case[Application]) -> None:
    """Ask, for class 2, a risk analysis of this very use by somebody else, of this year [MOU-2-6]."""
    if _class_two(case) and assessment_for(case.state, case.subject, case.at_us, case.rules) is None:
        raise refuse("risk-analysis")


def consent_is_recorded(case: Case[Application]) -> None:
    """Ask, for class 2, the consent to this very plan, where the profile wants it [MOU-2-2]."""
    if consent_needed(case.subject, case.rules) and consent_for(case.state, case.subject) is None:
        raise refuse("consent-missing", body=case.rules.book.consent_body)


def period_is_not_over(case: Case[Application]) -> None:
    """Grant nothing for the past."""
    period = case.subject.plan.usage_period
    if period is None or case.at_us >= period.end_us:
        raise refuse("period-over")


def _sheets_us(case: Case[Application]) -> int:
    """Give the instant at which copies and self-tests are young enough: an acceptance may take days."""
    decision = case.subject.decision
    decided = case.subject.status == "APPROVED" and decision is not None
    return decision.at_us if decided and decision is not None else case.at_us


def _class_two(case: Case[Application]) -> bool:
    return case.subject.plan.information_confidentiality >= 2


def assessment_for(state: State, application: Application, at_us: int, rules: Rules) -> RiskAssessment | None:
    """Find the signed risk analysis that fits the plan as it stands."""
    for each in state.all(RiskAssessment):
        own = each.application == application.id and not same(each.assessor, application.applicant)
        if own and each.holds(application.plan.basis, at_us, rules.assessment_days):
            return each
    return None


_WHO = (is_the_applicant, is_not_the_applicant, is_not_among_the_users, holds_authority, an_authority_lives)
_HOW = (
    *(gives_a_reason, decides_on_what_was_read, has_gone_through_the_ten_risks),
    *(nominates_an_administrator, says_how_advice_was_reflected),
)
_WHAT = (
    *(class_is_possible, service_is_active, facts_are_settled, rules_are_in_force, terms_are_accepted),
    *(advice_is_recorded, six_items_are_proven, information_types_are_listed, risk_analysis_is_signed),
    *(consent_is_recorded, period_is_not_over, plan_is_complete),
)
GUARDS: dict[str, Guard] = {guard.__name__: guard for guard in (*_WHO, *_HOW, *_WHAT)}
LEGAL = tuple(guard.__name__ for guard in _WHAT)


def ask_legal(case: Case[Any]) -> None:
    """Ask every guard of ``LEGAL`` again."""
    for name in LEGAL:
        GUARDS[name](case)
