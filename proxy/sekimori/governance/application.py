"""An application (利用申請): a plan, who applies, what reviewers found, what was decided."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from sekimori.governance.plan import UsagePlan
from sekimori.governance.state import Aggregate, Value, digest


class Review(Value, frozen=True):
    """What one person found: which of the ten risks they went through, and what they think [UK-423-2b]."""

    reviewer: str
    at_us: int
    plan_hash: str
    risks: tuple[str, ...] = ()
    opinion: Literal["FOR", "AGAINST", "NONE"] = "NONE"
    note: str = ""
    foreign_law_acknowledged: bool = False
    foreign_law_note: str = ""


class Decision(Value, frozen=True):
    """A decision (決裁): verdict, reason, and everything it was taken on [MOU-1-5, DSN-5-3].

    ``application_hash`` is of the application as decided: number, version, applicant and plan.
    """

    verdict: Literal["APPROVED", "REJECTED", "RETURNED"]
    by: str
    at_us: int
    reason: str
    authority: str
    delegated: bool
    policy_version: str
    operating_rules: str
    application_hash: str
    advice: tuple[str, ...] = ()
    advice_reflected: str = ""
    consent: str = ""
    risk_assessment: str = ""
    conditions: tuple[str, ...] = ()


class Application(Aggregate, frozen=True, kw_only=True):
    """A plan on its way; ``revision`` is the branch number of the report number (-00, -01 …)."""

    noun: ClassVar[str] = "application"

    applicant: str
    unit: str
    plan: UsagePlan = UsagePlan()
    report_no: str = ""
    revision: int = 0
    first_report_date: date | None = None
    revised_on: date | None = None
    reviews: tuple[Review, ...] = ()
    decisions: tuple[Decision, ...] = ()
    renewal_of: str = ""
    appointment: str = ""
    grant: str = ""

    @property
    def plan_hash(self) -> str:
        """Fingerprint what a review or a decision is about."""
        return digest((self.id, self.report_no, self.revision, self.applicant, self.unit, self.plan))

    @property
    def decision(self) -> Decision | None:
        """Give the latest decision."""
        return self.decisions[-1] if self.decisions else None


class Counter(Aggregate, frozen=True, kw_only=True):
    """Report numbers given out in a fiscal year: gapless, never used twice [FORM-01]."""

    noun: ClassVar[str] = "counter"

    last: int = 0
