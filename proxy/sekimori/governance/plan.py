"""The usage plan (利用計画書): every field of the form, and the sheets behind it.

Plain values. What they must satisfy is in ``plan_checks``; the form's own words are in the rulebook.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from sekimori.governance.state import Evidence, Value, digest
from sekimori.policy.model import CHECKLIST, DEFAULT_OPERATIONS, Period

# FORM-10: what row 10 of the form has to speak about.
GENAI_RISKS = {
    "leak": "機密漏えい",
    "personal_information": "個人情報",
    "intellectual_property": "著作権・知財",
    "hallucination": "誤情報(ハルシネーション)",
    "bias": "バイアス",
    "foreign_law": "国外法令",
    "supply_chain": "サプライチェーン",
}
EVERYBODY = frozenset({"*", "all", "everyone", "everybody", "全員", "全職員"})


class Measure(Value, frozen=True):
    """Row 10: a risk of generative AI, what is done about it, who sees to it."""

    risk: str
    measure: str
    owner: str


class Answer(Value, frozen=True):
    """One of the six items: はい, いいえ or 該当なし, and what proves it."""

    item: str
    answer: Literal["YES", "NO", "NOT_APPLICABLE"]
    evidence: Evidence | None = None
    responsible: str = ""
    groups: tuple[str, ...] = ()


class TermsRisk(Value, frozen=True):
    """One of the ten risks as the applicant reads it out of the terms."""

    risk: str
    verdict: Literal["CONFIRMED", "ACCEPTABLE", "NOT_ACCEPTABLE"]
    note: str = ""
    mitigation: str = ""


class TermsCheck(Value, frozen=True):
    """The terms-check sheet: which copy was read when, and what was found [UK-423-2a]."""

    url: str = ""
    sha256: str = ""
    retrieved_on: date | None = None
    risks: tuple[TermsRisk, ...] = ()
    foreign_law_acknowledged: bool = False


class ScopeCondition(Value, frozen=True):
    """How the condition of a work scope is met."""

    scope: str
    how: str


class UsagePlan(Value, frozen=True):
    """What an applicant fills in; report number and first report date belong to the application."""

    reporting_entity: str = ""
    responsible_head: str = ""
    external_service: str = ""
    external_provider_name: str = ""
    corporate_number: str = ""
    purpose: str = ""
    work_scopes: tuple[str, ...] = ()
    scope_conditions: tuple[ScopeCondition, ...] = ()
    information_confidentiality: int = 1
    information_types: tuple[str, ...] = ()
    usage_period: Period | None = None
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    head_count: int = 0
    phase: Literal["PILOT", "LIMITED", "GENERAL"] = "PILOT"
    measures: tuple[Measure, ...] = ()
    genai_risk_text: str = ""
    checklist: tuple[Answer, ...] = ()
    secondary_use_owner: str = ""
    terms_check: TermsCheck = TermsCheck()
    public_relations_check: str = ""
    published_outside: bool = False
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = DEFAULT_OPERATIONS
    unparsed: bool = False
    free_text: str = ""

    @property
    def basis(self) -> str:
        """Fingerprint what a risk analysis is about: service, models, operations, scopes, class, phase."""
        return digest(
            (
                self.external_service,
                sorted(self.models),
                sorted(self.operations),
                sorted(self.work_scopes),
                self.information_confidentiality,
                sorted(self.information_types),
                self.phase,
            )
        )

    @property
    def answers(self) -> dict[str, Answer]:
        """Give the answers by item."""
        return {each.item: each for each in self.checklist}

    @property
    def done(self) -> tuple[str, ...]:
        """List the items that are はい, or do not apply, in the order of the form."""
        settled = {each.item for each in self.checklist if each.answer != "NO"}
        return tuple(item for item in CHECKLIST if item in settled)


def with_fields(plan: UsagePlan, **fields: object) -> UsagePlan:
    """Give the plan with other fields."""
    return msgspec.structs.replace(plan, **fields)
