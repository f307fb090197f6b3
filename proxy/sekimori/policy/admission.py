"""The truth table: which contract, class and evidence go together.

The one place that knows it; the apply file, a loaded snapshot and every decision ask here. Class 1 has
no 要機密情報; class 2 and 3 are 要機密情報; class 3 goes nowhere.

==================  =========================  ===============================================  =======
contract            class 1                    class 2                                          class 3
==================  =========================  ===============================================  =======
terms_of_service    a grant                    never                                            never
individual          a grant                    a grant with six items, consent, risk analysis,  never
                                               listed information types
org_operated        as individual              as individual                                    never
flagged             and advice of two bodies   and advice of two bodies                         never
==================  =========================  ===============================================  =======
"""

from __future__ import annotations

from dataclasses import dataclass

from sekimori.policy.codes import Reason
from sekimori.policy.model import CHECKLIST, Grant, Rules, Service
from sekimori.policy.people import canonical_name

# DSN-1-2: where data is stored under this law, nothing above class 1 may go.
CAUTION_LOCATIONS = frozenset({"CN"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason, and what about this very request led to it."""

    code: Reason
    detail: str = ""


def contract_findings(service: Service | None, klass: int) -> list[Finding]:
    """Say what the contract alone forbids; an unknown service counts as terms of service."""
    if klass >= 2 and (service is None or service.contract == "terms_of_service"):
        return [Finding(Reason.TOS_CONFIDENTIAL, f"class {klass}")]
    return []


def evidence_findings(service: Service, grant: Grant, klass: int, rules: Rules) -> list[Finding]:
    """Say what ``grant`` lacks for information of class ``klass`` on ``service``."""
    if klass < 2 or service.contract == "terms_of_service":
        return []
    found = []
    if missing := _unchecked(grant):
        found.append(Finding(Reason.CHECKLIST_INCOMPLETE, ", ".join(missing)))
    if rules.consent_required and grant.consent is None:
        found.append(Finding(Reason.CONSENT_RECORD_MISSING, grant.id))
    if not grant.information_types:
        found.append(Finding(Reason.CLASS_EXCEEDED, "no class 2 information types are listed"))
    if caution := sorted(CAUTION_LOCATIONS.intersection(service.data_locations)):
        found.append(Finding(Reason.CLASS_EXCEEDED, f"data is stored in {', '.join(caution)}"))
    return found


def advice_findings(flagged: bool, grant: Grant, rules: Rules) -> list[Finding]:  # noqa: FBT001 - a fact
    """Say whether ``grant`` lacks the advice of two different bodies."""
    if not (flagged and rules.advice_required):
        return []
    bodies = {canonical_name(advice.body) for advice in grant.advice}
    if len(bodies) >= 2:
        return []
    return [Finding(Reason.ADVICE_REQUIRED, f"{len(bodies)} of 2 bodies")]


def _unchecked(grant: Grant) -> list[str]:
    missing = [item for item in CHECKLIST if item not in grant.checklist]
    if grant.risk_analysis is None:
        missing.append("risk_analysis")
    return missing
