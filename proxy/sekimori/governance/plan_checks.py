"""What a plan must say before it is submitted, and what class 2 asks for before it is approved.

Each fault names the field of the form, in two languages; an API answers with all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sekimori.governance.calendar import jst_date, months_later
from sekimori.governance.plan import EVERYBODY, GENAI_RISKS, Answer, UsagePlan
from sekimori.governance.refusals import Missing
from sekimori.governance.risks import RISK_KEYS
from sekimori.governance.rules import Rules
from sekimori.governance.scope import WorkScope, admits
from sekimori.governance.service import ContractType, RegisteredService
from sekimori.governance.state import State
from sekimori.policy.model import CHECKLIST, OPERATIONS
from sekimori.policy.people import canonical_name

_HOUR_US = 3_600_000_000
_NOTE = 20


def plan_faults(plan: UsagePlan, state: State, at_us: int, rules: Rules) -> Iterator[Missing]:
    """Yield everything that keeps the plan from being submitted."""
    service = state.find(RegisteredService, plan.external_service)
    yield from _empty(plan)
    if service is None:
        yield Missing(
            "external_service_name", "台帳に登録されたサービスを選んでください。", "is not in the register"
        )
        return
    yield from _purpose(plan, state)
    yield from _information(plan, service)
    yield from _period(plan, service, at_us)
    yield from _people(plan)
    yield from _measures(plan)
    yield from _terms(plan, service, at_us, rules)
    yield from _rest(plan)


def _empty(plan: UsagePlan) -> Iterator[Missing]:
    fields = {
        "reporting_entity": plan.reporting_entity,
        "responsible_head": plan.responsible_head,
        "external_provider_name": plan.external_provider_name,
        "secondary_use_owner": plan.secondary_use_owner,
    }
    for name, text in fields.items():
        if not text.strip():
            yield Missing(name, "記載してください。", "is missing")


def _purpose(plan: UsagePlan, state: State) -> Iterator[Missing]:
    if not _NOTE <= len(plan.purpose.strip()) <= 2000:
        yield Missing("purpose", "20字以上2000字以内で記載してください。", "needs 20 to 2000 characters")
    if not plan.work_scopes:
        yield Missing("work_scopes", "業務区分を選んでください。", "names no work scope")
    met = {each.scope for each in plan.scope_conditions if each.how.strip()}
    for code in plan.work_scopes:
        scope = state.find(WorkScope, code)
        if scope is None or not admits(scope, plan.external_service):
            yield Missing("work_scopes", f"{code}では利用できません。", f"{code} does not admit this service")
            continue
        rule = scope.rule_for(plan.external_service)
        if rule and rule.verdict == "CONDITIONAL" and code not in met:
            yield Missing(
                "scope_conditions", f"{code}の条件への対応を記載してください。", f"{code}: say how it is met"
            )


def _information(plan: UsagePlan, service: RegisteredService) -> Iterator[Missing]:
    klass, field = plan.information_confidentiality, "information_confidentiality"
    if klass not in (1, 2):
        yield Missing(field, "機密性3情報は取り扱えません。", "class 3 goes to no AI service")
    if klass == 2 and service.facts.contract_type is ContractType.TERMS_OF_SERVICE:
        yield Missing(
            field,
            "約款型では要機密情報を取り扱えません。",
            "class 2 is impossible on a terms-of-service service",
        )
    if klass == 2 and service.trains:
        yield Missing(
            field,
            "提供者が入力を学習に利用するため、要機密情報を取り扱えません。",
            "class 2 is impossible where the provider trains on it",
        )
    if klass == 2 and not plan.information_types:
        yield Missing(
            "information_types",
            "「一部の」情報の種類を列挙してください。",
            "list the types of class 2 information",
        )


def _period(plan: UsagePlan, service: RegisteredService, at_us: int) -> Iterator[Missing]:
    period = plan.usage_period
    if period is None or period.start > period.end:
        yield Missing("usage_period", "開始日と終了日を記載してください。", "needs a first and a last day")
        return
    latest = months_later(period.start, 12) - timedelta(days=1)
    contract = service.facts.contract
    if contract and contract.end:
        latest = min(latest, contract.end)
    if period.end > latest:
        yield Missing(
            "usage_period", f"終了日は{latest.isoformat()}までです。", f"must end by {latest.isoformat()}"
        )
    if period.end < jst_date(at_us):
        yield Missing("usage_period", "終了日が過ぎています。", "is over already")


def _people(plan: UsagePlan) -> Iterator[Missing]:
    named = [canonical_name(name) for name in (*plan.users, *plan.groups)]
    if not named or not all(named):
        yield Missing("user_scope", "利用者又はグループを記載してください。", "names nobody")
    if not EVERYBODY.isdisjoint(named):
        yield Missing("user_scope", "全員は指定できません。", "names everybody; list people or groups")
    if plan.head_count < 1:
        yield Missing("head_count", "人数を記載してください。", "is missing")


def _measures(plan: UsagePlan) -> Iterator[Missing]:
    told = {each.risk for each in plan.measures if each.measure.strip() and each.owner.strip()}
    for key, ja in GENAI_RISKS.items():
        if key not in told:
            yield Missing(
                "genai_risk_and_security_measures", f"{ja}への対応と担当者。", f"{key}: no measure and owner"
            )


def _terms(plan: UsagePlan, service: RegisteredService, at_us: int, rules: Rules) -> Iterator[Missing]:
    sheet = plan.terms_check
    if not sheet.url or not sheet.sha256 or sheet.retrieved_on is None:
        yield Missing(
            "terms_check",
            "約款の写し（URL・ハッシュ・取得日）が必要です。",
            "name the copy of the terms that was read",
        )
    else:
        age = (jst_date(at_us) - sheet.retrieved_on).days
        if not 0 <= age <= rules.terms_copy_days:
            yield Missing(
                "terms_check", f"写しは{rules.terms_copy_days}日以内のものです。", "the copy is too old"
            )
        if service.terms is not None and service.terms.sha256 != sheet.sha256:
            yield Missing("terms_check", "最新の約款を確認してください。", "these are not the current terms")
    yield from _ten_risks(plan, service)
    foreign = bool(set(service.facts.governing_law) - {"JP"})
    if foreign and not sheet.foreign_law_acknowledged:
        yield Missing(
            "terms_check.foreign_law", "現地の法令の適用を確認してください。", "acknowledge the foreign law"
        )


def _ten_risks(plan: UsagePlan, service: RegisteredService) -> Iterator[Missing]:
    answers = {each.risk: each for each in plan.terms_check.risks}
    for key in RISK_KEYS:
        answer = answers.get(key)
        if answer is None:
            yield Missing(f"terms_check.{key}", "確認してください。", "is not answered")
        elif answer.verdict == "NOT_ACCEPTABLE" and not answer.mitigation.strip():
            yield Missing(
                f"terms_check.{key}",
                "許容不可の場合は低減策が必要です。",
                "is not acceptable without a mitigation",
            )
        elif key == "foreign_law" and service.abroad and len(answer.note.strip()) < _NOTE:
            yield Missing(
                f"terms_check.{key}", "20字以上で記載してください。", "needs 20 characters: data lies abroad"
            )


def _rest(plan: UsagePlan) -> Iterator[Missing]:
    if plan.published_outside and not plan.public_relations_check.strip():
        yield Missing("public_relations_check", "対外公表には広報の確認が必要です。", "is missing")
    if len(plan.free_text) > 4000:
        yield Missing("free_text", "4000字以内です。", "is longer than 4000 characters")
    for operation in plan.operations:
        if operation not in OPERATIONS:
            yield Missing("operations", f"{operation}はありません。", f"{operation} is no operation")


def checklist_faults(
    plan: UsagePlan, service: RegisteredService, at_us: int, rules: Rules
) -> Iterator[Missing]:
    """Yield what keeps row 11 from being はい: each item that applies, with its evidence [FORM-11]."""
    answers = plan.answers
    for item in CHECKLIST:
        answer = answers.get(item)
        if answer is None or answer.answer == "NO":
            yield Missing(item, "「はい」ではありません。", "is not はい")
        elif answer.answer == "NOT_APPLICABLE":
            if item != "c6_trial_notice_and_consent" or service.facts.audience == "PUBLIC":
                yield Missing(item, "「該当なし」にできません。", "does apply")
        else:
            yield from _unproven(answer, plan, service, at_us, rules)


def _unproven(
    answer: Answer, plan: UsagePlan, service: RegisteredService, at_us: int, rules: Rules
) -> Iterator[Missing]:
    if answer.evidence is None or not answer.evidence.reference:
        yield Missing(answer.item, "証拠がありません。", "has no evidence")
        return
    if answer.item == "c1_disclosure_of_genai" and not service.facts.ai_label:
        yield Missing(answer.item, "表示の設定が無効です。", "the label is switched off")
    if answer.item == "c2_secondary_use_responsibility" and answer.responsible != plan.secondary_use_owner:
        yield Missing(answer.item, "二次利用責任者と一致しません。", "names somebody else than the plan")
    if answer.item == "c3_limited_initial_audience" and set(answer.groups) != set(plan.groups):
        yield Missing(answer.item, "利用者の範囲と一致しません。", "differs from the users of the plan")
    if answer.item == "c5_logging_and_feedback":
        age = at_us - answer.evidence.at_us
        if not 0 <= age <= rules.self_test_hours * _HOUR_US:
            yield Missing(answer.item, "自己診断が古くなっています。", "the self-test is too old")
